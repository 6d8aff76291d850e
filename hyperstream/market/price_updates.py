"""What is published of prices, bars and indicators: values that every wire format can spell.

Each belongs to a series, which has a key (``binance/BTCUSDT/1m``) and is a topic of its own. In an
update's ``stamp`` the block's time is when the venue made it, and the height is that of the node's block,
0 for exchanges.
"""

from __future__ import annotations

from attrs import define, field

from hyperstream.market.bars import Bar
from hyperstream.market.indicators import IndicatorSpec
from hyperstream.market.updates import MarketName, Update
from hyperstream.market.venues import Quote, Ticker, VenueTrade

TICKS = "ticks"
EVERY_TICK = "every_tick"


@define(eq=False)
class SeriesName(MarketName):
    """How a series is called: ``symbol`` is its key, ``market`` the venue's own symbol.

    ``interval`` is that of bars, empty for prices and what is computed tick by tick. ``outputs`` are the
    names of an indicator's values; ``output_bytes`` belongs to ``wire.protobuf``.
    """

    venue: str = field(default="", kw_only=True)
    market: str = field(default="", kw_only=True)
    interval: str = field(default="", kw_only=True)
    is_every_tick: bool = field(default=False, kw_only=True)
    indicator: IndicatorSpec | None = field(default=None, kw_only=True)
    outputs: tuple[str, ...] = field(default=(), kw_only=True)
    output_bytes: tuple[bytes, ...] | None = field(default=None, kw_only=True)


def price_name(venue: str, symbol: str, *, is_every_tick: bool = False) -> SeriesName:
    """The series of a market's prices."""
    key = f"{venue}/{symbol}/{EVERY_TICK}" if is_every_tick else f"{venue}/{symbol}"
    return SeriesName(key, venue=venue, market=symbol, is_every_tick=is_every_tick)


def bar_name(venue: str, symbol: str, interval: str) -> SeriesName:
    """The series of a market's bars, forming or closed."""
    return SeriesName(f"{venue}/{symbol}/{interval}", venue=venue, market=symbol, interval=interval)


def indicator_name(venue: str, symbol: str, indicator: IndicatorSpec, outputs: tuple[str, ...]) -> SeriesName:
    """The series of one indicator of a market."""
    interval = indicator.interval.text if indicator.interval is not None else ""
    key = f"{venue}/{symbol}/{interval or TICKS}/{indicator.key.partition('@')[0]}"
    return SeriesName(
        key, venue=venue, market=symbol, interval=interval, indicator=indicator, outputs=outputs
    )


@define(eq=False)
class SeriesUpdate(Update):
    """An update of a series: its name is a SeriesName."""

    @property
    def series(self) -> SeriesName:
        """The name of the series."""
        return self.name  # type: ignore[return-value] # those who make these give no other


@define(eq=False)
class PriceUpdate(SeriesUpdate):
    """The newest of a market; None where nothing has come yet."""

    quote: Quote | None
    trade: VenueTrade | None
    ticker: Ticker | None


@define(eq=False)
class BarUpdate(SeriesUpdate):
    """A bar, forming or closed."""

    bar: Bar


@define(eq=False)
class IndicatorUpdate(SeriesUpdate):
    """The values of an indicator; None while it is warming, or undefined.

    ``have`` of ``need`` inputs have come; ``bar_start_ns`` and ``bar_end_ns`` are 0 without an interval.
    """

    values: tuple[float, ...] | None
    have: int
    need: int
    is_forming: bool
    bar_start_ns: int
    bar_end_ns: int
