"""The bars of one market and interval, and the indicators computed on them.

The venue's own bars where it has them, ours built from its trades otherwise (market/bar_builder.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from hyperstream.engine.prices import offers
from hyperstream.engine.prices.instances import BarInstance
from hyperstream.engine.prices.series import Publisher
from hyperstream.hub.topic import Topic
from hyperstream.market.bar_builder import BarBuilder
from hyperstream.market.bars import Bar
from hyperstream.market.history import BarHistory
from hyperstream.market.intervals import Interval
from hyperstream.market.price_updates import BarUpdate, SeriesName
from hyperstream.market.venues import FeedTopic, VenueBar

if TYPE_CHECKING:
    from hyperstream.engine.prices.market import PriceMarket


class BarStream:
    """The forming bar, the closed ones as far back as they are kept, and who computes from them.

    It exists while somebody follows the bars or an indicator on them. ``changes`` counts what could have
    changed the forming bar. A series begins with its first whole bar: one that began before its trades
    were followed is told, and counted by no indicator, because who asks later would not find it in the
    history of trades.
    """

    def __init__(
        self, name: SeriesName, interval: Interval, market: PriceMarket, publisher: Publisher, capacity: int
    ) -> None:
        self.name = name
        self.interval = interval
        self.market = market
        self.builder = BarBuilder(interval)
        self.history = BarHistory(interval, capacity)
        self.instances: dict[str, BarInstance] = {}
        self.last_closed: Bar | None = None
        self.changes = 0
        self._has_begun = False
        self.last_used_ns = 0
        self.wanted: tuple[FeedTopic, ...] = offers.bar_topics(market.venue, market.symbol, name.interval)
        self._publisher = publisher
        self.closed = publisher.series(name, _ClosedBar(self))
        self.forming = publisher.series(name, self)
        self._begin()

    def _begin(self) -> None:
        """Begin with what the history of trades, or bars of a shorter interval, say of the past."""
        self.builder.advance(self.market.latest_time_ns())
        replayed = self.builder.replay(self.market.history)
        first = 1 if replayed and replayed[0].is_partial else 0
        counted = [bar.values for bar in replayed[first:]]
        first_seconds = counted[0].start_seconds if counted else float("inf")
        best: BarHistory | None = None
        for stream in self.market.groups.bars.values():
            if stream.interval != self.interval and self.interval.is_made_of(stream.interval):
                coarser = stream.history.coarser(self.interval, self.history.capacity)
                if best is None or len(coarser) > len(best):
                    best = coarser
        for values in best.bars() if best is not None else ():
            if values.start_seconds < first_seconds:
                self.history.append(values)
        for values in counted:
            self.history.append(values)
        self._has_begun = bool(replayed) or len(self.history) > 0
        if replayed:
            self.last_closed = replayed[-1]
            self.closed.begin()
        if self.builder.take_forming() is not None:
            self.forming.begin()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Where the bars are published: closed, forming."""
        return self.closed.topic, self.forming.topic

    @property
    def takes_trades(self) -> bool:
        """Whether the bars are built from trades."""
        return not self.builder.follows_venue

    def add_trade(
        self, time_ns: int, price: str, price_e12: int, size_e12: int, *, is_buyer_taker: bool
    ) -> None:
        """A trade happened."""
        self.changes += 1
        closed = self.builder.add(time_ns, price, price_e12, size_e12, is_buyer_taker)
        if closed:
            self._close(closed)

    def put(self, told: VenueBar) -> None:
        """The venue told its own bar. Raises FormatError or ValueError for one that cannot be read."""
        bar = Bar.of_venue(
            self.interval,
            told.start_time_ns,
            (told.open, told.high, told.low, told.close),
            told.volume or "0",
            told.turnover or None,
            trade_count=told.trade_count,
            is_closed=told.is_closed,
        )
        closed = self.builder.put(bar)
        self.changes += 1
        if closed:
            self._close(closed)

    def advance(self, now_ns: int) -> bool:
        """Close what has ended by this time although nothing was heard of it; returns whether it did."""
        closed = self.builder.advance(now_ns)
        if closed:
            self.changes += 1
            self._close(closed)
        return bool(closed)

    def counts(self, bar: Bar) -> bool:
        """Whether indicators take this bar, the forming or the next that closes."""
        return self._has_begun or not bar.is_partial

    def _close(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            values = bar.values if self.counts(bar) else None
            if values is not None:
                self.history.append(values)
            self._has_begun = True
            self.last_closed = bar
            if self.closed.topic.snapshots is None:
                self.closed.begin()
            if self.closed.is_followed:
                topic = self.closed.topic
                self._publisher.closings.append((topic, partial(self.update, topic, bar)))
            for instance in self.instances.values():
                instance.close(bar, values)

    def publish(self) -> None:
        """Publish the forming bar, and what is computed with it, if it has changed."""
        if self.builder.take_forming() is None:
            return
        if self.forming.topic.snapshots is None:
            self.forming.begin()
        if self.forming.is_followed:
            self.forming.publish()
        for instance in self.instances.values():
            instance.publish()

    def tell_gap(self, detail: str) -> None:
        """Something the bars are made of is missing; the bars it falls into say so."""
        self.builder.mark_gap()
        self.closed.tell_gap(detail)
        for instance in self.instances.values():
            instance.tell_gap(detail)

    def fall_back(self) -> tuple[FeedTopic, ...]:
        """The venue does not serve such bars: build them from trades. Returns what is wanted from now on."""
        if not self.takes_trades:
            self.builder.leave_venue()
        self.wanted = offers.trade_topics(self.market.venue, self.market.symbol)
        return self.wanted

    def update(self, topic: Topic, bar: Bar, sequence: int) -> BarUpdate:
        """A bar as an update of a topic."""
        return BarUpdate(self.name, topic.epoch, sequence, self.market.stamp(), False, bar)

    def newest(self, sequence: int) -> BarUpdate | None:
        """The forming bar."""
        bar = self.builder.forming
        return self.update(self.forming.topic, bar, sequence) if bar is not None else None

    def version(self) -> object:
        """One per change of the forming bar."""
        return self.changes


class _ClosedBar:
    """What the series of closed bars shows."""

    def __init__(self, stream: BarStream) -> None:
        self._stream = stream

    def newest(self, sequence: int) -> BarUpdate | None:
        stream = self._stream
        bar = stream.last_closed
        return stream.update(stream.closed.topic, bar, sequence) if bar is not None else None

    def version(self) -> object:
        bar = self._stream.last_closed
        return bar.start_ns if bar is not None else None
