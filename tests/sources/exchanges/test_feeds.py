"""All feeds together, over real sockets: one that cannot connect is nobody else's trouble."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
import trio
from attrs import define, field
from structlog.testing import capture_logs

from hyperstream.config import BinanceFeedSettings, BybitFeedSettings, FeedsSettings, HyperliquidFeedSettings
from hyperstream.market.venues import (
    BINANCE,
    BYBIT,
    HYPERLIQUID,
    Channel,
    FeedDemand,
    FeedItem,
    FeedStatus,
    FeedTopic,
    Quote,
    TopicRefused,
    VenueBook,
)
from hyperstream.sources.exchanges.feeds import Feeds
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeHyperliquid
from hyperstream.testing.exchanges.venue import FakeVenue, Urls
from tests.ports import held_port

PATIENCE_SECONDS = 60.0
QUICK = FeedTiming(rest_interval=0.01, rest_wait=0.01, snapshot_wait=0.1, resync_wait=0.05, healthy=0.5)


@define(eq=False)
class Listener:
    """Feeds, and everything they told."""

    feeds: Feeds
    send_demand: trio.MemorySendChannel[FeedDemand]
    items: list[FeedItem] = field(factory=list)

    async def until(self, is_so: Callable[[], object]) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while not is_so():  # noqa: ASYNC110 - sockets bring it about
                await trio.sleep(0.01)

    def told(self, kind: type[Any], venue: str) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind) and item.venue == venue]

    def want(self, venue: str, channel: Channel, symbol: str) -> None:
        self.send_demand.send_nowait(FeedDemand(FeedTopic(venue, channel, symbol), True))


@asynccontextmanager
async def listening(settings: FeedsSettings) -> AsyncIterator[Listener]:
    """Run feeds, collecting what they tell."""
    send, receive = trio.open_memory_channel[list[FeedItem]](16)
    send_demand, demands = trio.open_memory_channel[FeedDemand](100)
    listener = Listener(Feeds(settings, send, demands, timing=QUICK), send_demand)

    async def collect() -> None:
        async for batch in receive:
            listener.items.extend(batch)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, name="collect")
        nursery.start_soon(listener.feeds.run, name="feeds")
        yield listener
        nursery.cancel_scope.cancel(reason="the test is over")


@asynccontextmanager
async def running(fake: FakeVenue, **options: Any) -> AsyncIterator[Urls]:
    """Serve a fake exchange whose market moves."""
    async with fake.serve(**options) as urls, trio.open_nursery() as nursery:
        nursery.start_soon(fake.run)
        yield urls
        nursery.cancel_scope.cancel(reason="the test is over")


def off_but(**venues: Any) -> FeedsSettings:
    none = FeedsSettings.none()
    given = {
        name: venues.get(name, getattr(none, name))
        for name in ("binance", "binance_futures", "hyperliquid", "bybit")
    }
    return FeedsSettings(**given)


def bybit(urls: Urls) -> BybitFeedSettings:
    return BybitFeedSettings(url=urls.stream, rest_url=urls.rest)


async def test_three_venues_at_once_each_in_a_task_of_its_own() -> None:
    async with (
        running(FakeBinance(symbols=("BTCUSDT",))) as binance,
        running(FakeHyperliquid(symbols=("BTC",))) as hyperliquid,
        running(FakeBybit(symbols=("BTCUSDT",))) as bybit_urls,
    ):
        settings = off_but(
            binance=BinanceFeedSettings(url=binance.stream, rest_url=binance.rest, symbols=("BTCUSDT",)),
            hyperliquid=HyperliquidFeedSettings(
                url=hyperliquid.stream, rest_url=hyperliquid.info, coins=("BTC",)
            ),
            bybit=bybit(bybit_urls),
        )
        async with listening(settings) as listener:
            listener.want(BYBIT, Channel.QUOTES, "BTCUSDT")
            listener.want(BINANCE, Channel.BOOK, "BTCUSDT")
            for venue in (BINANCE, HYPERLIQUID, BYBIT):
                await listener.until(lambda: listener.told(Quote, venue))  # noqa: B023 - awaited here
            await listener.until(lambda: listener.told(VenueBook, BINANCE))
            statistics = listener.feeds.statistics()
            assert {name: one.state for name, one in statistics.items()} == dict.fromkeys(
                (BINANCE, HYPERLIQUID, BYBIT), "connected"
            )


async def test_a_venue_that_is_switched_off_says_so_and_refuses() -> None:
    async with listening(FeedsSettings.none()) as listener:
        listener.want(BINANCE, Channel.QUOTES, "BTCUSDT")
        await listener.until(lambda: any(isinstance(item, TopicRefused) for item in listener.items))
        (refused,) = [item for item in listener.items if isinstance(item, TopicRefused)]
        assert "set feeds.binance.enabled = true" in refused.detail
        states = [item for item in listener.items if isinstance(item, FeedStatus)]
        assert [(item.state, item.detail) for item in states] == [("off", "switched off")] * 4


@asynccontextmanager
async def hopeless(kind: str) -> AsyncIterator[BinanceFeedSettings]:
    """Settings of a venue that cannot be connected to."""
    symbols = ("BTCUSDT",)
    fake = FakeBinance(symbols=symbols)
    if kind == "nobody listens":
        with held_port() as port:
            address = f"127.0.0.1:{port}"
            yield BinanceFeedSettings(
                url=f"ws://{address}/stream",
                rest_url=f"http://{address}",
                symbols=symbols,
                retry_seconds=0.01,
            )
        return
    async with running(fake, tls="bad" if kind == "bad certificate" else None) as urls:
        if kind == "429":
            fake.trouble.answer_handshakes(429, count=10_000, retry_after_seconds=0)
        elif kind == "HTML":
            fake.trouble.answer_handshakes_with_html(10_000)
            fake.trouble.answer_requests_with_html(2)
        yield BinanceFeedSettings(url=urls.stream, rest_url=urls.rest, symbols=symbols, retry_seconds=0.01)


@pytest.mark.parametrize("kind", ["nobody listens", "bad certificate", "429", "HTML"])
async def test_a_venue_that_cannot_be_connected_to_leaves_the_others_alone(kind: str) -> None:
    """Binance cannot be had; Bybit is served all the while, and each cause is said once."""
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with (
            hopeless(kind) as binance,
            running(FakeBybit(symbols=("BTCUSDT",))) as urls,
            listening(off_but(binance=binance, bybit=bybit(urls))) as listener,
        ):
            feed = listener.feeds.feeds[BINANCE]
            listener.want(BYBIT, Channel.QUOTES, "BTCUSDT")
            await listener.until(lambda: len(listener.told(Quote, BYBIT)) > 5)
            if kind in ("429", "HTML"):
                await listener.until(
                    lambda: any(one.connect_failures >= 3 for one in feed.statistics().connections)
                )
                assert listener.told(FeedStatus, BINANCE)[-1].state == "down"
            else:
                await listener.until(lambda: feed.statistics().rest_failures >= 3)
                assert listener.told(FeedStatus, BINANCE)[-1].state == "connecting"
            before = len(listener.told(Quote, BYBIT))
            await listener.until(lambda: len(listener.told(Quote, BYBIT)) > before)
            assert not listener.told(Quote, BINANCE)
            assert listener.told(FeedStatus, BYBIT)[-1].state == "connected"
    warnings = Counter(
        (entry["event"], entry.get("reason") or entry.get("error"))
        for entry in logs
        if entry["log_level"] == "warning"
    )
    assert warnings
    assert set(warnings.values()) == {1}, warnings


@pytest.mark.parametrize("kind", ["nobody listens", "bad certificate"])
async def test_without_the_list_a_connection_is_tried_all_the_same(kind: str) -> None:
    quick = FeedTiming(rest_interval=0.01, rest_wait=0.01, unchecked=0.1)
    async with hopeless(kind) as binance:
        send, receive = trio.open_memory_channel[list[FeedItem]](100)
        _, demands = trio.open_memory_channel[FeedDemand](0)
        feeds = Feeds(off_but(binance=binance), send, demands, timing=quick)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feeds.run)
            states: list[FeedStatus] = []
            with trio.fail_after(PATIENCE_SECONDS):
                while not any(status.state == "down" for status in states):
                    batch = await receive.receive()
                    states += [item for item in batch if isinstance(item, FeedStatus)]
            nursery.cancel_scope.cancel(reason="the test is over")
    expected = "refused" if kind == "nobody listens" else "certificate"
    assert expected in states[-1].detail
