"""What is true of a fake venue's market, in the venue's own strings: for comparing with a client."""

from attrs import frozen

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.book import Levels
from hyperstream.testing.exchanges.flow import MarketFlow

DAY_BARS = 24
E16 = 10**16


@frozen
class TrueMarket:
    """One market, whole: ``bids`` and ``asks`` are (price, size), best first.

    ``update_id`` is the id of the book's last change; ``bars`` the 1-minute bars, the forming one last.
    """

    symbol: str
    time_ms: int
    update_id: int
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    last_trade: Trade
    last_price: str
    last_size: str
    bars: tuple[Bar, ...]

    @property
    def best(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The best bid and the best ask."""
        return self.bids[0], self.asks[0]

    @classmethod
    def of(cls, flow: MarketFlow, depth: int | None = None, interval: str = "1m") -> "TrueMarket":
        """Return what is true of a market now, to a depth."""
        last = flow.last_trade
        return cls(
            symbol=flow.symbol,
            time_ms=flow.time_ms,
            update_id=flow.update_id,
            bids=spelled(flow, flow.book.bids.top(depth)),
            asks=spelled(flow, flow.book.asks.top(depth)),
            last_trade=last,
            last_price=flow.instrument.price(last.price_e8),
            last_size=flow.instrument.size(last.size_e8),
            bars=tuple(flow.bars[interval].all()),
        )


def spelled(flow: MarketFlow, levels: Levels) -> tuple[tuple[str, str], ...]:
    """Return levels in the venue's strings."""
    price, size = flow.instrument.spell_price, flow.instrument.spell_size
    return tuple((price(price_e8), size(size_e8)) for price_e8, size_e8 in levels)


@frozen
class Day:
    """The last 24 hours of a market, or as many as it exists, in whole hours of its bars."""

    open_ms: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int
    value_e16: int
    first_id: int
    last_id: int
    trades: int

    @classmethod
    def of(cls, flow: MarketFlow) -> "Day":
        """Add up the market's hours."""
        series = flow.bars["1h"]
        hours = [*list(series.closed)[1 - DAY_BARS :], series.forming]
        traded = [hour for hour in hours if hour.trades]
        return cls(
            open_ms=hours[0].start_ms,
            open_e8=hours[0].open_e8,
            high_e8=max(hour.high_e8 for hour in hours),
            low_e8=min(hour.low_e8 for hour in hours),
            close_e8=hours[-1].close_e8,
            volume_e8=sum(hour.volume_e8 for hour in hours),
            value_e16=sum(hour.value_e16 for hour in hours),
            first_id=traded[0].first_id if traded else -1,
            last_id=traded[-1].last_id if traded else -1,
            trades=sum(hour.trades for hour in hours),
        )

    @property
    def change_e8(self) -> int:
        """Last price minus first, which may be negative."""
        return self.close_e8 - self.open_e8

    @property
    def average_e8(self) -> int:
        """The volume-weighted average price."""
        return self.value_e16 // self.volume_e8 if self.volume_e8 else self.close_e8


def spell_value(value_e16: int, places: int = 8) -> str:
    """Return an amount of quote currency with so many decimals, rounded down."""
    whole, rest = divmod(value_e16, E16)
    return f"{whole}.{rest // 10 ** (16 - places):0{places}d}" if places else str(whole)


def spell_signed(numerator: int, denominator: int, places: int) -> str:
    """Return a fraction with so many decimals, rounded towards zero, with a minus where it is due."""
    scaled = abs(numerator) * 10**places // denominator
    whole, rest = divmod(scaled, 10**places)
    sign = "-" if numerator < 0 and scaled else ""
    return f"{sign}{whole}.{rest:0{places}d}"
