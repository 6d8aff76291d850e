"""One WebSocket's life: what a peer may do, what it is told when it does more, and how it ends."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from wsproto.events import Ping, Pong

from hyperstream.market.updates import NOTICE_DRAINING, NoticeNote
from hyperstream.servers.door import transport
from hyperstream.servers.websocket import session
from hyperstream.servers.websocket.hyperliquid.streams import Streams
from hyperstream.servers.websocket.inbox import CONTROL_BURST, MESSAGE_BURST
from hyperstream.servers.websocket.sender import MAX_ANSWERS
from hyperstream.testing import BUSY, MAINNET

from .raw_peer import BINARY, CLOSE, PING, PONG, TEXT, RawPeer, frame, raw_peer
from .serving import Served, client, serving, wait_until

PINGED = b'{"method":"ping"}'
PONGED = {"channel": "pong"}


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel take little, so that it is soon felt when a peer does not read."""
    monkeypatch.setattr(transport, "SEND_BUFFER_BYTES", 4096)


def subscribe(**subscription: Any) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": subscription}


async def test_a_ping_frame_is_answered_with_its_payload(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        await peer.send(frame(PING, b"abc"))
        event = await peer.event()
        assert isinstance(event, Pong)
        assert event.payload == b"abc"


async def test_a_goodbye_is_returned_with_its_code(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        await peer.send(frame(CLOSE, struct.pack(">H", 4321) + b"enough"))
        assert await peer.closed() == (4321, "enough")
        await peer.hung_up()
        await wait_until(lambda: not served.server.sessions)


async def test_a_message_may_come_in_fragments_and_torn_in_any_way(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        data = frame(TEXT, b'{"meth', fin=False) + frame(PING) + frame(0, b'od":"ping"}')
        for byte in data:
            await peer.send(bytes((byte,)))
        assert await peer.message() == PONGED


async def test_a_message_of_bytes_is_read_like_text(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        await peer.send(frame(BINARY, PINGED))
        assert await peer.message() == PONGED


@pytest.mark.parametrize(
    ("data", "code", "cause"),
    [
        (frame(TEXT, b"x" * 8193), 1009, "messages too big"),
        (frame(TEXT, b"x" * 5000, fin=False) + frame(0, b"x" * 5000), 1009, "messages too big"),
        (frame(TEXT, "€".encode() * 3000), 1009, "messages too big"),
        (frame(TEXT, fin=False) + frame(0, fin=False) * 64, 1008, "messages in too many fragments"),
        (frame(PING) * int(2 * CONTROL_BURST), 1008, "floods of control frames"),
        (frame(PONG) * int(2 * CONTROL_BURST), 1008, "floods of control frames"),
        (frame(TEXT) * int(2 * MESSAGE_BURST), 1008, "floods of messages"),
        (frame(TEXT, PINGED, masked=False), 1002, "protocol errors"),
        (frame(3), 1002, "protocol errors"),
        (frame(0, b"x"), 1002, "protocol errors"),
        (frame(TEXT, b"x", rsv=0x40), 1002, "protocol errors"),
        (frame(PING, b"x" * 126), 1002, "protocol errors"),
        (frame(CLOSE, b"x"), 1002, "protocol errors"),
        (frame(TEXT, b"\xff\xfe"), 1007, "invalid payloads"),
    ],
)
async def test_who_does_what_it_may_not_is_told_and_cut_and_nobody_else(
    tmp_path: Path, data: bytes, code: int, cause: str
) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer, raw_peer(served.port) as other:
        await peer.upgrade()
        await other.upgrade()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_anyway, peer, data)
            told, reason = await peer.closed()
            assert (told, bool(reason)) == (code, True)
            nursery.cancel_scope.cancel(reason="it was told")
        assert served.counts[cause] == 1
        assert await other.ask({"method": "ping"}) == PONGED


async def _send_anyway(peer: RawPeer, data: bytes) -> None:
    try:
        await peer.send(data)
    except trio.BrokenResourceError:
        return


async def test_who_asks_and_does_not_listen_is_not_listened_to(tmp_path: Path) -> None:
    """The answers of a peer that reads nothing never fill the memory: its requests stay where they are."""
    async with serving(tmp_path) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        question = frame(TEXT, b"x" * 8000)
        for _ in range(2000):
            with trio.move_on_after(0.5) as patience:
                await peer.send(question)
            if patience.cancelled_caught:
                break
        assert patience.cancelled_caught, "16 MB of questions were taken in"
        (session,) = served.server.sessions
        assert len(session._sender._answers) < 2 * MAX_ANSWERS


async def test_a_silent_peer_is_pinged_and_one_without_an_answer_is_cut(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        began = trio.current_time()
        assert isinstance(await peer.event(), Ping)
        assert 20 < trio.current_time() - began < 22
        await peer.hung_up()
        assert 30 < trio.current_time() - began < 34
        assert served.counts["peers without a sign of life"] == 1


async def test_a_peer_that_answers_pings_lives_for_ever(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        for _ in range(2):
            assert isinstance(await peer.event(), Ping)
            await peer.send(frame(PONG))
        assert await peer.ask({"method": "ping"}) == PONGED


async def test_who_says_no_goodbye_in_return_is_hung_up_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        await peer.send(frame(TEXT, b"\xff"))
        began = trio.current_time()
        await peer.closed()
        assert await peer.stream.receive_some() == b""
        assert trio.current_time() - began < 5


async def test_who_breaks_the_protocol_is_hung_up_on_and_need_not_hang_up_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CLOSE_SECONDS", 1_000.0)  # what would hang up for another reason
    async with serving(tmp_path) as served:
        async with raw_peer(served.port) as peer:
            await peer.upgrade()
            await peer.send(frame(3) + frame(TEXT, b"unheard") * 100)
            assert (await peer.closed())[0] == 1002
            await peer.hung_up()
        await wait_until(lambda: not served.server.sessions)


async def test_who_never_stops_sending_is_not_heard_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CLOSE_SECONDS", 1_000.0)
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        with pytest.raises(trio.BrokenResourceError):
            await send_for_ever(peer, frame(3) * 10_000)
        await wait_until(lambda: not served.server.sessions)


async def send_for_ever(peer: RawPeer, data: bytes) -> None:
    while True:
        await peer.send(data)


async def test_a_peer_that_vanishes_takes_nothing_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with raw_peer(served.port) as peer:
            await peer.upgrade()
            await peer.ask(subscribe(type="l4Book", coin="BTC"))
            peer.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        served.step(20)
        await wait_until(lambda: not served.server.sessions)
        assert not served.hub.subscriptions
        assert "connections that failed" not in served.counts


# --- slow readers ---


async def stuck(served: Served, peer: RawPeer) -> None:
    """Let the market move until the kernel takes no more for this peer."""
    (session,) = served.server.sessions
    blocks_without_progress, sent = 0, -1
    with trio.fail_after(30):
        while blocks_without_progress < 10:
            served.step()
            await trio.lowlevel.checkpoint()
            is_stuck = session.transport.has_unsent and session.transport.bytes_sent == sent
            blocks_without_progress = blocks_without_progress + 1 if is_stuck else 0
            sent = session.transport.bytes_sent


async def test_a_slow_reader_of_books_gets_the_newest_and_nothing_old(
    tmp_path: Path, small_buffers: None
) -> None:
    async with serving(tmp_path, busy=BUSY) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.ask(subscribe(type="l2Book", coin="BTC"))
        await stuck(served, peer)
        served.step(60)
        last_ms = 0
        truth = served.node.truth("BTC", 20)
        best = [{"px": price, "sz": size, "n": count} for price, size, count in truth.bids]
        for _ in range(2000):
            book = await peer.message()
            assert book["data"]["time"] >= last_ms
            last_ms = book["data"]["time"]
            if book["data"]["levels"][0] == best:
                break
        else:
            raise AssertionError("the newest book never came")


async def test_a_slow_reader_of_every_order_is_told_why_it_is_cut(
    tmp_path: Path, small_buffers: None
) -> None:
    settings: dict[str, Any] = {"busy": MAINNET, "max_subscriber_queue_messages": 5}
    async with serving(tmp_path, **settings) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.ask(subscribe(type="l4Book", coin="BTC"))
        await peer.message()
        await stuck(served, peer)
        served.step(20)
        code, reason = await peer.closed()
        assert code == 1008
        assert "read too slowly for a LOSSLESS subscription" in reason
        assert served.counts["readers too slow for LOSSLESS"] == 1


async def test_what_comes_while_a_long_snapshot_is_read_waits_behind_it(
    tmp_path: Path, small_buffers: None
) -> None:
    settings: dict[str, Any] = {"busy": BUSY, "max_subscriber_queue_bytes": 1024}
    async with serving(tmp_path, **settings) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.send(frame(TEXT, orjson.dumps(subscribe(type="l4Book", coin="BTC"))))
        await stuck(served, peer)
        served.step(20)
        await peer.message()
        told = (await peer.message())["data"]["Snapshot"]["height"]
        while told < served.node.height:
            update = (await peer.message())["data"]["Updates"]
            assert update["height"] == told + 1
            told = update["height"]


async def test_who_reads_nothing_for_ten_seconds_is_cut(
    tmp_path: Path, small_buffers: None, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path, busy=BUSY) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.ask(subscribe(type="l2Book", coin="BTC"))
        await stuck(served, peer)
        began = trio.current_time()
        # What the kernels still hand on to each other counts as progress, and hardly any time passes here.
        await wait_until(lambda: not served.server.sessions, seconds=50)
        assert trio.current_time() - began > 9
        assert {"stalled readers", "peers without a sign of life"} & served.counts.keys()


async def test_those_who_keep_up_are_written_to_without_a_task(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        await peer.ask(subscribe(type="bbo", coin="BTC"))
        await peer.message()
        await trio.testing.wait_all_tasks_blocked()
        (session,) = served.server.sessions
        tasks = served.server._nursery.child_tasks if served.server._nursery else frozenset()
        before = session.transport.bytes_sent
        served.step(20)
        assert session.transport.bytes_sent > before, "nothing was written in the publisher's own call"
        assert session._nursery is not None
        assert not session._nursery.child_tasks
        assert tasks == (served.server._nursery.child_tasks if served.server._nursery else None)


# --- one message in many frames ---


async def test_a_session_of_many_streams_is_sent_many_messages_a_turn(tmp_path: Path) -> None:
    """While the engine has blocks to apply, one a turn of Trio's, everybody else has that turn too."""
    asked = [
        subscribe(type="l2Book", coin="BTC", nLevels=levels, provenance=True) for levels in range(1, 101)
    ]
    turns = 0
    async with serving(tmp_path) as served, raw_peer(served.port) as peer, trio.open_nursery() as nursery:
        await peer.upgrade()

        async def apply_blocks() -> None:
            nonlocal turns
            while True:
                served.step()
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(apply_blocks)
        await peer.send(b"".join(frame(TEXT, orjson.dumps(message)) for message in asked))
        books: set[int] = set()
        while len(books) < len(asked):
            message = await peer.message()
            if message["channel"] == "l2Book":
                books.add(message["provenance"]["epoch"])
        nursery.cancel_scope.cancel(reason="every stream has begun")
    assert turns < len(asked) / 2


async def test_nothing_comes_between_the_parts_of_a_snapshot(tmp_path: Path, small_buffers: None) -> None:
    """wsproto refuses another message between the frames of one: updates and answers wait for its end."""
    async with serving(tmp_path, busy=BUSY) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        for kind in ("l2Book", "trades", "l4Book"):
            for coin in ("BTC", "ETH"):
                await peer.send(frame(TEXT, orjson.dumps(subscribe(type=kind, coin=coin))))
        seen: dict[str, int] = {}
        snapshots = 0
        for round_number in range(200):
            served.step()
            if round_number % 10 == 0:
                await peer.send(frame(TEXT, PINGED))
            message = await peer.message()
            seen[message["channel"]] = seen.get(message["channel"], 0) + 1
            snapshots += "Snapshot" in message["data"] if message["channel"] == "l4Book" else 0
            if snapshots == 2 and round_number > 50:
                break
        assert snapshots == 2
        assert {"subscriptionResponse", "l2Book", "l4Book"} <= set(seen)


async def test_unsubscribing_in_the_middle_of_a_snapshot_lets_it_end(
    tmp_path: Path, small_buffers: None
) -> None:
    wish = subscribe(type="l4Book", coin="BTC")
    async with serving(tmp_path) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        assert (await peer.ask(wish))["channel"] == "subscriptionResponse"
        (session,) = served.server.sessions
        answers = [await peer.ask(wish | {"method": "unsubscribe"}), await peer.message()]
        assert {answer["channel"] for answer in answers} == {"subscriptionResponse", "l4Book"}
        assert await peer.ask({"method": "ping"}) == PONGED
        assert not session._sender.subscriptions


async def test_who_reads_a_snapshot_when_its_book_is_replaced_is_asked_to_subscribe_again(
    tmp_path: Path, small_buffers: None
) -> None:
    """A message cannot be taken back: the connection ends, and the client begins anew."""
    async with serving(tmp_path, busy=BUSY) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.send(frame(TEXT, orjson.dumps(subscribe(type="l4Book", coin="BTC"))))
        await stuck(served, peer)
        market = served.engine.market("BTC")
        assert market is not None
        market.replace_book(market.book, "a test")
        code, reason = await peer.closed()
        assert code == 1013
        assert reason == "the book was replaced while its snapshot was sent; subscribe again"


# --- the end of the daemon ---


async def test_a_drain_lets_sessions_finish_and_says_goodbye(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port) as busy, client(served.port) as idle, client(served.port) as told:
            await busy.subscribe(type="trades", coin="BTC")
            await told.subscribe(type="trades", coin="BTC", provenance=True)
            served.step(20)
            served.server.close_intake()
            served.hub.notify_all(NoticeNote(NOTICE_DRAINING, 5, (), "bye"))
            served.step(20)
            served.hub.finish()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served.server.drain)
                messages = await told.until(lambda message: message["channel"] == "notice")
                assert set(messages[-1]["data"]["resume"]) == {"BTC"}
                for peer in (busy, idle, told):
                    frame = await peer.closed()
                    assert (frame.code, "shutting down" in frame.reason) == (1001, True)
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", served.port)


async def test_connections_are_limited_in_all_and_by_address(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections_per_address=2) as served:
        async with raw_peer(served.port) as first, raw_peer(served.port) as second:
            await first.upgrade()
            await second.upgrade()
            async with raw_peer(served.port) as third:
                with pytest.raises((AssertionError, trio.BrokenResourceError)):
                    await third.upgrade()
        await wait_until(lambda: not served.server.sessions)
        async with raw_peer(served.port) as fourth:
            await fourth.upgrade()
        assert served.counts["too many connections from one address"] == 1


async def test_an_error_of_ours_ends_that_session_alone(tmp_path: Path, monkeypatch: Any) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer, raw_peer(served.port) as other:
        await peer.upgrade()
        await other.upgrade()
        monkeypatch.setattr(Streams, "markets", lambda streams, asked: 1 / 0)
        await peer.send(frame(TEXT, b'{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}'))
        await peer.hung_up()
        assert await other.ask({"method": "ping"}) == PONGED
        assert served.counts["connections that failed"] == 1
        assert len(served.server.sessions) == 1
