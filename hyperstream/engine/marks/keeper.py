"""The marks that somebody follows, and their clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import trio
from attrs import define, field, frozen

from hyperstream.engine.live_market import LINGER_NS, LiveMarket
from hyperstream.engine.marks.mark import MarketMark
from hyperstream.engine.prices.newest import NewestTopics
from hyperstream.hub.directory import PublishedMarket
from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.updates import BlockStamp

PERIOD_SECONDS = 1.0
LOOK_SECONDS = 0.1
MARKETS_A_STEP = 25


class NodeMarkets(Protocol):
    """What is needed of the engine that keeps the node's books."""

    def find_symbol(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol."""


@frozen
class MarkStatistics:
    """Markets whose marks are computed, and how many marks were since the start."""

    markets: int
    computed: int


@define(eq=False)
class MarkKeeper:
    """Computes once a second the marks that somebody follows, or has followed lately.

    ``prices`` has what exchanges tell; ``now_ns`` is the wall clock.
    """

    hub: Hub
    wire_format: WireFormat
    now_ns: Callable[[], int]
    engine: NodeMarkets
    prices: NewestTopics
    marks: dict[str, MarketMark] = field(factory=dict)
    computed: int = 0

    def stream(self, market: PublishedMarket) -> Topic:
        """The topic of a market's mark price; it is computed from now on."""
        symbol = market.name.symbol
        found = self.marks.get(symbol)
        if found is None:
            live = self.engine.find_symbol(symbol)
            if live is None:
                raise KeyError(symbol)
            now_ns = self.now_ns()
            topic = Topic(live.name, self.wire_format, self.hub.next_epoch(), last_used_ns=now_ns)
            found = self.marks[symbol] = live.mark = MarketMark(live, topic, self.prices, now_ns)
            topic.snapshots = found
        return found.topic

    async def tick(self) -> None:
        """Keep the time: a mark a second of each market, a first one as soon as there can be one."""
        due = trio.current_time() + PERIOD_SECONDS
        while True:
            await trio.sleep_until(min(trio.current_time() + LOOK_SECONDS, due))
            is_due = trio.current_time() >= due
            if is_due:
                due = max(due + PERIOD_SECONDS, trio.current_time() + LOOK_SECONDS)
            for _ in self.strike() if is_due else self.look():
                await trio.lowlevel.checkpoint()

    def look(self) -> Iterator[None]:
        """Compute the first mark of those of which all is told, some at a step."""
        return self._steps([mark for mark in self.marks.values() if mark.mark is None])

    def strike(self) -> Iterator[None]:
        """Compute every mark, some at a step; drop those that nobody has followed for a while."""
        return self._steps(list(self.marks.values()))

    def _steps(self, marks: list[MarketMark]) -> Iterator[None]:
        for first in range(0, len(marks), MARKETS_A_STEP):
            now_ns = self.now_ns()
            stamp = _stamp(marks[first].market.stamp, now_ns)
            for mark in marks[first : first + MARKETS_A_STEP]:
                if mark.topic.is_followed:
                    mark.topic.last_used_ns = now_ns
                if mark.topic.last_used_ns <= now_ns - LINGER_NS:
                    self._drop(mark)
                elif mark.is_settled(now_ns):
                    self._compute(mark, stamp)
            yield
        if marks:
            self.hub.flush()

    def _compute(self, mark: MarketMark, stamp: BlockStamp) -> None:
        mark.compute(stamp)
        self.computed += 1

    def _drop(self, mark: MarketMark) -> None:
        mark.release()
        mark.market.mark = None
        del self.marks[mark.market.symbol]

    def statistics(self) -> MarkStatistics:
        """What is computed."""
        return MarkStatistics(len(self.marks), self.computed)


def _stamp(last: BlockStamp, now_ns: int) -> BlockStamp:
    """The last block, which is the same for all markets, and when marks are computed from it."""
    return BlockStamp(last.height, last.block_time_ns, last.node_time_ns, last.read_time_ns, now_ns)
