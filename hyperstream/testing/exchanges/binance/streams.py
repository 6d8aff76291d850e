"""Binance's stream names: which topic a name means, on which product, under which path."""

import re
from collections.abc import Callable, Iterable
from functools import partial

from attrs import Factory, define, field

from hyperstream.testing.exchanges.bars import INTERVALS_MS
from hyperstream.testing.exchanges.binance import payloads
from hyperstream.testing.exchanges.binance.limits import BinanceLimits, Budget
from hyperstream.testing.exchanges.binance.topics import (
    AggregateTopic,
    BookTickerTopic,
    DepthTopic,
    KlineTopic,
    PartialDepthTopic,
    PeriodicTopic,
    TradeTopic,
)
from hyperstream.testing.exchanges.board import Emission, Steps, Topic
from hyperstream.testing.exchanges.flow import MarketFlow

SPOT, PUBLIC, MARKET = "spot", "public", "market"
_MARKET_STREAM = re.compile(r"([a-z0-9]+)@(.+)", re.ASCII)
_SPOT_DEPTH_MS = {"": 1_000, "@1000ms": 1_000, "@100ms": 100}
_FUTURES_DEPTH_MS = {"": 250, "@500ms": 500, "@250ms": 250, "@100ms": 100}
_DEPTH = re.compile(r"depth(5|10|20)?(@\d+ms)?", re.ASCII)
_PUBLIC_STREAMS = re.compile(r"(bookTicker|trade|depth.*)", re.ASCII)


@define(eq=False)
class Product:
    """Spot or USD-M futures: its markets, its limits, what its addresses have spent."""

    name: str
    is_futures: bool
    limits: BinanceLimits
    flows: dict[str, MarketFlow] = Factory(dict)
    aggregate_numbers: dict[str, int] = Factory(dict)
    budget: Budget = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.budget = Budget(self.limits)

    def topic(self, name: str, category: str) -> Topic | None:
        """Return a new topic for a stream's name; None if it means nothing under this path."""
        if name.startswith("!"):
            return self._all_markets(name, category)
        match = _MARKET_STREAM.fullmatch(name)
        flow = self.flows.get(match[1].upper()) if match else None
        if match is None or flow is None or not self._belongs(match[2], category):
            return None
        return self._market_topic(name, match[2], flow)

    def _belongs(self, kind: str, category: str) -> bool:
        if not self.is_futures:
            return category == SPOT
        return category == (PUBLIC if _PUBLIC_STREAMS.fullmatch(kind) else MARKET)

    def _market_topic(self, name: str, kind: str, flow: MarketFlow) -> Topic | None:
        is_futures = self.is_futures
        depth = _DEPTH.fullmatch(kind)
        if depth is not None:
            period = (_FUTURES_DEPTH_MS if is_futures else _SPOT_DEPTH_MS).get(depth[2] or "")
            if period is None:
                return None
            if depth[1]:
                return PartialDepthTopic(name, period, flow=flow, is_futures=is_futures, depth=int(depth[1]))
            return DepthTopic(name, period, flow=flow, is_futures=is_futures, is_sequenced=True)
        if kind.startswith("kline_"):
            return self._kline(name, kind.removeprefix("kline_"), flow)
        match kind:
            case "trade":
                return TradeTopic(name, 0, flow=flow, is_futures=is_futures)
            case "aggTrade":
                period = 100 if is_futures else 0
                numbers = self.aggregate_numbers
                return AggregateTopic(name, period, flow=flow, is_futures=is_futures, numbers=numbers)
            case "bookTicker":
                return BookTickerTopic(name, 0, flow=flow, is_futures=is_futures)
            case "miniTicker":
                spell = partial(payloads.mini_ticker, flow, is_futures=is_futures)
                return self._periodic(name, 2_000 if is_futures else 1_000, flow, spell)
            case "ticker":
                spell = partial(payloads.ticker, flow, is_futures=is_futures)
                return self._periodic(name, 2_000 if is_futures else 1_000, flow, spell)
            case "markPrice" | "markPrice@1s" if is_futures:
                period = 1_000 if kind.endswith("@1s") else 3_000
                return self._periodic(name, period, flow, lambda now, _: payloads.mark_price(flow, now))
        return None

    def _kline(self, name: str, interval: str, flow: MarketFlow) -> Topic | None:
        if interval not in INTERVALS_MS or (self.is_futures and interval == "1s"):
            return None
        beat_ms = 250 if self.is_futures else 1_000 if interval == "1s" else 2_000
        return KlineTopic(name, 0, flow=flow, is_futures=self.is_futures, interval=interval, beat_ms=beat_ms)

    def _periodic(
        self, name: str, period_ms: int, flow: MarketFlow, spell: Callable[[int, int], payloads.Payload]
    ) -> Topic:
        return PeriodicTopic(name, period_ms, flow=flow, is_futures=self.is_futures, spell=spell)

    def _all_markets(self, name: str, category: str) -> Topic | None:
        flows, is_futures = self.flows, self.is_futures
        if category == (MARKET if is_futures else SPOT):
            if name == "!miniTicker@arr":
                return AllMarketsTopic(
                    name, 1_000, flows, partial(payloads.mini_ticker, is_futures=is_futures)
                )
            if name == "!ticker@arr" and is_futures:
                return AllMarketsTopic(name, 1_000, flows, partial(payloads.ticker, is_futures=True))
            if name in ("!markPrice@arr", "!markPrice@arr@1s") and is_futures:
                period = 1_000 if name.endswith("@1s") else 3_000
                return AllMarketsTopic(
                    name,
                    period,
                    flows,
                    lambda flow, now, _: payloads.mark_price(flow, now),
                    is_always_all=True,
                )
        return None


@define(eq=False)
class AllMarketsTopic(Topic):
    """An array of all markets, or of those that traded since the last one."""

    flows: dict[str, MarketFlow]
    spell: Callable[[MarketFlow, int, int], payloads.Payload]
    is_always_all: bool = field(default=False, kw_only=True)
    _changed: dict[MarketFlow, None] = field(factory=dict, init=False)

    def take(self, steps: Steps) -> None:
        """Note which markets traded."""
        for flow in self.flows.values():
            step = steps.get(flow)
            if step is not None and step.trades:
                self._changed[flow] = None

    def emit(self, now_ms: int) -> Iterable[Emission]:
        """One array, if there is anything to tell."""
        flows = list(self.flows.values() if self.is_always_all else self._changed)
        self._changed = {}
        if not flows:
            return []
        spelled = {
            units: payloads.compact(self.spell(flow, now_ms, units) for flow in flows) for units in (1, 1_000)
        }
        return [Emission(lambda units: spelled[units])]
