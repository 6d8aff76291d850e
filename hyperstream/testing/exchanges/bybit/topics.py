"""Bybit's topics: what each says, and when."""

from collections.abc import Iterable
from typing import Any

from attrs import define, field

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.board import Emission, MarketTopic, Steps
from hyperstream.testing.exchanges.bybit import payloads
from hyperstream.testing.exchanges.bybit.windows import Window

RESEND_MS = 3_000
MOST_TRADES = 1_024


@define(eq=False)
class BybitTopic(MarketTopic):
    """A topic of one market; ``title`` is its name on the wire."""

    title: str = field(kw_only=True)
    is_spot: bool = field(kw_only=True)

    def frame(
        self, kind: str, now_ms: int, data: object, *, is_time_first: bool = False, **more: int
    ) -> Emission:
        """Return a message."""
        is_time_first = is_time_first or self.is_spot
        return Emission.of(payloads.frame(self.title, kind, now_ms, data, more, is_time_first=is_time_first))


@define(eq=False)
class BookTopic(BybitTopic):
    """``orderbook.<N>.<s>``: a snapshot for each newcomer, deltas from there on.

    A newcomer's snapshot is what the others were told last, with its ``u``: the next delta fits both.
    """

    window: Window = field(kw_only=True)
    _restarted: bool = field(default=False, init=False)

    def first(self) -> Iterable[Emission]:
        """The snapshot."""
        return [self._snapshot()]

    def restart(self) -> None:
        """Send everybody a snapshot with ``u`` 1 at the next beat."""
        self._restarted = True

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """What changed, if anything did."""
        if self._restarted:
            self._restarted = False
            self.window.restart()
            return [self._snapshot()]
        changes = self.window.advance()
        if changes is None:
            return []
        bids, asks = (sorted(side.items()) for side in changes)
        data = payloads.book(self.window, reversed(bids), asks)
        return [self.frame("delta", now_ms, data, cts=self.window.time_ms)]

    def _snapshot(self) -> Emission:
        window = self.window
        data = payloads.book(window, window.bids.items(), window.asks.items())
        return self.frame("snapshot", self.flow.time_ms, data, cts=window.time_ms)


@define(eq=False)
class BestTopic(BybitTopic):
    """``orderbook.1.<s>``: whole every time; after 3 s without a change again, with the same ``u``."""

    window: Window = field(kw_only=True)
    _told_ms: int = field(default=0, init=False)

    def first(self) -> Iterable[Emission]:
        """The best prices."""
        return [self._whole(self.flow.time_ms)]

    def restart(self) -> None:
        """Begin again with ``u`` 1."""
        self.window.restart()
        self._told_ms = 0

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """The best prices, if they changed or are to be said again."""
        if self.window.advance() is None and now_ms - self._told_ms < RESEND_MS:
            return []
        return [self._whole(now_ms)]

    def _whole(self, now_ms: int) -> Emission:
        self._told_ms = now_ms
        window = self.window
        data = payloads.book(window, window.bids.items(), window.asks.items())
        return self.frame("snapshot", now_ms, data, is_time_first=True, cts=window.time_ms)


@define(eq=False)
class TradesTopic(BybitTopic):
    """``publicTrade.<s>``: called snapshot, yet only what is new; nothing for a newcomer."""

    _trades: list[Trade] = field(factory=list, init=False)
    _price_e8: int = field(default=0, init=False)
    _direction: str = field(default="ZeroPlusTick", init=False)

    def take(self, steps: Steps) -> None:
        """Collect the step's trades."""
        step = self.step_of(steps)
        if step is not None:
            self._trades.extend(step.trades)

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """The step's trades, at most 1,024 a message."""
        trades, self._trades = self._trades, []
        data = [self._spelled(item) for item in trades]
        return [
            self.frame("snapshot", now_ms, data[start : start + MOST_TRADES])
            for start in range(0, len(data), MOST_TRADES)
        ]

    def _spelled(self, item: Trade) -> dict[str, Any]:
        before = self._price_e8 or item.price_e8
        self._direction = payloads.tick_direction(before, item.price_e8, self._direction)
        self._price_e8 = item.price_e8
        return payloads.trade(self.flow, item, self._direction, self.flow.update_id, is_spot=self.is_spot)


@define(eq=False)
class TickerTopic(BybitTopic):
    """``tickers.<s>``: linear a snapshot and then the fields that changed; spot always whole."""

    _told: dict[str, Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._told = self._now()

    def _now(self) -> dict[str, Any]:
        return payloads.spot_ticker(self.flow) if self.is_spot else payloads.linear_ticker(self.flow)

    def first(self) -> Iterable[Emission]:
        """All fields, as the others know them."""
        return [self._frame("snapshot", self.flow.time_ms, self._told)]

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """The fields that changed, if any did."""
        now = self._now()
        changed = {name: value for name, value in now.items() if value != self._told[name]}
        self._told = now
        if not changed:
            return []
        if self.is_spot:
            return [self._frame("snapshot", now_ms, now)]
        return [self._frame("delta", now_ms, {"symbol": self.flow.symbol, **changed})]

    def _frame(self, kind: str, now_ms: int, data: dict[str, Any]) -> Emission:
        seq = self.flow.update_id
        if self.is_spot:
            text = {"topic": self.title, "ts": now_ms, "type": kind, "cs": seq, "data": data}
        else:
            text = {"topic": self.title, "type": kind, "data": data, "cs": seq, "ts": now_ms}
        return Emission.of(payloads.dumps(text))


@define(eq=False)
class KlineTopic(BybitTopic):
    """``kline.<i>.<s>``: the forming candle when it changed; at a rollover the closed one and the new one."""

    interval: str = field(kw_only=True)
    beat_ms: int = field(kw_only=True)
    _closed: list[Bar] = field(factory=list, init=False)
    _next_beat_ms: int = field(default=0, init=False)
    _told: tuple[int, int] = field(default=(0, 0), init=False)

    def first(self) -> Iterable[Emission]:
        """The forming candle."""
        return [self._frame([self._forming()], self.flow.time_ms)]

    def _forming(self) -> Bar:
        return self.flow.bars[payloads.INTERVALS[self.interval]].forming

    def take(self, steps: Steps) -> None:
        """Collect the bars that closed."""
        step, name = self.step_of(steps), payloads.INTERVALS[self.interval]
        self._closed += [
            bar for bar in (step.closed_bars if step is not None else ()) if bar.interval == name
        ]

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """What is new, at most two candles a message."""
        closed, self._closed = self._closed, []
        forming = self._forming()
        state = (forming.start_ms, forming.trades)
        found = [self._frame([bar], now_ms) for bar in closed[:-1]]
        if closed:
            found.append(self._frame([closed[-1], forming], now_ms))
        elif now_ms >= self._next_beat_ms and state != self._told:
            found.append(self._frame([forming], now_ms))
        if found:
            self._told, self._next_beat_ms = state, now_ms + self.beat_ms
        return found

    def _frame(self, bars: list[Bar], now_ms: int) -> Emission:
        data = [payloads.candle(self.flow, bar, self.interval, now_ms) for bar in bars]
        text = {"topic": self.title, "data": data, "ts": now_ms, "type": "snapshot"}
        return Emission.of(payloads.dumps(text))
