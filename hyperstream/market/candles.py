"""Candles as Hyperliquid tells them: a market's trades by the minute, put together to the venue's intervals.

A candle is named by the first millisecond ``t`` and the last ``T`` of its interval, in UTC; weeks begin on
Monday, months on their first. A candle without trades does not exist. What is kept of a market are its
minutes, as integers, up to a limit; a longer candle is the sum of its minutes, and is only as complete as
they are: one that began before the first minute kept holds what was traded since.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from attrs import define

from hyperstream.market.decimals import parse_e8
from hyperstream.market.trades import Trade
from hyperstream.market.updates import Update

MINUTE_MS = 60_000
_HOUR_MS = 60 * MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_MONDAY_MS = 4 * _DAY_MS
_LENGTHS: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": _HOUR_MS,
    "2h": 2 * _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "8h": 8 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
}
_MONTH = "1M"
INTERVALS = (*_LENGTHS, _MONTH)
_COLUMNS = 6  # open, high, low, close, volume: 10^-8 units; number of trades


def span(interval: str, time_ms: int) -> tuple[int, int]:
    """The first millisecond of the candle that holds a time, and the first after it."""
    if interval == _MONTH:
        moment = datetime.fromtimestamp(time_ms // 1000, UTC)
        month = moment.year * 12 + moment.month - 1
        return _month_start(month), _month_start(month + 1)
    length = _LENGTHS[interval]
    anchor = _MONDAY_MS if interval == "1w" else 0
    start = (time_ms - anchor) // length * length + anchor
    return start, start + length


def _month_start(month: int) -> int:
    year, index = divmod(month, 12)
    return int(datetime(year, index + 1, 1, tzinfo=UTC).timestamp()) * 1000


@define(eq=False)
class Candle:
    """One candle; prices and volume in 10^-8 units, ``end_ms`` the first millisecond after it."""

    start_ms: int
    end_ms: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int
    trade_count: int

    def add(self, price_e8: int, size_e8: int) -> None:
        """Another trade, the last so far."""
        self.high_e8 = max(self.high_e8, price_e8)
        self.low_e8 = min(self.low_e8, price_e8)
        self.close_e8 = price_e8
        self.volume_e8 += size_e8
        self.trade_count += 1


@define(eq=False)
class CandleUpdate(Update):
    """A candle as it stands after a block."""

    interval: str
    candle: Candle


class MinuteTape:
    """The minutes of one market that had trades, at most so many. ``late`` counts trades of older ones."""

    __slots__ = ("_limit", "_minutes", "_values", "late")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minutes = array("q")
        self._values = array("q")
        self.late = 0

    def add(self, trades: Sequence[Trade]) -> None:
        """Add trades in their order."""
        for trade in trades:
            self._add(trade.time_ms // MINUTE_MS, parse_e8(trade.price), parse_e8(trade.size))

    def _add(self, minute: int, price_e8: int, size_e8: int) -> None:
        minutes, values = self._minutes, self._values
        if minutes and minute < minutes[-1]:
            self.late += 1
            minute = minutes[-1]  # the venue's blocks are in order: this is one that straddles a minute
        if not minutes or minute > minutes[-1]:
            minutes.append(minute)
            values.extend((price_e8, price_e8, price_e8, price_e8, size_e8, 1))
            if len(minutes) > 2 * self._limit:
                del minutes[: -self._limit]
                del values[: -self._limit * _COLUMNS]
            return
        at = len(values) - _COLUMNS
        values[at + 1] = max(values[at + 1], price_e8)
        values[at + 2] = min(values[at + 2], price_e8)
        values[at + 3] = price_e8
        values[at + 4] += size_e8
        values[at + 5] += 1

    @property
    def last_price_e8(self) -> int | None:
        """The price of the last trade."""
        return self._values[-3] if self._values else None

    def candle_at(self, interval: str, time_ms: int) -> Candle | None:
        """The candle that holds a time; None if nothing was traded in it."""
        return next(self.candles(interval, time_ms, time_ms), None)

    def candles(self, interval: str, first_ms: int, last_ms: int) -> Iterator[Candle]:
        """The candles from the one that holds ``first_ms`` to that of ``last_ms``, oldest first."""
        minutes, values = self._minutes, self._values
        candle: Candle | None = None
        stop_ms = span(interval, last_ms)[1]
        for index in range(bisect_left(minutes, span(interval, first_ms)[0] // MINUTE_MS), len(minutes)):
            time_ms = minutes[index] * MINUTE_MS
            if time_ms >= stop_ms:
                break
            opened, high, low, close, volume, count = values[index * _COLUMNS : (index + 1) * _COLUMNS]
            if candle is not None and time_ms < candle.end_ms:
                candle.high_e8 = max(candle.high_e8, high)
                candle.low_e8 = min(candle.low_e8, low)
                candle.close_e8 = close
                candle.volume_e8 += volume
                candle.trade_count += count
                continue
            if candle is not None:
                yield candle
            candle = Candle(*span(interval, time_ms), opened, high, low, close, volume, count)
        if candle is not None:
            yield candle
