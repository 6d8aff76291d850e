"""Builds the bars of one market and interval: from trades, or from the venue's own bars.

The rules, which are those of the venues' own bars:

* A trade belongs to the bar that its venue's time falls into. Within a bar the order of arrival
  does not matter: open and close are the earliest and the latest trade by time.
* A bar closes when something of a later bar arrives, or when ``advance`` is told a time past its
  end plus a grace. What arrives for a closed bar afterwards is not applied, but counted.
* Without trades there is a flat bar: the close before, four times, with no volume (as Binance's).
  At most FLAT_BARS are made up at once; older ones are left out and counted.
* The venue's own bar replaces ours, and from then on trades are not looked at, until
  ``leave_venue``.

Time is handed in. ``now_ns`` is best the venue's time: a local clock that runs ahead by more
than the grace closes bars too soon, which shows in ``late_trades``.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field, frozen

from hyperstream.market.bars import Bar
from hyperstream.market.history import PriceHistory
from hyperstream.market.intervals import SECOND_NS, Interval
from hyperstream.market.venue_decimals import format_e12, parse_e12

FLAT_BARS = 1_000
EARLY_NS = 60 * SECOND_NS


@frozen
class BarStatistics:
    """What did not become part of a bar, counted.

    ``late_trades`` and ``late_bars`` came after their bar had closed (a late bar only counts if it
    says something else); ``early_trades`` are more than a minute ahead of the time handed in;
    ``covered_trades`` came while the venue's own bars are followed; ``skipped_bars`` would have
    been flat.
    """

    late_trades: int
    late_bars: int
    early_trades: int
    covered_trades: int
    skipped_bars: int


@define(eq=False)
class BarBuilder:
    """The forming bar, and the closing of bars. All methods return the bars that closed, oldest first.

    ``grace_ns`` is how long after its end a bar waits for trades on their way, ``venue_grace_ns``
    the same for the venue's last word on its own bar.
    """

    interval: Interval
    grace_ns: int = SECOND_NS
    venue_grace_ns: int = 5 * SECOND_NS
    follows_venue: bool = field(default=False, init=False)

    # The forming bar. Its first trade sets everything; until then it is flat.
    _start_ns: int = field(default=-1, init=False)
    _end_ns: int = field(default=-1, init=False)
    _first_ns: int = field(default=0, init=False)
    _last_ns: int = field(default=0, init=False)
    _open: str = field(default="", init=False)
    _high: str = field(default="", init=False)
    _low: str = field(default="", init=False)
    _close: str = field(default="", init=False)
    _high_e12: int = field(default=0, init=False)
    _low_e12: int = field(default=0, init=False)
    _volume_e12: int = field(default=0, init=False)
    _turnover_e24: int = field(default=0, init=False)
    _taker_buy_volume_e12: int = field(default=0, init=False)
    _trade_count: int = field(default=0, init=False)
    _is_partial: bool = field(default=True, init=False)

    _venue_bar: Bar | None = field(default=None, init=False)
    _last_closed: Bar | None = field(default=None, init=False)
    _is_in_gap: bool = field(default=False, init=False)
    _has_changed: bool = field(default=False, init=False)
    _now_ns: int = field(default=0, init=False)
    _late_trades: int = field(default=0, init=False)
    _late_bars: int = field(default=0, init=False)
    _early_trades: int = field(default=0, init=False)
    _covered_trades: int = field(default=0, init=False)
    _skipped_bars: int = field(default=0, init=False)

    def add(
        self, time_ns: int, price: str, price_e12: int, size_e12: int, is_taker_buy: bool
    ) -> Sequence[Bar]:
        """Count a trade in. ``price`` is the spelling of ``price_e12``; ``time_ns`` is the venue's time."""
        if self.follows_venue:
            self._covered_trades += 1
            return ()
        closed: Sequence[Bar] = ()
        if not self._start_ns <= time_ns < self._end_ns:
            if time_ns < self._start_ns:
                self._late_trades += 1
                return ()
            if self._now_ns and time_ns > self._now_ns + EARLY_NS:
                self._early_trades += 1
                return ()
            closed = self._move_to(self.interval.start_of(time_ns))
        if not self._trade_count:
            self._open = self._high = self._low = self._close = price
            self._high_e12 = self._low_e12 = price_e12
            self._first_ns = self._last_ns = time_ns
        else:
            if price_e12 > self._high_e12:
                self._high, self._high_e12 = price, price_e12
            elif price_e12 < self._low_e12:
                self._low, self._low_e12 = price, price_e12
            if time_ns >= self._last_ns:
                self._close, self._last_ns = price, time_ns
            elif time_ns < self._first_ns:
                self._open, self._first_ns = price, time_ns
        if self._is_in_gap:
            self._is_in_gap, self._is_partial = False, True
        self._trade_count += 1
        self._volume_e12 += size_e12
        self._turnover_e24 += price_e12 * size_e12
        if is_taker_buy:
            self._taker_buy_volume_e12 += size_e12
        self._has_changed = True
        return closed

    def put(self, bar: Bar) -> Sequence[Bar]:
        """Take the venue's own bar in place of ours, forming or closed; from now on trades are not looked at.

        A repetition of the last closed bar is nothing; anything else about a closed bar is too
        late. Raises ValueError for a bar of another interval.
        """
        if bar.start_ns != self.interval.start_of(bar.start_ns) or (
            bar.end_ns - bar.start_ns != self.interval.duration_ns
        ):
            raise ValueError(f"not a bar of {self.interval}: {bar.start_ns} to {bar.end_ns}")
        if bar.start_ns < self._start_ns:
            if bar != self._last_closed:
                self._late_bars += 1
            return ()
        closed = self._move_to(bar.start_ns)
        self.follows_venue = True
        self._is_in_gap = False
        self._venue_bar = bar
        self._has_changed = True
        if not bar.is_closed:
            return closed
        return [*closed, self._close_forming()]

    def leave_venue(self) -> None:
        """Build from trades again, because the venue's bars have stopped. The forming bar is partial."""
        if self._venue_bar is not None:
            self._take_over(self._venue_bar)
        self.follows_venue, self._venue_bar = False, None
        self._is_partial = True

    def mark_gap(self) -> None:
        """Say that trades may be missing from here until the next one: the bars in between are partial."""
        self._is_in_gap = self._is_partial = True

    def advance(self, now_ns: int) -> Sequence[Bar]:
        """Close what has ended by this time, grace included; make flat bars up to it."""
        if now_ns > self._now_ns:
            self._now_ns = now_ns
        due_ns = now_ns - (self.venue_grace_ns if self.follows_venue else self.grace_ns)
        if self._start_ns < 0 or due_ns < self._end_ns:
            return ()
        return self._move_to(self.interval.start_of(due_ns))

    def replay(self, history: PriceHistory) -> list[Bar]:
        """Build from remembered ticks before anything else is added.

        Ticks that are no trades are left out; where ticks are missing, bars are partial. The first bar is
        whole if the history reaches back to before its start. Prices are spelled in their shortest form.
        """
        closed: list[Bar] = []
        spelled: dict[int, str] = {}
        oldest_ns = history.oldest_time_ns
        for tick in history.ticks():
            if tick.is_after_gap:
                self.mark_gap()
            if tick.size_e12:
                price_e12 = tick.price_e12
                price = spelled.get(price_e12) or spelled.setdefault(price_e12, format_e12(price_e12))
                is_first = self._start_ns < 0
                closed += self.add(tick.time_ns, price, price_e12, abs(tick.size_e12), tick.size_e12 > 0)
                if is_first and oldest_ns is not None:
                    self._is_partial = oldest_ns >= self._start_ns
        if history.ends_in_gap:
            self.mark_gap()
        return closed

    @property
    def forming(self) -> Bar | None:
        """The bar as it stands, None before anything was heard."""
        if self._start_ns < 0:
            return None
        if self._venue_bar is not None:
            return self._venue_bar
        return self._bar(is_closed=False)

    def take_forming(self) -> Bar | None:
        """Return the forming bar if it has changed since the last call, otherwise None."""
        if not self._has_changed:
            return None
        self._has_changed = False
        return self.forming

    def statistics(self) -> BarStatistics:
        """What did not become part of a bar."""
        return BarStatistics(
            self._late_trades, self._late_bars, self._early_trades, self._covered_trades, self._skipped_bars
        )

    def _move_to(self, start_ns: int) -> list[Bar]:
        """Close the forming bar and make flat ones, until the bar that starts here is the forming one."""
        closed: list[Bar] = []
        if self._start_ns < 0:
            self._start_ns, self._end_ns = start_ns, start_ns + self.interval.duration_ns
            return closed
        if start_ns > self._start_ns:
            closed.append(self._close_forming())
            missing = (start_ns - self._start_ns) // self.interval.duration_ns
            if missing > FLAT_BARS:
                self._skipped_bars += missing - FLAT_BARS
                self._start_ns = start_ns - FLAT_BARS * self.interval.duration_ns
                self._end_ns = self._start_ns + self.interval.duration_ns
            while self._start_ns < start_ns:
                closed.append(self._close_forming())
        return closed

    def _close_forming(self) -> Bar:
        """Return the forming bar closed; the next one begins, flat."""
        if self._venue_bar is not None:
            bar = _closed(self._venue_bar, is_partial=self._is_in_gap)
            self._take_over(bar)
            self._venue_bar = None
        else:
            bar = self._bar(is_closed=True)
        self._start_ns, self._end_ns = self._end_ns, self._end_ns + self.interval.duration_ns
        self._open = self._high = self._low = self._close
        self._high_e12 = self._low_e12 = parse_e12(self._close)
        self._volume_e12 = self._turnover_e24 = self._taker_buy_volume_e12 = self._trade_count = 0
        self._is_partial = self._is_in_gap
        self._has_changed = True
        self._last_closed = bar
        return bar

    def _take_over(self, bar: Bar) -> None:
        """Make the venue's bar the state that trades go on from."""
        self._open, self._high, self._low, self._close = bar.open, bar.high, bar.low, bar.close
        self._high_e12, self._low_e12 = parse_e12(bar.high), parse_e12(bar.low)
        self._first_ns, self._last_ns = bar.start_ns, bar.start_ns
        self._volume_e12 = bar.volume_e12
        self._turnover_e24 = bar.turnover_e24 or 0
        self._taker_buy_volume_e12 = bar.taker_buy_volume_e12 or 0
        self._trade_count = max(bar.trade_count or 0, 1 if bar.volume_e12 else 0)

    def _bar(self, *, is_closed: bool) -> Bar:
        # A bar built while the venue's are followed is one that the venue sent nothing for: it is
        # flat, because a venue that has trades sends bars.
        return Bar(
            self._start_ns,
            self._end_ns,
            self._open,
            self._high,
            self._low,
            self._close,
            self._volume_e12,
            self._turnover_e24,
            self._taker_buy_volume_e12,
            self._trade_count,
            is_closed=is_closed,
            is_partial=self._is_partial,
        )


def _closed(bar: Bar, *, is_partial: bool) -> Bar:
    if bar.is_closed and not is_partial:
        return bar
    return Bar(
        bar.start_ns,
        bar.end_ns,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume_e12,
        bar.turnover_e24,
        bar.taker_buy_volume_e12,
        bar.trade_count,
        is_closed=True,
        is_partial=bar.is_partial or is_partial,
        is_venue=True,
    )
