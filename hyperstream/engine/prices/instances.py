"""Indicators at work on one market, each shared by all who ask for it.

An instance is told every input and computes at once; what it shows is worked out when it is published.
A fault leaves an indicator as it was before the input: it is logged once, counted, and harms no other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from hyperstream.engine.prices import offers
from hyperstream.engine.prices.series import Publisher
from hyperstream.errors import IndicatorFault
from hyperstream.hub.topic import Topic
from hyperstream.market.bars import Bar
from hyperstream.market.history import BarValues
from hyperstream.market.indicators import BarIndicator, BookIndicator, PriceIndicator, Value
from hyperstream.market.indicators.kind import BookLevels
from hyperstream.market.price_updates import IndicatorUpdate, SeriesName
from hyperstream.market.venues import FeedTopic

if TYPE_CHECKING:
    from hyperstream.engine.prices.bar_stream import BarStream
    from hyperstream.engine.prices.market import PriceMarket

log = structlog.get_logger("hyperstream.prices")

_AnyIndicator = TypeVar("_AnyIndicator", PriceIndicator, BookIndicator)


class _Instance:
    """What all have: a name, a market to look at. ``wanted`` is what of the venue it needs."""

    def __init__(self, name: SeriesName, market: PriceMarket) -> None:
        self.name = name
        self.market = market
        self.faults = 0
        self.last_used_ns = 0
        self.wanted: tuple[FeedTopic, ...] = ()

    def fault(self, problem: IndicatorFault) -> None:
        """An input could not be computed: it is skipped."""
        self.faults += 1
        if self.faults == 1:
            log.warning("an indicator skips an input", indicator=self.name.symbol, problem=str(problem))


class _TickwiseInstance(_Instance, ABC, Generic[_AnyIndicator]):
    """One without bars: it has one series."""

    indicator: _AnyIndicator

    @property
    @abstractmethod
    def computations(self) -> int:
        """How many inputs it took."""

    def __init__(self, name: SeriesName, market: PriceMarket, publisher: Publisher) -> None:
        super().__init__(name, market)
        self.series = publisher.series(name, self)
        self._shown: tuple[Value | None, int] | None = None

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Where it is published."""
        return (self.series.topic,)

    def publish(self) -> None:
        """Publish the value if it differs from the one published before."""
        if self.series.is_followed:
            shown = self.indicator.value, self.indicator.warmed
            if shown != self._shown:
                self._shown = shown
                self.series.publish()

    def newest(self, sequence: int) -> IndicatorUpdate:
        """The value now."""
        indicator = self.indicator
        return IndicatorUpdate(
            self.name,
            self.series.topic.epoch,
            sequence,
            self.market.stamp(),
            False,
            indicator.value,
            indicator.warmed,
            indicator.needed,
            False,
            0,
            0,
        )

    def version(self) -> object:
        """One per input."""
        return self.computations

    def tell_gap(self, detail: str) -> None:
        """Inputs are missing."""
        self.series.tell_gap(detail)


class TickInstance(_TickwiseInstance[PriceIndicator]):
    """An indicator of the prices of trades, one after the other."""

    def __init__(
        self, name: SeriesName, indicator: PriceIndicator, market: PriceMarket, publisher: Publisher
    ) -> None:
        self.indicator = indicator
        super().__init__(name, market, publisher)
        self.wanted = offers.trade_topics(market.venue, market.symbol)
        try:
            indicator.warm(market.history)
        except IndicatorFault as problem:
            self.fault(problem)
        # Called for each trade, so without a method of ours in between.
        self.update = indicator.update
        self._first_trade = market.trade_count
        self.series.begin()

    @property
    def computations(self) -> int:
        """How many trades it took."""
        return self.market.trade_count - self._first_trade


class BookInstance(_TickwiseInstance[BookIndicator]):
    """An indicator of the book, looked at whenever it changes."""

    def __init__(
        self, name: SeriesName, indicator: BookIndicator, market: PriceMarket, publisher: Publisher
    ) -> None:
        self.indicator = indicator
        super().__init__(name, market, publisher)
        self.wanted = offers.book_topics(market.venue, market.symbol, indicator.levels)
        self._books = 0
        self.series.begin()

    @property
    def computations(self) -> int:
        """How many books it took."""
        return self._books

    def update(self, bids: BookLevels, asks: BookLevels) -> None:
        """Take a book."""
        self._books += 1
        try:
            self.indicator.update(bids, asks)
        except IndicatorFault as problem:
            self.fault(problem)


class BarInstance(_Instance):
    """An indicator of bars: a series of values that stand, and one of values with the bar that is forming."""

    def __init__(
        self, name: SeriesName, indicator: BarIndicator, stream: BarStream, publisher: Publisher
    ) -> None:
        super().__init__(name, stream.market)
        self.indicator = indicator
        self.stream = stream
        self.computations = 0
        self._publisher = publisher
        self.closed_bar: Bar | None = stream.last_closed
        try:
            indicator.warm(stream.history)
        except IndicatorFault as problem:
            self.fault(problem)
        self.closed = publisher.series(name, _ClosedValue(self))
        self.forming = publisher.series(name, self)
        self.closed.begin()
        if stream.builder.forming is not None:
            self.forming.begin()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Where it is published."""
        return self.closed.topic, self.forming.topic

    def close(self, bar: Bar, values: BarValues | None) -> None:
        """Take a bar that has closed; without values it is only told that it has."""
        self.closed_bar = bar
        if values is not None:
            self.computations += 1
            try:
                self.indicator.update(values)
            except IndicatorFault as problem:
                self.fault(problem)
        if self.closed.is_followed:
            value, warmed = self.indicator.value, self.indicator.warmed
            self._publisher.closings.append(
                (self.closed.topic, partial(self._update, bar, value, warmed, False))
            )

    def publish(self) -> None:
        """Publish the value with the bar that is forming."""
        if self.forming.topic.snapshots is None:
            self.forming.begin()
        if self.forming.is_followed:
            self.forming.publish()

    def newest(self, sequence: int) -> IndicatorUpdate | None:
        """The value with the bar that is forming."""
        bar = self.stream.builder.forming
        if bar is None:
            return None
        value: Value | None = None
        if self.stream.counts(bar):
            try:
                value = self.indicator.peek(bar.values)
            except IndicatorFault as problem:
                self.fault(problem)
        warmed = self.indicator.needed if value is not None else self.indicator.warmed
        return self._update(bar, value, warmed, True, sequence)

    def newest_closed(self, sequence: int) -> IndicatorUpdate:
        """The value that stands."""
        return self._update(self.closed_bar, self.indicator.value, self.indicator.warmed, False, sequence)

    def version(self) -> object:
        """One per change of the bars."""
        return self.stream.changes

    def _update(
        self, bar: Bar | None, value: Value | None, warmed: int, is_forming: bool, sequence: int
    ) -> IndicatorUpdate:
        series = self.forming if is_forming else self.closed
        return IndicatorUpdate(
            self.name,
            series.topic.epoch,
            sequence,
            self.market.stamp(),
            False,
            value,
            warmed,
            self.indicator.needed,
            is_forming,
            bar.start_ns if bar is not None else 0,
            bar.end_ns if bar is not None else 0,
        )

    def tell_gap(self, detail: str) -> None:
        """Inputs are missing: told once, on the series that stands."""
        self.closed.tell_gap(detail)


class _ClosedValue:
    """What the series of values that stand shows."""

    def __init__(self, instance: BarInstance) -> None:
        self._instance = instance

    def newest(self, sequence: int) -> IndicatorUpdate:
        return self._instance.newest_closed(sequence)

    def version(self) -> object:
        bar = self._instance.closed_bar
        return bar.start_ns if bar is not None else 0
