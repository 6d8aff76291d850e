"""Bars (klines, candles) of a fake market, forming and closed, from its trades.

A bar of a market without trades is flat: open, high, low and close are the last close, the volume
is 0 and ``first_id`` is -1, as Binance describes. Weeks begin on Monday and months on the first, UTC.
"""

from collections import deque
from datetime import UTC, datetime

from attrs import define, evolve, field, frozen

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
MONDAY_MS = 4 * DAY_MS  # 1970-01-05
KEPT_BARS = 1_500

INTERVALS_MS: dict[str, int] = {
    "1s": SECOND_MS,
    **{f"{count}m": count * MINUTE_MS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * HOUR_MS for count in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 0,  # months differ
}


def bounds_ms(interval: str, time_ms: int) -> tuple[int, int]:
    """Return the start of the bar that holds a time, and of the next one."""
    if interval == "1M":
        day = datetime.fromtimestamp(time_ms / 1000, UTC)
        start = datetime(day.year, day.month, 1, tzinfo=UTC)
        end = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
        return round(start.timestamp() * 1000), round(end.timestamp() * 1000)
    width = INTERVALS_MS[interval]
    offset = MONDAY_MS if interval == "1w" else 0
    start_ms = (time_ms - offset) // width * width + offset
    return start_ms, start_ms + width


@frozen
class Trade:
    """A trade. ``is_buy`` is the taker's side; trades of one taker order share ``order``."""

    trade_id: int
    price_e8: int
    size_e8: int
    time_ms: int
    is_buy: bool
    order: int

    @property
    def value_e16(self) -> int:
        """Price times size, in 10^-16 of the quote currency."""
        return self.price_e8 * self.size_e8


@define
class Bar:
    """One bar; prices and volumes in 10^-8, values in 10^-16. ``end_ms`` is the start of the next."""

    interval: str
    start_ms: int
    end_ms: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int = 0
    value_e16: int = 0
    taker_buy_volume_e8: int = 0
    taker_buy_value_e16: int = 0
    trades: int = 0
    first_id: int = -1
    last_id: int = -1
    last_trade_ms: int = 0
    is_closed: bool = False

    def add(self, trade: Trade) -> None:
        """Take a trade in."""
        price, value = trade.price_e8, trade.value_e16
        if not self.trades:
            self.open_e8 = self.high_e8 = self.low_e8 = price
            self.first_id = trade.trade_id
        self.high_e8, self.low_e8, self.close_e8 = max(self.high_e8, price), min(self.low_e8, price), price
        self.volume_e8 += trade.size_e8
        self.value_e16 += value
        if trade.is_buy:
            self.taker_buy_volume_e8 += trade.size_e8
            self.taker_buy_value_e16 += value
        self.trades += 1
        self.last_id, self.last_trade_ms = trade.trade_id, trade.time_ms


@define(eq=False)
class BarSeries:
    """The bars of one interval: up to ``KEPT_BARS`` closed ones and the forming one."""

    interval: str
    forming: Bar
    closed: deque[Bar] = field(factory=lambda: deque(maxlen=KEPT_BARS))

    @classmethod
    def begin(cls, interval: str, time_ms: int, price_e8: int) -> "BarSeries":
        """Return a series whose first bar is flat at a price."""
        return cls(interval, _flat(interval, time_ms, price_e8))

    def advance(self, time_ms: int) -> list[Bar]:
        """Close what ends at or before a time; return the bars that closed, oldest first."""
        ended: list[Bar] = []
        while self.forming.end_ms <= time_ms:
            self.forming.is_closed = True
            ended.append(self.forming)
            self.forming = _flat(self.interval, self.forming.end_ms, self.forming.close_e8)
        self.closed.extend(ended)
        return ended

    def all(self) -> list[Bar]:
        """Return copies of all bars, the forming one last."""
        return [evolve(bar) for bar in (*self.closed, self.forming)]


def _flat(interval: str, time_ms: int, price_e8: int) -> Bar:
    start_ms, end_ms = bounds_ms(interval, time_ms)
    return Bar(interval, start_ms, end_ms, price_e8, price_e8, price_e8, price_e8)
