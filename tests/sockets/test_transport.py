"""Frames as they come: whole, torn, fragmented, huge, wrong; the fast way agrees with wsproto on all."""

from __future__ import annotations

import struct
from functools import partial

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from hyperstream.sockets.transport import Transport

from .frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LIMIT,
    PING,
    PONG,
    TEXT,
    acceptance,
    frame,
    heard,
    open_transport,
    open_websocket,
    read_all,
)


async def test_every_message_of_one_read_comes_as_one_batch() -> None:
    transport, far = await open_websocket()
    await far.send_all(frame(TEXT, b"one") + frame(BINARY, b"\xfftwo") + frame(TEXT, b"") + frame(PONG))
    assert await transport.receive_batch() == [b"one", b"\xfftwo", b""]


async def test_what_comes_with_the_handshakes_answer_is_not_lost() -> None:
    transport, far = await open_websocket(frame(TEXT, b"one") + frame(TEXT, b"two")[:3])
    await far.send_all(frame(TEXT, b"two")[3:])
    assert await transport.receive_batch() == [b"one"]
    assert await transport.receive_batch() == [b"two"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, LIMIT])
async def test_a_message_of_any_size_survives_any_tear(size: int) -> None:
    transport, far = await open_websocket()
    payload = bytes(index % 251 for index in range(size))
    data = frame(BINARY, payload)
    for tear in {1, 2, 3, 4, 9, 10, 11, len(data) // 2, len(data) - 1} & set(range(1, len(data))):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(far.send_all, data[:tear])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(far.send_all, data[tear:])
            assert await transport.receive_batch() == [payload]


async def test_fragments_are_joined_and_pings_between_them_answered() -> None:
    transport, far = await open_websocket()
    snow = "☃".encode()
    await far.send_all(
        frame(TEXT, b"a" + snow[:1], fin=False)
        + frame(PING, b"still there?")
        + frame(CONTINUATION, snow[1:], fin=False)
        + frame(CONTINUATION, b"z")
        + frame(TEXT, b"next")
    )
    assert await transport.receive_batch() == [b"a" + snow + b"z", b"next"]
    assert await heard(far) == [(PONG, b"still there?")]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(TEXT, b"masked", masked=True), 1002),
        (frame(TEXT, b"reserved", bits=0x40), 1002),
        (frame(0x3, b"unknown opcode"), 1002),
        (frame(0xB, b"unknown control"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"torn", fin=False), 1002),
        (frame(CONTINUATION, b"of nothing"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(TEXT, b"\xff", fin=False) + frame(CONTINUATION), 1007),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, struct.pack("!H", 1005)), 1002),
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_told_and_left(wrong: bytes, code: int) -> None:
    transport, far = await open_websocket()
    await far.send_all(frame(TEXT, b"good") + wrong)
    assert await read_all(transport) == ([b"good"], code)
    (opcode, payload) = (await heard(far))[-1]
    assert (opcode, struct.unpack("!H", payload[:2])[0]) == (CLOSE, code)


@pytest.mark.parametrize(
    "huge",
    [
        frame(BINARY, bytes(LIMIT + 1)),
        struct.pack("!BBQ", 0x82, 127, 2**62),
        frame(BINARY, bytes(LIMIT), fin=False) + frame(CONTINUATION, b"x", fin=False),
    ],
)
async def test_a_huge_message_is_refused_as_soon_as_it_is_seen(huge: bytes) -> None:
    transport, far = await open_websocket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.send_all, huge)
        with trio.fail_after(30):
            assert await read_all(transport) == ([], 1009)
    assert (await heard(far))[-1][1][:2] == struct.pack("!H", 1009)
    assert transport.closed is not None
    assert "refused here" in str(transport.closed.reason)


@pytest.mark.parametrize(
    ("payload", "code"),
    [(struct.pack("!H", 1001) + b"bye", 1001), (b"", 1005), (struct.pack("!H", 4321), 4321)],
)
async def test_a_goodbye_is_answered_and_its_code_told(payload: bytes, code: int) -> None:
    transport, far = await open_websocket()
    await far.send_all(frame(TEXT, b"last") + frame(CLOSE, payload) + frame(TEXT, b"too late"))
    assert await read_all(transport) == ([b"last"], code)
    assert (await heard(far))[-1][0] == CLOSE


@pytest.mark.parametrize(
    "last", [frame(CLOSE, struct.pack("!H", 1000)), frame(PING), b"\xff\xff", frame(BINARY, bytes(LIMIT + 1))]
)
async def test_what_was_said_before_the_last_word_is_had_even_when_answering_that_is_cancelled(
    last: bytes,
) -> None:
    transport, far = await open_websocket()
    await far.send_all(frame(TEXT, b"one") + frame(TEXT, b"two") + last)
    assert await transport.receive_batch() == [b"one", b"two"]
    with trio.CancelScope() as scope:
        scope.cancel(reason="somebody else could not send any more")
        await transport.receive_batch()
    assert scope.cancelled_caught


async def test_a_connection_that_just_ends_has_no_goodbye() -> None:
    transport, far = await open_websocket()
    await far.send_all(frame(TEXT, b"last") + frame(TEXT, b"torn")[:3])
    await trio.aclose_forcefully(far)
    assert await read_all(transport) == ([b"last"], 1006)
    with pytest.raises(ConnectionClosed):
        await transport.receive_batch()
    with pytest.raises(ConnectionClosed):
        await transport.send_message("too late")


async def test_closing_waits_for_the_peers_goodbye(autojump_clock: trio.testing.MockClock) -> None:
    transport, far = await open_websocket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_all, transport)
        nursery.start_soon(partial(transport.aclose, 1001, "going"))
        assert await heard(far) == [(CLOSE, struct.pack("!H", 1001) + b"going")]
        await trio.sleep(3)
        assert len(nursery.child_tasks) == 2
        await far.send_all(frame(CLOSE, struct.pack("!H", 1001)))
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks


async def test_a_ping_is_answered_by_its_pong_alone() -> None:
    transport, far = await open_websocket()
    answered = await transport.send_ping()
    ((opcode, payload),) = await heard(far)
    assert opcode == PING
    await far.send_all(frame(PONG, b"other") + frame(TEXT, b"x"))
    await transport.receive_batch()
    assert not answered.is_set()
    await far.send_all(frame(PONG, payload) + frame(TEXT, b"x"))
    await transport.receive_batch()
    assert answered.is_set()


async def test_a_peer_that_takes_nothing_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    near, far = trio.testing.lockstep_stream_pair()  # a write waits until it is read
    transport = Transport(
        near,
        host="venue.test",
        target="/ws",
        headers=[],
        subprotocols=[],
        max_message_bytes=LIMIT,
        write_seconds=3.0,
        on_sent=lambda: None,
    )
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            request = bytes(await far.receive_some())
            await far.send_all(acceptance(request))

        nursery.start_soon(answer)
        await transport.shake_hands()
    with pytest.raises(ConnectionClosed) as closed:
        await transport.send_message("hello")
    assert trio.current_time() == 3.0
    assert "took nothing for 3.0 s" in str(closed.value.reason)
    with pytest.raises(ConnectionClosed):
        await transport.receive_batch()


async def test_every_frame_that_goes_out_is_counted_pongs_too() -> None:
    transport, far, sent = open_transport()

    async def answer() -> None:
        await far.send_all(acceptance(bytes(await far.receive_some())) + frame(PING) + frame(TEXT, b"x"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        await transport.shake_hands()
    await transport.receive_batch()
    await transport.send_message("hello")
    assert len(sent) == 2, "the pong and the message, not the handshake"
