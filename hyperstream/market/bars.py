"""A bar: what an interval's trades amount to, with exact digits.

``Bar`` is what is told and kept; ``BarValues`` (history.py) are its numbers for indicators.
How bars are built from trades, and from a venue's own, is in bar_builder.py.
"""

from __future__ import annotations

from math import nan

from attrs import frozen

from hyperstream.errors import DecimalError
from hyperstream.market.history import BarValues
from hyperstream.market.intervals import SECOND_NS, Interval
from hyperstream.market.venue_decimals import SCALE, format_e12, parse_e12

TURNOVER_PLACES = 24


@frozen
class Bar:
    """One bar, forming or closed.

    ``start_ns`` (inclusive) and ``end_ns`` (exclusive) are UTC nanoseconds. Prices are the venue's
    own digits. Volumes are exact integers of 10^-12 units of the base asset, turnover (the sum of
    price times size) of 10^-24 units of the quote asset. None means that the venue does not say.

    ``is_partial``: trades may be missing, because the bar began before we listened, or a feed had
    a gap, or the venue's last word on it never came. ``is_venue``: these are the venue's numbers.
    """

    start_ns: int
    end_ns: int
    open: str
    high: str
    low: str
    close: str
    volume_e12: int
    turnover_e24: int | None = None
    taker_buy_volume_e12: int | None = None
    trade_count: int | None = None
    is_closed: bool = False
    is_partial: bool = False
    is_venue: bool = False

    @classmethod
    def of_venue(
        cls,
        interval: Interval,
        start_ns: int,
        prices: tuple[str, str, str, str],
        volume: str,
        turnover: str | None = None,
        taker_buy_volume: str | None = None,
        trade_count: int | None = None,
        *,
        is_closed: bool,
    ) -> Bar:
        """Make a bar of a venue's own strings; ``prices`` are open, high, low, close.

        Turnover past 24 places is cut off: Bybit sends the digits of a double there.
        Raises DecimalError (a FormatError) for strings that are no plain decimals.
        """
        for price in prices:
            parse_e12(price)
        return cls(
            start_ns,
            start_ns + interval.duration_ns,
            *prices,
            volume_e12=parse_e12(volume),
            turnover_e24=None if turnover is None else _parse_e24(turnover),
            taker_buy_volume_e12=None if taker_buy_volume is None else parse_e12(taker_buy_volume),
            trade_count=trade_count,
            is_closed=is_closed,
            is_venue=True,
        )

    @property
    def volume(self) -> str:
        """The volume in its shortest spelling (``"12.5"``)."""
        return format_e12(self.volume_e12)

    @property
    def turnover(self) -> str | None:
        """The turnover in its shortest spelling, None where the venue does not say it."""
        if self.turnover_e24 is None:
            return None
        whole, fraction = divmod(self.turnover_e24, SCALE * SCALE)
        return f"{whole}.{fraction:024d}".rstrip("0") if fraction else f"{whole}.0"

    @property
    def values(self) -> BarValues:
        """The bar as doubles, each the nearest to its decimal."""
        takers = self.taker_buy_volume_e12
        return BarValues(
            float(self.open),
            float(self.high),
            float(self.low),
            float(self.close),
            self.volume_e12 / SCALE,
            nan if takers is None else takers / SCALE,
            float(self.start_ns // SECOND_NS),
        )


def _parse_e24(text: str) -> int:
    whole, point, fraction = text.partition(".")
    whole_e24 = parse_e12(whole) * SCALE
    if not point:
        return whole_e24
    if not (fraction.isascii() and fraction.isdigit()):
        raise DecimalError(f"not a plain decimal: {text[:40]!r}")
    return whole_e24 + int(fraction[:TURNOVER_PLACES].ljust(TURNOVER_PLACES, "0"))
