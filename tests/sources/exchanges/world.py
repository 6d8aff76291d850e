"""A feed and the fake exchange it listens to, joined by memory streams: for a clock that jumps."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import h11
import httpx
import trio
import trio.testing
from attrs import define, field

from hyperstream.market.venues import (
    Channel,
    FeedDemand,
    FeedGap,
    FeedItem,
    FeedStatus,
    FeedTopic,
    VenueBook,
)
from hyperstream.sockets import Endpoint
from hyperstream.sources.exchanges.binance import Binance
from hyperstream.sources.exchanges.binance_futures import BinanceFutures
from hyperstream.sources.exchanges.bybit import Bybit
from hyperstream.sources.exchanges.feed import Feed
from hyperstream.sources.exchanges.hyperliquid import Hyperliquid
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.state import CONNECTED
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.sources.exchanges.venue import Venue
from hyperstream.testing.exchanges import Activity, FakeBinance, FakeBybit, FakeHyperliquid
from hyperstream.testing.exchanges.venue import FakeVenue

PATIENCE_SECONDS = 300.0
OTHER = ("LTCUSDT",)  # of the product that is not listened to
CALM = Activity(changes_per_second=10, trades_per_second=2.5, levels=120)
VENUES: dict[str, type[Venue]] = {
    "binance": Binance,
    "binance_futures": BinanceFutures,
    "hyperliquid": Hyperliquid,
    "bybit": Bybit,
}
PATHS = {"binance": "/stream", "binance_futures": "", "hyperliquid": "/ws", "bybit": "/v5/public/linear"}
ItemT = TypeVar("ItemT")


class FakeHttp(httpx.AsyncBaseTransport):
    """HTTP over the memory streams of a fake exchange, one for each request."""

    def __init__(self, fake: FakeVenue) -> None:
        self.fake = fake
        self.asked: list[tuple[float, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((trio.current_time(), request.url.raw_path.decode()))
        connection = h11.Connection(h11.CLIENT)
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"connection"]
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=headers)
        body = await request.aread()
        out = (connection.send(head) or b"") + (connection.send(h11.Data(data=body)) or b"" if body else b"")
        out += connection.send(h11.EndOfMessage()) or b""
        try:
            async with self.fake.open_stream() as stream:
                await stream.send_all(out)
                return await self._answer(connection, stream)
        except (trio.BrokenResourceError, h11.ProtocolError) as exc:
            raise httpx.ReadError("the fake exchange hung up") from exc

    async def _answer(self, connection: h11.Connection, stream: trio.abc.Stream) -> httpx.Response:
        status, headers, body = 0, [], b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(65_536)))
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return httpx.Response(status, headers=headers, content=body)
            else:
                raise httpx.RemoteProtocolError(f"{event}")


@define(eq=False)
class World:
    """A fake exchange, a feed, and every item it has handed over."""

    fake: FakeVenue
    feed: Feed
    http: FakeHttp
    nursery: trio.Nursery
    items: list[FeedItem] = field(factory=list)
    batches: int = 0
    endpoints: list[str] = field(factory=list)
    feed_scope: trio.CancelScope = field(factory=trio.CancelScope)

    def want(self, channel: Channel, symbol: str, detail: str = "", *, is_raw: bool = False) -> FeedTopic:
        """Demand a topic."""
        topic = FeedTopic(self.feed.venue.name, channel, symbol, detail)
        self.feed.demand(FeedDemand(topic, True, is_raw))
        return topic

    def leave(self, topic: FeedTopic, *, is_raw: bool = False) -> None:
        """Demand it no more."""
        self.feed.demand(FeedDemand(topic, False, is_raw))

    def told(self, kind: type[ItemT]) -> list[ItemT]:
        """Every item of a kind so far."""
        return [item for item in self.items if isinstance(item, kind)]

    def book(self, symbol: str, detail: str | None = None) -> VenueBook | None:
        """The newest book of a symbol, None after a gap in it."""
        for item in reversed(self.items):
            if isinstance(item, VenueBook) and item.symbol == symbol and detail in (None, item.detail):
                return item
            if isinstance(item, FeedGap) and any(
                topic.symbol == symbol and topic.channel is Channel.BOOK for topic in item.topics
            ):
                return None
        return None

    async def run_market(self, seconds: float = math.inf) -> None:
        """Let the market move, ten steps a second."""
        await self.fake.run(rate=10, steps=None if math.isinf(seconds) else round(seconds * 10))

    async def until(self, is_so: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something is so."""
        with trio.move_on_after(seconds) as scope:
            while not is_so():  # noqa: ASYNC110 - the clock jumps
                await trio.sleep(0.05)
        assert not scope.cancelled_caught, f"never: {what}; {self.feed.statistics()}"

    async def connected(self) -> None:
        """Wait until the feed is connected and has subscribed everything."""
        await self.until(
            lambda: (
                self.feed.state == CONNECTED
                and all(line.is_complete for line in self.feed.lines.in_use)
                and sum(len(line.streams) for line in self.feed.lines.in_use) > 0
            ),
            "connected",
        )

    async def quiet(self) -> None:
        """Let everything that is said arrive."""
        await self.fake.flushed()
        await trio.testing.wait_all_tasks_blocked(0.01)

    def truth(self, symbol: str, depth: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The exchange's own book."""
        kinds = {"binance": ("spot",), "binance_futures": ("futures",)}
        market = self.fake.truth(symbol, *kinds.get(self.feed.venue.name, ()))  # type: ignore[attr-defined]
        return list(market.bids[:depth]), list(market.asks[:depth])

    def has_truth(self, symbol: str, depth: int) -> bool:
        """Whether the newest book is the exchange's own."""
        book = self.book(symbol)
        return book is not None and (list(book.bids[:depth]), list(book.asks[:depth])) == self.truth(
            symbol, depth
        )

    def states(self) -> list[str]:
        """The states the feed told."""
        return [item.state for item in self.told(FeedStatus)]


def make_fake(venue: str, **settings: Any) -> FakeVenue:
    """Return the fake exchange of a venue."""
    settings = {"seed": 1, "activity": CALM, **settings}
    if venue == "hyperliquid":
        return FakeHyperliquid(**{"symbols": ("BTC", "ETH", "@107"), **settings})
    symbols = settings.pop("symbols", ("BTCUSDT", "ETHUSDT"))
    if venue == "bybit":
        return FakeBybit(symbols=symbols, **settings)
    if venue == "binance":
        return FakeBinance(symbols=symbols, futures_symbols=OTHER, **settings)
    return FakeBinance(symbols=OTHER, futures_symbols=symbols, **settings)


def make_venue(
    name: str, timing: FeedTiming, always: Sequence[tuple[Channel, str]] = (), **settings: Any
) -> Venue:
    """Return a venue whose address is a fake one."""
    url = f"ws://{name}.test{PATHS[name]}"
    rest = f"http://{name}.test{'/info' if name == 'hyperliquid' else ''}"
    topics = tuple(FeedTopic(name, channel, symbol) for channel, symbol in always)
    given = {"retry_seconds": 1.0, "silence_seconds": 60.0, **settings}
    return VENUES[name](
        timing, url, rest, given.pop("retry_seconds"), given.pop("silence_seconds"), topics, **given
    )


@asynccontextmanager
async def world(
    venue: str,
    *,
    always: Sequence[tuple[Channel, str]] = (),
    timing: FeedTiming | None = None,
    channel_size: int | float = math.inf,
    fake: FakeVenue | None = None,
    reads: bool = True,
    venue_settings: dict[str, Any] | None = None,
    **fake_settings: Any,
) -> AsyncIterator[World]:
    """Run a feed against a fake exchange; both are gone at the end."""
    fake = fake or make_fake(venue, **fake_settings)
    made = make_venue(venue, timing or FeedTiming(), always, **(venue_settings or {}))
    send, receive = trio.open_memory_channel[list[FeedItem]](channel_size)
    http = FakeHttp(fake)
    endpoints: list[str] = []

    async def open_stream(endpoint: Endpoint, context: ssl.SSLContext | None) -> trio.abc.Stream:
        del context
        await trio.lowlevel.checkpoint()
        endpoints.append(endpoint.url)
        return fake.open_stream()

    feed = Feed(made, Outbox(send), lambda: round(trio.current_time() * 1e9), open_stream, http)
    async with fake.serve(), trio.open_nursery() as nursery:
        here = World(fake, feed, http, nursery, endpoints=endpoints)

        async def collect() -> None:
            async for batch in receive:
                here.batches += 1
                here.items.extend(batch)

        async def run_feed() -> None:
            with here.feed_scope:
                await feed.run()

        if reads:
            nursery.start_soon(collect, name="collect")
        nursery.start_soon(run_feed, name=f"feed: {venue}")
        yield here
        here.feed_scope.cancel(reason="the test is over")
        nursery.cancel_scope.cancel(reason="the test is over")


def holds(item: object) -> dict[str, Any]:
    """What an item holds, for comparing."""
    return {name: getattr(item, name) for name in type(item).__slots__ if name != "__weakref__"}  # type: ignore[attr-defined]
