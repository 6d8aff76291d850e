"""Direct writes: the same bytes as h2's own, inside the same windows, and back to them after a pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hyperstream.servers.grpc import frames
from hyperstream.testing import BUSY
from hyperstream.v1 import orderbook_pb2

from .h2_peer import H2Peer
from .serving import MARKETS, Client, ClientBook, Served, events_until, serving, wait_until

in_thread = trio.to_thread.run_sync


def truth(served: Served, symbol: str, depth: int) -> Any:
    book = served.node.truth(symbol, depth)
    return book.bids, book.asks


class Books:
    """Every book rebuilt from the messages a peer got."""

    def __init__(self) -> None:
        self.books = {symbol: ClientBook() for symbol in MARKETS}
        self.gaps = 0

    def apply(self, messages: list[Any]) -> None:
        for message in messages:
            for event in message.events:
                kind = event.WhichOneof("event")
                self.gaps += kind == "gap"
                if kind in ("snapshot", "delta"):
                    self.books[getattr(event, kind).symbol].apply(event)

    @property
    def has_all(self) -> bool:
        return all(book.epoch for book in self.books.values())


async def read_until(peer: H2Peer, books: Books, is_done: Any) -> None:
    def read() -> None:
        while not is_done():
            assert peer.read()
            books.apply(peer.messages())

    with trio.fail_after(20):
        await in_thread(read)


async def test_a_subscriber_that_keeps_up_is_written_to_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []
    write = frames.FrameWriter.write

    def spy(self: frames.FrameWriter, body: bytes) -> bool:
        written.append(write(self, body))
        return written[-1]

    monkeypatch.setattr(frames.FrameWriter, "write", spy)
    async with serving(tmp_path) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"])
        call = client.stream("SubscribeOrderbook", request)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        (subscription,) = served.hub.subscriptions
        await wait_until(lambda: subscription.is_idle)
        written.clear()
        served.step(1)
        assert written == [True], "the frame is on its way before the engine's call returns"
        await in_thread(events_until, call, lambda event: event.delta.height == served.node.height)
        call.cancel()
        client.close()


@pytest.mark.parametrize("max_frame_size", [16384, 65536])
async def test_long_messages_are_cut_at_the_peers_frame_size(tmp_path: Path, max_frame_size: int) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        peer = H2Peer(served.port, window=4_000_000, max_frame_size=max_frame_size)
        peer.h2.increment_flow_control_window(8_000_000)
        peer.call("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=1000))
        books = Books()
        await read_until(peer, books, lambda: books.has_all)
        longest = max(peer.frame_sizes)
        assert longest == 16384 if max_frame_size == 16384 else 16384 < longest <= max_frame_size
        for symbol in MARKETS:
            assert books.books[symbol].top(1000) == truth(served, symbol, 1000)
        peer.close()


async def test_a_shut_window_moves_the_stream_to_its_outbox_and_back_without_a_hole(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = H2Peer(served.port, window=10_000)
        peer.call("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=20))
        books = Books()
        await read_until(peer, books, lambda: books.has_all)
        (subscription,) = served.hub.subscriptions
        for _ in range(2):
            served.step(150)  # more than the window: nothing is read meanwhile
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert subscription.statistics().waiting_messages > 50
            served.step(5)
            last = {symbol: truth(served, symbol, 20) for symbol in MARKETS}

            def has_caught_up(last: dict[str, Any] = last) -> bool:
                return all(books.books[symbol].top(20) == last[symbol] for symbol in MARKETS)

            await read_until(peer, books, has_caught_up)
            await wait_until(lambda: subscription.is_idle)
            assert subscription.statistics().waiting_messages == 0
        assert books.gaps == 0
        peer.close()


async def test_nothing_is_written_to_a_stream_that_was_reset(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = H2Peer(served.port)
        peer.call("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"]))
        books = Books()
        await read_until(peer, books, lambda: books.has_all)
        peer.h2.reset_stream(1)
        peer.flush()
        served.step(3)
        await wait_until(lambda: not served.hub.subscriptions)
        served.step(3)
        peer.close()


async def test_the_three_contracts_under_a_peer_that_stops_reading(tmp_path: Path) -> None:
    """What each was told is compared with what happened, over a real connection."""
    async with serving(tmp_path, max_subscriber_queue_bytes=20_000) as served:
        peers: dict[str, tuple[H2Peer, Books]] = {}
        shapes: list[tuple[str, dict[str, Any]]] = [
            ("lossless", {"delivery": 1}),
            ("resync", {"delivery": 2}),
            ("conflate", {"delivery": 3, "snapshots_only": True}),
        ]
        for name, fields in shapes:
            peer, books = H2Peer(served.port, window=40_000), Books()
            request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=20, **fields)
            peer.call("SubscribeOrderbook", request)
            await read_until(peer, books, lambda books=books: books.has_all)
            peers[name] = peer, books
        served.step(300)
        await trio.testing.wait_all_tasks_blocked(0.02)
        served.step(1)
        expected = {symbol: truth(served, symbol, 20) for symbol in MARKETS}

        def is_current(books: Books) -> bool:
            return all(books.books[symbol].top(20) == expected[symbol] for symbol in MARKETS)

        peer, books = peers["resync"]
        await read_until(peer, books, lambda: is_current(peers["resync"][1]))
        assert books.gaps > 0
        peer, books = peers["conflate"]
        await read_until(peer, books, lambda: is_current(peers["conflate"][1]))
        peer, books = peers["lossless"]
        notices: list[Any] = []

        def read_to_the_end() -> None:
            while True:
                is_open = peer.read()
                for message in peer.messages():
                    notices.extend(e.notice for e in message.events if e.HasField("notice"))
                    books.apply([message])
                if not is_open:
                    return

        await in_thread(read_to_the_end)
        assert peer.status == "8"  # RESOURCE_EXHAUSTED
        (notice,) = notices
        told = {point.symbol: (point.epoch, point.sequence) for point in notice.resume}
        assert told == {symbol: (book.epoch, book.sequence) for symbol, book in books.books.items()}
        for peer, _ in peers.values():
            peer.close()
