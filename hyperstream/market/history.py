"""Bounded memory of what was: ticks and closed bars as columns, ready to warm an indicator.

Columns are arrays of eight bytes a value. They grow with what arrives and are trimmed at the
front, so a window is one copy of contiguous memory and appending always costs the same. Between
two trims at most an eighth more than the capacity is kept; nobody sees that surplus.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from math import inf
from typing import NamedTuple

from attrs import define, field, frozen

from hyperstream.market.intervals import SECOND_NS, Interval
from hyperstream.market.venue_decimals import SCALE

_EXACT_E12_BELOW = 2.0e3
_EXACT_E8_BELOW = 2.0e7


class BarValues(NamedTuple):
    """A bar as numbers: what indicators compute with. ``start_seconds`` counts from 1970 UTC.

    ``taker_buy_volume`` is NaN where the venue does not say it.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    taker_buy_volume: float
    start_seconds: float


@frozen
class Tick:
    """One price. ``size_e12`` is negative when the taker sold, and 0 for a price that is no trade.

    ``is_after_gap``: others came before it that are not here.
    """

    time_ns: int
    price_e12: int
    size_e12: int
    is_after_gap: bool = False


def exact_e12(value: float) -> int:
    """Return a double as the integer of 10^-12 units that it was read from.

    Exact for every decimal of at most 15 significant digits and twelve places: below 2,000 the error of the
    double, times 10^12, is less than a half, and so it is below 2 * 10^7 times 10^8. If that decimal of eight
    places makes the same double, no other of 15 digits does; otherwise the shortest spelling of the double
    is the decimal itself.
    """
    if -_EXACT_E12_BELOW < value < _EXACT_E12_BELOW:
        return round(value * 1e12)
    if -_EXACT_E8_BELOW < value < _EXACT_E8_BELOW:
        value_e8 = round(value * 1e8)
        if value_e8 / 1e8 == value:
            return value_e8 * 10_000
    return int(Decimal(repr(value)).scaleb(12))


@define(eq=False)
class PriceHistory:
    """The newest ``capacity`` ticks of one market: time, price and size (24 bytes each).

    It remembers where ticks are missing. Ticks are numbered for that as they came, those trimmed included.
    """

    capacity: int
    _trimmed: int = field(default=0, init=False, repr=False)
    _gaps: deque[int] = field(factory=deque, init=False, repr=False)
    _times_ns: array[int] = field(factory=lambda: array("q"), init=False, repr=False)
    _prices: array[float] = field(factory=lambda: array("d"), init=False, repr=False)
    _sizes: array[float] = field(factory=lambda: array("d"), init=False, repr=False)
    _trim_at: int = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._trim_at = _trim_length(self.capacity)

    def append(self, time_ns: int, price: float, size: float = 0.0) -> None:
        """Remember a tick. ``size`` is negative when the taker sold, 0 when the price is no trade.

        Raises ValueError for a price that is not finite; nothing is kept of it.
        """
        if not -inf < price < inf:
            raise ValueError(f"a price must be a finite number, not {price!r}")
        self._prices.append(price)
        self._sizes.append(size)
        self._times_ns.append(time_ns)
        if len(self._prices) >= self._trim_at:
            surplus = len(self._prices) - self.capacity
            del self._prices[:surplus], self._sizes[:surplus], self._times_ns[:surplus]
            self._trimmed += surplus
            while self._gaps and self._gaps[0] <= self._trimmed:
                self._gaps.popleft()

    def mark_gap(self) -> None:
        """Ticks between the last and the next are missing."""
        if not self.ends_in_gap:
            self._gaps.append(self._trimmed + len(self._prices))

    @property
    def ends_in_gap(self) -> bool:
        """Whether ticks are missing after the last."""
        return bool(self._gaps) and self._gaps[-1] == self._trimmed + len(self._prices)

    def prices(self, count: int | None = None) -> array[float]:
        """Return a copy of the newest prices, oldest first: all, or at most ``count``."""
        return self._prices[_first(len(self._prices), self.capacity, count) :]

    def ticks(self, since_ns: int | None = None) -> Iterator[Tick]:
        """Yield the ticks, oldest first, with exact prices and sizes (see ``exact_e12``).

        With ``since_ns`` those of that time and later. The window is copied when the first is taken.
        """
        first = _first(len(self._prices), self.capacity, None)
        columns = self._times_ns[first:], self._prices[first:], self._sizes[first:]
        gaps = frozenset(self._gaps)
        for number, (time_ns, price, size) in enumerate(zip(*columns, strict=True), self._trimmed + first):
            if since_ns is None or time_ns >= since_ns:
                yield Tick(time_ns, exact_e12(price), exact_e12(size), number in gaps)

    @property
    def oldest_time_ns(self) -> int | None:
        """The time of the oldest tick kept, None while there is none."""
        first = _first(len(self._prices), self.capacity, None)
        return self._times_ns[first] if self._times_ns else None

    def __len__(self) -> int:
        return min(len(self._prices), self.capacity)


@define(eq=False)
class BarHistory:
    """The newest ``capacity`` closed bars of one market and interval (56 bytes each)."""

    interval: Interval
    capacity: int
    _columns: tuple[array[float], ...] = field(
        factory=lambda: tuple(array("d") for _ in BarValues._fields), init=False, repr=False
    )
    _trim_at: int = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._trim_at = _trim_length(self.capacity)

    def append(self, bar: BarValues) -> None:
        """Remember a closed bar; it follows the one before."""
        for column, value in zip(self._columns, bar, strict=True):
            column.append(value)
        kept = len(self._columns[0])
        if kept >= self._trim_at:
            for column in self._columns:
                del column[: kept - self.capacity]

    def columns(self, names: tuple[str, ...], count: int | None = None) -> tuple[array[float], ...]:
        """Return copies of the columns named (fields of BarValues), oldest first, at most ``count``."""
        first = _first(len(self._columns[0]), self.capacity, count)
        return tuple(self._columns[BarValues._fields.index(name)][first:] for name in names)

    def bars(self) -> list[BarValues]:
        """Return the bars, oldest first."""
        return [BarValues(*values) for values in zip(*self.columns(BarValues._fields), strict=True)]

    def coarser(self, interval: Interval, capacity: int) -> BarHistory:
        """Return the whole bars of a longer interval that these bars make up.

        A bar is whole when every bar it is made of is here: what is missing at either end, or in
        between, is left out. Volumes are summed exactly. Raises ValueError when the longer
        interval is not a whole number of these.
        """
        if not interval.is_made_of(self.interval):
            raise ValueError(f"bars of {interval} are not made of bars of {self.interval}")
        parts = interval.duration_ns // self.interval.duration_ns
        made = BarHistory(interval, capacity)
        gathered: list[BarValues] = []
        gathered_start_ns: int | None = None
        for bar in self.bars():
            start_ns = interval.start_of(int(bar.start_seconds) * SECOND_NS)
            if start_ns != gathered_start_ns:
                gathered, gathered_start_ns = [], start_ns
            gathered.append(bar)
            if len(gathered) == parts:
                made.append(_merged(gathered))
        return made

    def __len__(self) -> int:
        return min(len(self._columns[0]), self.capacity)


def _merged(bars: list[BarValues]) -> BarValues:
    """One bar of several that follow one another."""
    first, last = bars[0], bars[-1]
    knows_takers = all(bar.taker_buy_volume == bar.taker_buy_volume for bar in bars)
    return BarValues(
        open=first.open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=last.close,
        volume=sum(exact_e12(bar.volume) for bar in bars) / SCALE,
        taker_buy_volume=sum(exact_e12(bar.taker_buy_volume) for bar in bars) / SCALE
        if knows_takers
        else float("nan"),
        start_seconds=first.start_seconds,
    )


def _trim_length(capacity: int) -> int:
    if capacity < 1:
        raise ValueError(f"a history holds at least one value, not {capacity}")
    return capacity + max(1, capacity // 8) + 1


def _first(kept: int, capacity: int, count: int | None) -> int:
    return max(0, kept - (capacity if count is None else min(count, capacity)))
