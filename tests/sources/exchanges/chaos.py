"""One trouble after the other, chosen by chance, and what must be true after each."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field

from hyperstream.market.venues import (
    Channel,
    FeedGap,
    FeedTopic,
    Quote,
    TopicRefused,
    VenueBook,
    VenueTrade,
)
from hyperstream.sources.exchanges.line import Line
from hyperstream.sources.exchanges.streams import Stream
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.testing.exchanges import BinanceLimits, BybitLimits, HyperliquidLimits
from hyperstream.testing.exchanges.trouble_rates import TroubleRates
from tests.sources.exchanges.world import World, world

# What always interrupts a stream, by what the exchange counts: a gap must be told for each.
INTERRUPTIONS = ("reset", "drop", "close", "half_close", "skipped_update")
KINDS = TroubleRates.names()
DEPTH = {"hyperliquid": 20}
CHANNELS = {Quote: Channel.QUOTES, VenueTrade: Channel.TRADES, VenueBook: Channel.BOOK}
PATIENCE_SECONDS = 900.0
# Venues count how often somebody connects; here it is often.
LIMITS: dict[str, dict[str, Any]] = {
    "binance": {"limits": BinanceLimits(connections=0)},
    "binance_futures": {"futures_limits": BinanceLimits(connections=0)},
    "hyperliquid": {"limits": HyperliquidLimits(new_sockets_per_minute=0)},
    "bybit": {"limits": BybitLimits(connections=0)},
}
HURRIED = FeedTiming(refused=10, deadly=10, heartbeat=4, heartbeat_deadline=2, acknowledge=4)


def task_count() -> int:
    """How many tasks there are in all."""
    root = trio.lowlevel.current_root_task()
    return _below(root) if root is not None else 0


def _below(task: trio.lowlevel.Task) -> int:
    children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sum(1 + _below(child) for child in children)


@define(eq=False)
class Chaos:
    """Strikes a world again and again; every topic wanted must always come back."""

    here: World
    symbols: tuple[str, ...]
    strikes: Counter[str] = field(factory=Counter)
    gaps_told: int = 0
    topics: list[FeedTopic] = field(factory=list)

    def begin(self) -> None:
        """Want quotes, trades and books of every symbol."""
        for symbol in self.symbols:
            for channel in CHANNELS.values():
                self.topics.append(self.here.want(channel, symbol))

    async def strike(self, kind: str | None = None) -> None:
        """Let the market run, do something terrible, and see everything come back."""
        here, trouble = self.here, self.here.fake.trouble
        await self._run(1.0)
        here.items.clear()
        before = Counter(trouble.counts)
        # The exchange may still hold sessions that the feed gave up long ago: what befalls them is no news.
        has_ghosts = len(here.fake.sessions) > len(here.feed.lines.all)
        struck = trouble.strike(kind or trouble.rng.choice(KINDS))
        self.strikes[struck] += 1
        await self._run(2.0)
        await self._recover()
        done = Counter(trouble.counts) - before
        if not has_ghosts and any(done[interruption] for interruption in INTERRUPTIONS):
            assert here.told(FeedGap), f"{struck} was not told: {done}"
        self.gaps_told += len(here.told(FeedGap))
        await self._equal_truth(struck)

    async def _run(self, seconds: float) -> None:
        await self.here.run_market(seconds)

    async def _recover(self) -> None:
        """Until every topic has spoken after the last gap in it."""
        with trio.fail_after(PATIENCE_SECONDS):
            while missing := self._missing():
                await self._run(0.5)
                assert len(self.here.items) < 1_000_000, f"never heard again: {missing}"

    def _missing(self) -> set[FeedTopic]:
        spoken: set[FeedTopic] = set()
        venue = self.here.feed.venue.name
        for item in self.here.items:
            if isinstance(item, FeedGap):
                spoken.difference_update(item.topics)
            elif type(item) in CHANNELS:
                spoken.add(FeedTopic(venue, CHANNELS[type(item)], item.symbol))  # type: ignore[union-attr]
        return set(self.topics) - spoken

    async def _equal_truth(self, struck: str) -> None:
        """Stop the market; books must be the exchange's own, soon."""
        here = self.here
        depth = DEPTH.get(here.feed.venue.name, 50)
        for _ in range(int(PATIENCE_SECONDS)):
            here.fake.settle()
            await here.fake.flushed()
            await trio.sleep(0.1)
            if all(here.has_truth(symbol, depth) for symbol in self.symbols):
                return
            await self._run(1.0)
        raise AssertionError(f"after {struck} a book is not the exchange's: {here.feed.statistics()}")

    def check_nothing_is_left(self) -> None:
        """No lines, streams or tasks but those that are in use."""
        here = self.here
        gc.collect()
        streams = [thing for thing in gc.get_objects() if isinstance(thing, Stream)]
        lines = [thing for thing in gc.get_objects() if isinstance(thing, Line)]
        assert len(lines) == len(here.feed.lines.all)
        assert len(streams) == here.feed.statistics().streams == len(self.topics)
        assert not [refused for refused in here.told(TopicRefused) if refused.topic not in self.topics]


@asynccontextmanager
async def troubled(venue: str, seed: int = 1) -> AsyncIterator[Chaos]:
    """A venue with two symbols, all of them wanted, connected, ready to be struck."""
    settings = {"silence_seconds": 5.0}
    limits = LIMITS[venue]
    symbols = ("BTC", "ETH") if venue == "hyperliquid" else ("BTCUSDT", "ETHUSDT")
    async with world(venue, timing=HURRIED, venue_settings=settings, seed=seed, **limits) as here:
        chaos = Chaos(here, symbols)
        chaos.begin()
        await here.connected()
        yield chaos
