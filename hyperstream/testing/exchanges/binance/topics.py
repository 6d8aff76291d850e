"""Binance's streams of one market, spot and USD-M futures."""

from collections.abc import Callable, Iterable

from attrs import define, field

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.binance import payloads
from hyperstream.testing.exchanges.binance.payloads import Payload, compact
from hyperstream.testing.exchanges.board import Emission, MarketTopic, Steps

Spell = Callable[[int], Payload]


def emission(spell: Spell) -> Emission:
    """Return an emission of a payload."""
    return Emission(lambda units: compact(spell(units)))


@define(eq=False)
class BinanceTopic(MarketTopic):
    """A stream of one market of one product."""

    is_futures: bool = field(kw_only=True)


@define(eq=False)
class TradeTopic(BinanceTopic):
    """``<s>@trade``: every trade at once."""

    _trades: list[Trade] = field(factory=list, init=False)

    def take(self, steps: Steps) -> None:
        """Collect the step's trades."""
        step = self.step_of(steps)
        if step is not None:
            self._trades.extend(step.trades)

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """One message a trade."""
        trades, self._trades = self._trades, []
        return [self._spelled(item, now_ms) for item in trades]

    def _spelled(self, item: Trade, now_ms: int) -> Emission:
        if self.is_futures:
            return emission(lambda _: payloads.futures_trade(self.flow, item, now_ms))
        return emission(lambda units: payloads.trade(self.flow, item, now_ms, units))


@define(eq=False)
class AggregateTopic(BinanceTopic):
    """``<s>@aggTrade``: fills of one taker at one price; on futures, of 100 ms at one price and side."""

    numbers: dict[str, int] = field(kw_only=True)  # the last number of each market; outlives the topic
    _trades: list[Trade] = field(factory=list, init=False)

    def take(self, steps: Steps) -> None:
        """Collect the step's trades."""
        step = self.step_of(steps)
        if step is not None:
            self._trades.extend(step.trades)

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """One message a group."""
        groups: list[list[Trade]] = []
        for item in self._trades:
            if groups and self._group(groups[-1][0]) == self._group(item):
                groups[-1].append(item)
            else:
                groups.append([item])
        self._trades = []
        return [self._spelled(group, now_ms) for group in groups]

    def _group(self, item: Trade) -> tuple[int, object]:
        return item.price_e8, item.is_buy if self.is_futures else item.order

    def _spelled(self, group: list[Trade], now_ms: int) -> Emission:
        number = self.numbers[self.flow.symbol] = self.numbers.get(self.flow.symbol, 1_000) + 1
        flow, is_futures = self.flow, self.is_futures
        return emission(
            lambda units: payloads.aggregate(flow, number, group, now_ms, units, is_futures=is_futures)
        )


@define(eq=False)
class BookTickerTopic(BinanceTopic):
    """``<s>@bookTicker``: whenever a best price or its size changed."""

    _told: tuple[int, int, int, int] = field(default=(0, 0, 0, 0), init=False)

    def __attrs_post_init__(self) -> None:
        self._told = self.flow.book.touch()

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """At most one message a step."""
        touch = self.flow.book.touch()
        if touch == self._told:
            return []
        self._told = touch
        payload = payloads.book_ticker(self.flow, now_ms, is_futures=self.is_futures)
        return [emission(lambda _: payload)]


@define(eq=False)
class DepthTopic(BinanceTopic):
    """``<s>@depth``: absolute sizes of the levels that changed since the last message.

    Ids: on spot ``U`` is the previous ``u`` plus one. On futures ids are shared with other
    markets, so ``U`` is any later one, and ``pu`` is the ``u`` of this stream's previous message.
    """

    _bids: dict[int, int] = field(factory=dict, init=False)
    _asks: dict[int, int] = field(factory=dict, init=False)
    _first_id: int = field(default=0, init=False)
    _last_id: int = field(default=0, init=False)
    _previous_id: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._previous_id = self.flow.update_id

    def take(self, steps: Steps) -> None:
        """Keep the newest size of each level."""
        step = self.step_of(steps)
        if step is None or not step.changes:
            return
        self._first_id = self._first_id or step.first_id
        self._last_id = step.last_id
        for change in step.changes:
            (self._bids if change.is_bid else self._asks)[change.price_e8] = change.size_e8

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """One message, if anything changed."""
        if not self._first_id:
            return []
        first, last, previous = self._first_id, self._last_id, self._previous_id
        sides = {"b": payloads.levels(self.flow, self._bids), "a": payloads.levels(self.flow, self._asks)}
        self._bids, self._asks, self._first_id, self._previous_id = {}, {}, 0, last
        symbol, time_ms = self.flow.symbol, self.flow.time_ms
        head: Payload = {"e": "depthUpdate", "E": now_ms}
        if self.is_futures:
            ids = {"T": time_ms, "s": symbol, "ps": symbol, "U": first, "u": last, "pu": previous}
            return [emission(lambda _: {**head, **ids, **sides, **payloads.USD_M})]
        return [
            emission(lambda units: {**head, "E": now_ms * units, "s": symbol, "U": first, "u": last, **sides})
        ]


@define(eq=False)
class PartialDepthTopic(BinanceTopic):
    """``<s>@depth5``, 10, 20: the best levels, whole. The shapes of spot and futures differ."""

    depth: int = field(kw_only=True)
    _previous_id: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._previous_id = self.flow.update_id

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """One message a beat, changed or not."""
        flow = self.flow
        bids = payloads.levels(flow, flow.book.bids.top(self.depth))
        asks = payloads.levels(flow, flow.book.asks.top(self.depth))
        last, previous, self._previous_id = flow.update_id, self._previous_id, flow.update_id
        if not self.is_futures:
            return [emission(lambda _: {"lastUpdateId": last, "bids": bids, "asks": asks})]
        head = {"e": "depthUpdate", "E": now_ms, "T": flow.time_ms, "s": flow.symbol, "ps": flow.symbol}
        whole = {**head, "U": last, "u": last, "pu": previous, "b": bids, "a": asks, **payloads.USD_M}
        return [emission(lambda _: whole)]


@define(eq=False)
class KlineTopic(BinanceTopic):
    """``<s>@kline_<i>``: the forming bar at a cadence when it changed, a closed one at once."""

    interval: str = field(kw_only=True)
    beat_ms: int = field(kw_only=True)
    _closed: list[Bar] = field(factory=list, init=False)
    _next_beat_ms: int = field(default=0, init=False)
    _told: tuple[int, int] = field(default=(0, 0), init=False)

    def take(self, steps: Steps) -> None:
        """Collect the bars that closed."""
        step = self.step_of(steps)
        if step is not None:
            self._closed += [bar for bar in step.closed_bars if bar.interval == self.interval]

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """The closed bars, and the forming one when it is its turn."""
        bars, self._closed = self._closed, []
        found = [self._spelled(bar, now_ms) for bar in bars]
        forming = self.flow.bars[self.interval].forming
        state = (forming.start_ms, forming.trades)
        if now_ms >= self._next_beat_ms and forming.trades and state != self._told:
            self._told = state
            self._next_beat_ms = now_ms - now_ms % self.beat_ms + self.beat_ms
            found.append(self._spelled(forming, now_ms))
        return found

    def _spelled(self, bar: Bar, now_ms: int) -> Emission:
        flow, is_futures = self.flow, self.is_futures
        payload = {
            units: payloads.kline(flow, bar, now_ms, units, is_futures=is_futures) for units in (1, 1_000)
        }  # at once: a forming bar changes
        return emission(lambda units: payload[units])


@define(eq=False)
class PeriodicTopic(BinanceTopic):
    """What is told at every beat: tickers, mark price."""

    spell: Callable[[int, int], Payload] = field(kw_only=True)  # (event_ms, units)

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """One message."""
        payload = {units: self.spell(now_ms, units) for units in (1, 1_000)}
        return [emission(lambda units: payload[units])]
