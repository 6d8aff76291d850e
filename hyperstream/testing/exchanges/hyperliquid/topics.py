"""Hyperliquid's channels: what each says, and when."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from attrs import define, field

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.board import Emission, MarketTopic, Steps, Topic
from hyperstream.testing.exchanges.hyperliquid import payloads

RECENT_MS = 20_000


def emission(channel: str, data: object) -> Emission:
    """Return a frame of a channel."""
    return Emission.of(orjson.dumps({"channel": channel, "data": data}))


@define(eq=False)
class BookTopic(Topic):
    """``l2Book``: whole books at a beat that is the same for all coins, changed or not."""

    book: Callable[[], dict[str, Any]] = field(kw_only=True)

    def first(self) -> Iterable[Emission]:
        """The book at once."""
        return [emission("l2Book", self.book())]

    def emit(self, now_ms: int) -> Iterable[Emission]:  # noqa: ARG002 - frames carry the market's time
        """The book."""
        return [emission("l2Book", self.book())]


@define(eq=False)
class BboTopic(MarketTopic):
    """``bbo``: only when it changed."""

    _told: tuple[int, int, int, int] = field(default=(0, 0, 0, 0), init=False)

    def __attrs_post_init__(self) -> None:
        self._told = self.flow.book.touch()

    def emit(self, now_ms: int) -> Iterable[Emission]:  # noqa: ARG002 - frames carry the market's time
        """The best prices, if they are others or have other sizes."""
        touch = self.flow.book.touch()
        if touch == self._told:
            return []
        self._told = touch
        return [emission("bbo", payloads.bbo(self.flow))]


@define(eq=False)
class TradesTopic(MarketTopic):
    """``trades``: those of a step in one frame; a newcomer gets the last 20 s first."""

    _trades: list[Trade] = field(factory=list, init=False)

    def first(self) -> Iterable[Emission]:
        """The recent trades."""
        since = self.flow.time_ms - RECENT_MS
        recent = [item for item in self.flow.recent_trades if item.time_ms >= since]
        return self._frames(recent)

    def take(self, steps: Steps) -> None:
        """Collect the step's trades."""
        step = self.step_of(steps)
        if step is not None:
            self._trades.extend(step.trades)

    def emit(self, now_ms: int) -> Iterable[Emission]:  # noqa: ARG002 - frames carry the market's time
        """The step's trades, if any."""
        trades, self._trades = self._trades, []
        return self._frames(trades)

    def _frames(self, trades: list[Trade]) -> list[Emission]:
        return [emission("trades", [payloads.trade(self.flow, item) for item in trades])] if trades else []


@define(eq=False)
class CandleTopic(MarketTopic):
    """``candle``: the forming bar when it changed, and a last time when it is over. Nothing says "closed"."""

    interval: str = field(kw_only=True)
    beat_ms: int = field(kw_only=True)
    _closed: list[Bar] = field(factory=list, init=False)
    _next_beat_ms: int = field(default=0, init=False)
    _told: tuple[int, int] = field(default=(0, 0), init=False)

    def first(self) -> Iterable[Emission]:
        """The forming bar."""
        return [self._frame(self.flow.bars[self.interval].forming)]

    def take(self, steps: Steps) -> None:
        """Collect the bars that closed and of which not all was told."""
        step = self.step_of(steps)
        for bar in step.closed_bars if step is not None else ():
            if bar.interval == self.interval and (bar.start_ms, bar.trades) != self._told:
                self._closed.append(bar)

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """What is new."""
        found = [self._frame(bar) for bar in self._closed]
        self._closed = []
        forming = self.flow.bars[self.interval].forming
        state = (forming.start_ms, forming.trades)
        if now_ms >= self._next_beat_ms and forming.trades and state != self._told:
            self._told, self._next_beat_ms = state, now_ms + self.beat_ms
            found.append(self._frame(forming))
        return found

    def _frame(self, bar: Bar) -> Emission:
        return emission("candle", payloads.candle(self.flow, bar))


@define(eq=False)
class PeriodicTopic(Topic):
    """``allMids`` and asset contexts: at once, and at every beat."""

    channel: str = field(kw_only=True)
    data: Callable[[], object] = field(kw_only=True)

    def first(self) -> Iterable[Emission]:
        """The present values."""
        return [emission(self.channel, self.data())]

    def emit(self, now_ms: int) -> Iterable[Emission]:  # noqa: ARG002 - frames carry the market's time
        """The present values."""
        return [emission(self.channel, self.data())]
