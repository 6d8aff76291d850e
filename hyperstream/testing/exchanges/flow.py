"""A seeded market: a wandering fair price, a book quoted round it, takers that hit it.

``MarketFlow.step`` is everything that happens in some milliseconds; it returns what changed, in
the order in which it changed. The same seed and the same steps give the same market, whatever
the venue's clients do and whatever trouble they are given.
"""

from collections import deque
from random import Random

from attrs import define, field, frozen, validators

from hyperstream.testing.exchanges.bars import INTERVALS_MS, Bar, BarSeries, Trade
from hyperstream.testing.exchanges.book import Levels, VenueBook
from hyperstream.testing.exchanges.instruments import Instrument

MOST_CHANGES = 2_000  # of one step, however long
LEAST_LEVELS = 5  # a side never runs empty
REMEMBER_MS = 1_000


@frozen(kw_only=True)
class Activity:
    """How lively every market is. ``levels`` a side; a jump moves the fair price by up to ``jump_ticks``."""

    changes_per_second: float = field(default=25.0, validator=validators.ge(0))
    trades_per_second: float = field(default=2.5, validator=validators.ge(0))
    jumps_per_minute: float = field(default=3.0, validator=validators.ge(0))
    jump_ticks: int = field(default=60, validator=validators.gt(0))
    levels: int = field(default=250, validator=validators.ge(2 * LEAST_LEVELS))


@frozen
class LevelChange:
    """A level's new size; 0: it is gone."""

    is_bid: bool
    price_e8: int
    size_e8: int


@frozen
class MarketStep:
    """What one step did to one market: ids ``first_id`` to ``last_id`` belong to ``changes``, one each."""

    symbol: str
    time_ms: int
    changes: tuple[LevelChange, ...]
    trades: tuple[Trade, ...]
    first_id: int
    last_id: int
    closed_bars: tuple[Bar, ...]


@frozen
class BookCopy:
    """A book as it stood."""

    time_ms: int
    update_id: int
    bids: Levels
    asks: Levels


@define(eq=False)
class UpdateIds:
    """Gives out update ids. Flows that share one have holes in their own ids, as USD-M futures have."""

    last: int

    def take(self, count: int) -> tuple[int, int]:
        """Return the first and the last of ``count`` new ids."""
        first = self.last + 1
        self.last += count
        return first, self.last


@define(eq=False)
class MarketFlow:
    """One market. ``anchor`` is the market whose middle the fair price is drawn to, if any."""

    instrument: Instrument
    rng: Random
    activity: Activity
    time_ms: int
    ids: UpdateIds
    anchor: "MarketFlow | None" = None
    book: VenueBook = field(factory=VenueBook, init=False)
    update_id: int = field(default=0, init=False)
    trade_id: int = field(default=0, init=False)
    bars: dict[str, BarSeries] = field(factory=dict, init=False)
    fair_e8: int = field(default=0, init=False)
    recent_trades: deque[Trade] = field(factory=lambda: deque(maxlen=1_000), init=False)
    past: deque[BookCopy] = field(factory=lambda: deque(maxlen=4), init=False)
    _changes: list[LevelChange] = field(factory=list, init=False)
    _trades: list[Trade] = field(factory=list, init=False)
    _orders: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.fair_e8 = self.instrument.start_price_e8
        self.trade_id = self.rng.randrange(10_000, 10_000_000)
        for is_bid in (True, False):
            while len(self.book.side(is_bid)) < self.activity.levels:
                self._add(is_bid)
        self.bars = {
            interval: BarSeries.begin(interval, self.time_ms, self.fair_e8) for interval in INTERVALS_MS
        }
        self._take(self.rng.random() < 0.5)
        self._close_step()
        self.past.append(self.copy())

    @property
    def symbol(self) -> str:
        """The venue's name of the market."""
        return self.instrument.symbol

    @property
    def last_trade(self) -> Trade:
        """The newest trade; there is always one."""
        return self.recent_trades[-1]

    def copy(self) -> BookCopy:
        """Return the whole book with the id of its last change."""
        return BookCopy(self.time_ms, self.update_id, self.book.bids.top(), self.book.asks.top())

    def step(self, time_ms: int, *, is_quiet: bool = False) -> MarketStep:
        """Advance to a time; with ``is_quiet`` nothing happens but that bars close."""
        elapsed = (time_ms - self.time_ms) / 1000
        self.time_ms = time_ms
        closed = [bar for series in self.bars.values() for bar in series.advance(time_ms)]
        if not is_quiet:
            self._wander(elapsed)
            for _ in range(self._about(self.activity.changes_per_second * elapsed)):
                self._change()
            for _ in range(self._about(self.activity.trades_per_second * elapsed)):
                self._take(self._is_buyer_next())
        step = self._close_step(tuple(closed))
        if time_ms - self.past[-1].time_ms >= REMEMBER_MS:
            self.past.append(self.copy())
        return step

    def _close_step(self, closed: tuple[Bar, ...] = ()) -> MarketStep:
        changes, trades = tuple(self._changes), tuple(self._trades)
        self._changes.clear()
        self._trades.clear()
        first, last = self.update_id + 1, self.update_id
        if changes:
            first, last = self.ids.take(len(changes))
            self.update_id = last
        return MarketStep(self.symbol, self.time_ms, changes, trades, first, last, closed)

    # -- prices ---------------------------------------------------------------------------

    def _wander(self, elapsed: float) -> None:
        instrument, activity, rng = self.instrument, self.activity, self.rng
        tick = instrument.tick_e8
        ticks = rng.gauss(0, 1) * (activity.changes_per_second * elapsed) ** 0.5 / 2
        is_jump = rng.random() < activity.jumps_per_minute * elapsed / 60
        if is_jump:
            ticks += rng.choice((-1, 1)) * rng.uniform(activity.jump_ticks / 4, activity.jump_ticks)
        fair = self.fair_e8 + round(ticks) * tick
        if self.anchor is not None:
            fair += (self.anchor.fair_e8 - fair) // 8
        fair = min(max(fair, instrument.lowest_e8 + 100 * tick), instrument.highest_e8 - 100 * tick)
        self.fair_e8 = fair // tick * tick
        self._follow()

    def _follow(self) -> None:
        """Takers and cancels clear what stands on the wrong side of the fair price; makers quote behind."""
        for is_bid in (True, False):
            side = self.book.side(is_bid)
            passed = 0
            while self._is_passed(side.best, is_bid) and len(side) > LEAST_LEVELS:
                if passed % 3 == 0:
                    self._take(not is_bid, levels=1)
                if self._is_passed(side.best, is_bid):
                    self._set(is_bid, side.best, 0)
                passed += 1
            for _ in range(min(passed, self.activity.levels)):
                self._add(is_bid)
                self._add(not is_bid)

    def _is_passed(self, price_e8: int, is_bid: bool) -> bool:
        return price_e8 > self.fair_e8 if is_bid else price_e8 <= self.fair_e8

    def _is_buyer_next(self) -> bool:
        pull = (self.fair_e8 - self.book.mid_e8) / (10 * self.instrument.tick_e8)
        return self.rng.random() < min(0.9, max(0.1, 0.5 + pull))

    # -- the book -------------------------------------------------------------------------

    def _about(self, mean: float) -> int:
        return min(MOST_CHANGES, int(mean + self.rng.random()))

    def _set(self, is_bid: bool, price_e8: int, size_e8: int) -> None:
        self.book.side(is_bid).set(price_e8, size_e8)
        self._changes.append(LevelChange(is_bid, price_e8, size_e8))

    def _size(self) -> int:
        instrument = self.instrument
        lots = (
            self.rng.lognormvariate(7.0, 1.5) * 10**8 / instrument.start_price_e8 * 10**8 / instrument.lot_e8
        )
        return max(1, round(lots)) * instrument.lot_e8

    def _change(self) -> None:
        rng, is_bid = self.rng, self.rng.random() < 0.5
        side, levels = self.book.side(is_bid), self.activity.levels
        rank = min(len(side) - 1, int(rng.expovariate(0.1)))
        draw = rng.random()
        if draw < 0.55:
            self._set(is_bid, side.at(rank), self._size())
        elif draw < 0.775 or len(side) < levels * 0.9:
            self._add(is_bid)
        elif len(side) > LEAST_LEVELS:
            self._set(is_bid, side.worst if len(side) > levels * 1.1 else side.at(rank), 0)

    def _add(self, is_bid: bool) -> None:
        """Quote a new level, or join one, on the right side of both the fair price and the other side."""
        tick = self.instrument.tick_e8
        away = int(self.rng.expovariate(2 / self.activity.levels)) * tick
        if is_bid:
            price = self.fair_e8 - away
            if self.book.asks.prices:
                price = min(price, self.book.asks.best - tick)
        else:
            price = self.fair_e8 + tick + away
            if self.book.bids.prices:
                price = max(price, self.book.bids.best + tick)
        if price > 0:
            self._set(is_bid, price, self._size())

    def _take(self, is_buy: bool, levels: int = 4) -> None:
        """One taker order: it trades through up to so many levels."""
        rng, lot = self.rng, self.instrument.lot_e8
        side = self.book.side(not is_buy)
        self._orders += 1
        wanted = self._size()
        for _ in range(levels):
            price, resting = side.best, side.sizes[side.best]
            if len(side) <= LEAST_LEVELS:
                return
            filled = min(wanted, resting)
            self._fill(price, filled, is_buy, parts=min(filled // lot, rng.choice((1, 1, 1, 2, 3))))
            self._set(not is_buy, price, resting - filled)
            wanted -= filled
            if not wanted:
                return

    def _fill(self, price_e8: int, size_e8: int, is_buy: bool, parts: int) -> None:
        lot = self.instrument.lot_e8
        left = size_e8
        for part in range(parts, 0, -1):
            size = left if part == 1 else max(lot, left // lot // part * lot)
            left -= size
            self.trade_id += 1
            trade = Trade(self.trade_id, price_e8, size, self.time_ms, is_buy, self._orders)
            self._trades.append(trade)
            self.recent_trades.append(trade)
            for series in self.bars.values():
                series.forming.add(trade)
