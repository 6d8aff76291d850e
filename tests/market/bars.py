"""Trades and bars by hand."""

from __future__ import annotations

from attrs import frozen

from hyperstream.market.bar_builder import BarBuilder
from hyperstream.market.bars import Bar
from hyperstream.market.intervals import Interval
from hyperstream.market.venue_decimals import parse_e12

SECOND = 10**9
MINUTE = Interval.parse("1m")
T0 = 1_790_208_000 * SECOND  # a midnight


@frozen
class Trade:
    time_ns: int
    price: str
    size: str
    is_buy: bool


def add(builder: BarBuilder, trade: Trade) -> list[Bar]:
    return list(
        builder.add(trade.time_ns, trade.price, parse_e12(trade.price), parse_e12(trade.size), trade.is_buy)
    )


def at(seconds: float, price: str = "10", size: str = "1", is_buy: bool = True) -> Trade:
    return Trade(T0 + int(seconds * SECOND), price, size, is_buy)


def fed(*trades: Trade, interval: Interval = MINUTE) -> tuple[BarBuilder, list[Bar]]:
    builder = BarBuilder(interval)
    closed: list[Bar] = []
    for trade in trades:
        closed += add(builder, trade)
    return builder, closed


def venue_bar(minute: int, close: str = "20", *, is_closed: bool = False, volume: str = "7") -> Bar:
    return Bar.of_venue(
        MINUTE, T0 + minute * 60 * SECOND, ("18", "21", "17", close), volume, is_closed=is_closed
    )
