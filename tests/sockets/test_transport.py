"""Frames as they come: whole, torn, fragmented, huge, wrong; the fast way agrees with wsproto on all."""

from __future__ import annotations

import struct
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.utilities import LocalProtocolError

from hyperstream.errors import ConnectFailed
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
)


async def read_all(transport: Transport) -> tuple[list[bytes], int]:
    """Return every message until the end, and the code it ended with."""
    messages: list[bytes] = []
    while True:
        try:
            messages += await transport.receive_batch()
        except ConnectionClosed:
            return messages, transport.closed.code if transport.closed else 0


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


# -- the handshake


async def shake(answer: bytes, *, close: bool = False) -> None:
    transport, far, _ = open_transport()
    await far.send_all(answer)
    if close:
        await far.send_eof()
    with trio.fail_after(30):
        await transport.shake_hands()


HTML = b"<html>\n<body>Sign in to our hotel</body></html>"


@pytest.mark.parametrize(
    ("answer", "kind", "detail"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(HTML) + HTML,
            "rejected",
            "HTTP 200 (text/html) instead of a handshake: '<html>",
        ),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "rejected", "HTTP 503 (no content type)"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", "rejected", "HTTP 301"),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", "rate limited", "HTTP 429"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "not a WebSocket", "no handshake"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n",
            "not a WebSocket",
            "no handshake",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not a WebSocket", "the peer says b'SSH-2.0-"),
        (b"\x16\x03\x01\x02\x00", "not a WebSocket", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "not a WebSocket", "longer than 65536 bytes"),
    ],
)
async def test_what_is_no_handshake_says_what_it_is(answer: bytes, kind: str, detail: str) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await shake(answer)
    assert failed.value.kind == kind
    assert detail in failed.value.detail


async def test_a_peer_that_closes_before_it_answers() -> None:
    with pytest.raises(ConnectFailed) as failed:
        await shake(b"HTTP/1.1 10", close=True)
    assert failed.value.kind == "closed"
    assert "after 11 bytes" in failed.value.detail


async def test_retry_after_is_read_from_a_429() -> None:
    with pytest.raises(ConnectFailed) as failed:
        await shake(b"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n")
    assert (failed.value.status, failed.value.retry_after_seconds) == (429, 17.0)


@given(st.binary(max_size=300))
def test_no_answer_makes_the_handshake_raise_anything_else(answer: bytes) -> None:
    async def main() -> None:
        with pytest.raises(ConnectFailed):
            await shake(answer, close=True)

    trio.run(main)


# -- any frames, any tears: the same as wsproto alone

_TEXTS = st.text(max_size=40).map(str.encode)
_FRAMES = st.one_of(
    st.builds(lambda text: frame(TEXT, text), _TEXTS),
    st.builds(lambda data: frame(BINARY, data), st.binary(max_size=300)),
    st.builds(lambda data, fin: frame(CONTINUATION, data, fin=fin), st.binary(max_size=20), st.booleans()),
    st.builds(lambda data: frame(BINARY, data, fin=False), st.binary(max_size=20)),
    st.builds(lambda text: frame(TEXT, text, fin=False), _TEXTS),
    st.builds(lambda data: frame(PING, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(PONG, data), st.binary(max_size=125)),
)
_RARE = st.one_of(
    st.builds(lambda code: frame(CLOSE, struct.pack("!H", code)), st.integers(0, 5000)),
    st.builds(frame, st.integers(0, 15), st.binary(max_size=130), fin=st.booleans(), bits=st.just(0x10)),
    st.builds(frame, st.sampled_from([TEXT, PING]), st.binary(max_size=10), masked=st.just(True)),
    st.builds(frame, st.sampled_from([PING, CLOSE]), st.binary(min_size=126, max_size=200)),
)


def by_wsproto(data: bytes) -> tuple[list[bytes], int]:
    """What wsproto alone makes of bytes: the messages, and the code it ends with."""
    connection, messages, parts = Connection(ConnectionType.CLIENT), [], b""
    connection.receive_data(data)
    for event in connection.events():
        if isinstance(event, TextMessage | BytesMessage):
            parts += event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
            if event.message_finished:
                messages.append(parts)
                parts = b""
        elif isinstance(event, CloseConnection):
            return messages, int(event.code)
    return messages, 1006


@settings(max_examples=4 * settings().max_examples)
@given(
    st.lists(_FRAMES, max_size=12),
    st.one_of(st.none(), _RARE),
    st.lists(_FRAMES, max_size=3),
    st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_any_frames_in_any_pieces_are_what_wsproto_makes_of_them(
    before: list[bytes], rare: bytes | None, after: list[bytes], sizes: list[int]
) -> None:
    data = b"".join([*before, rare or b"", *after])

    async def main() -> tuple[list[bytes], int]:
        transport, far = await open_websocket()
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(data[at : at + size])
            at += size

        async def say() -> None:
            for piece in pieces:
                await far.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
            await far.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say)
            messages, code = await read_all(transport)
        return messages, code

    assert trio.run(main) == by_wsproto(data)


@given(st.binary(max_size=400))
def test_garbage_ends_the_connection_and_nothing_else(data: bytes) -> None:
    async def main() -> None:
        transport, far = await open_websocket()
        await far.send_all(data)
        await far.send_eof()
        with trio.fail_after(30):
            _, code = await read_all(transport)
        assert code in (1002, 1005, 1006, 1007, 1009) or 1000 <= code < 5000

    trio.run(main)


def test_wsproto_refuses_to_hear_more_after_the_end() -> None:
    """What `Transport._consult` catches, so that a frame behind a goodbye is no error of ours."""
    connection = Connection(ConnectionType.CLIENT)
    connection.receive_data(None)
    with pytest.raises(LocalProtocolError):
        connection.receive_data(frame(TEXT, b"late"))
