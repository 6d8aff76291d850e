"""All feeds: those that are switched on, and the way demand takes to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from hyperstream.config import FeedsSettings
from hyperstream.market.venues import (
    BINANCE,
    BINANCE_FUTURES,
    BYBIT,
    HYPERLIQUID,
    NODE,
    VENUES,
    FeedDemand,
    FeedItem,
    FeedStatus,
    TopicRefused,
)
from hyperstream.sources.exchanges.binance import Binance
from hyperstream.sources.exchanges.binance_futures import BinanceFutures
from hyperstream.sources.exchanges.bybit import Bybit
from hyperstream.sources.exchanges.feed import Feed
from hyperstream.sources.exchanges.hyperliquid import Hyperliquid
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.state import OFF
from hyperstream.sources.exchanges.statistics import FeedStatistics
from hyperstream.sources.exchanges.timing import FeedTiming

if TYPE_CHECKING:
    from hyperstream.sockets.connecting import OpenStream

_OFF_DETAIL = "switched off"


@define(eq=False)
class Feeds:
    """Every exchange the settings switch on.

    Items go out as lists through ``send``, which the feeds share and do not close; ``demands`` says what is
    wanted, until its channel ends. What is wanted of a venue that is switched off is refused.
    """

    settings: FeedsSettings
    send: trio.MemorySendChannel[list[FeedItem]]
    demands: trio.MemoryReceiveChannel[FeedDemand]
    now_ns: Callable[[], int] = time.time_ns
    timing: FeedTiming = field(factory=FeedTiming)
    opener: OpenStream | None = None
    feeds: dict[str, Feed] = field(factory=dict, init=False)
    _told: Outbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        settings, timing = self.settings, self.timing
        self._told = Outbox(self.send)
        venues = {
            BINANCE: Binance.of(settings.binance, timing) if settings.binance.enabled else None,
            BINANCE_FUTURES: (
                BinanceFutures.of(settings.binance_futures, timing)
                if settings.binance_futures.enabled
                else None
            ),
            HYPERLIQUID: Hyperliquid.of(settings.hyperliquid, timing)
            if settings.hyperliquid.enabled
            else None,
            BYBIT: Bybit.of(settings.bybit, timing) if settings.bybit.enabled else None,
        }
        for name, venue in venues.items():
            if venue is None:
                self._told.put_now(FeedStatus(name, OFF, _OFF_DETAIL, self.now_ns()))
            else:
                self.feeds[name] = Feed(venue, Outbox(self.send), self.now_ns, self.opener)

    async def run(self) -> None:
        """Run every feed until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._told.run, name="feeds: hand over")
            nursery.start_soon(self._take_demands, name="feeds: demands")
            for name, feed in self.feeds.items():
                nursery.start_soon(feed.run, name=f"feed: {name}")

    async def _take_demands(self) -> None:
        async for demand in self.demands:
            feed = self.feeds.get(demand.topic.venue)
            if feed is not None:
                feed.demand(demand)
            elif demand.is_wanted:
                venue = demand.topic.venue
                detail = f"the feed of {venue} is switched off; set feeds.{venue}.enabled = true"
                self._told.put_now(TopicRefused(demand.topic, detail))

    def statistics(self) -> dict[str, FeedStatistics]:
        """What each feed did so far, by venue."""
        return {name: feed.statistics() for name, feed in self.feeds.items()}


def enabled_venues(settings: FeedsSettings) -> frozenset[str]:
    """The exchanges that are switched on."""
    return frozenset(name for name in VENUES if name != NODE and getattr(settings, name).enabled)


def standing_markets(settings: FeedsSettings) -> frozenset[tuple[str, str]]:
    """The markets, by venue and symbol, whose quotes and trades are followed in any case."""
    listed = {
        BINANCE: settings.binance.symbols,
        BINANCE_FUTURES: settings.binance_futures.symbols,
        HYPERLIQUID: settings.hyperliquid.coins,
    }
    return frozenset((venue, symbol) for venue, symbols in listed.items() for symbol in symbols)
