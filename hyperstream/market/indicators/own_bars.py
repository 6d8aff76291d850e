"""Indicators of our own that look at bars, in the shape of TA-Lib's handles.

* ``session_vwap``: sum(tp v) / sum(v) with tp = (high + low + close) / 3, begun anew with the first bar
  of each day (00:00 UTC). TA-Lib's VWAP is the same sum and never begins anew.
* ``trade_imbalance``: (buys - sells) / (buys + sells) of the takers' volume over the last
  ``timeperiod`` bars, in [-1, 1]. The sums are exact (fsum), so nothing drifts.

No volume: no value. A number that is not finite, such as the takers' volume of a venue that does not
say it, raises ValueError and changes nothing, as in TA-Lib.
"""

from __future__ import annotations

from array import array
from collections import deque
from itertools import islice
from math import fsum, isfinite, nan

from attrs import define, field, frozen

from hyperstream.market.indicators.kind import (
    IndicatorKind,
    Needs,
    NotEnough,
    Output,
    Parameter,
    Parameters,
    ParameterType,
    Running,
)

GROUP = "Own Volume Indicators"
SESSION_SECONDS = 86_400.0
MOST_BARS = 1_000


@define(eq=False)
class SessionVwap:
    """The volume-weighted average price of the day so far."""

    value: Output = field(default=nan, init=False)
    _session: float = field(default=nan, init=False)
    _amount: float = field(default=0.0, init=False)
    _volume: float = field(default=0.0, init=False)

    def update(self, *inputs: float) -> Output:
        """Take high, low, close, volume and start_seconds of a closed bar."""
        self._session, self._amount, self._volume = self._with(inputs)
        self.value = _ratio(self._amount, self._volume)
        return self.value

    def peek(self, *inputs: float) -> Output:
        """Return what ``update`` would."""
        _, amount, volume = self._with(inputs)
        return _ratio(amount, volume)

    def _with(self, inputs: tuple[float, ...]) -> tuple[float, float, float]:
        high, low, close, volume, start_seconds = _finite(inputs)
        session = start_seconds // SESSION_SECONDS
        amount = (high + low + close) / 3.0 * volume
        if session != self._session:
            return session, amount, volume
        return session, self._amount + amount, self._volume + volume


@define(eq=False)
class TradeImbalance:
    """Whether takers bought or sold, over the last bars."""

    bars: int
    value: Output = field(default=nan, init=False)
    _volumes: deque[float] = field(init=False)
    _buys: deque[float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._volumes = deque(maxlen=self.bars)
        self._buys = deque(maxlen=self.bars)

    def update(self, *inputs: float) -> Output:
        """Take volume and taker_buy_volume of a closed bar."""
        volume, buys = _finite(inputs)
        self._volumes.append(volume)
        self._buys.append(buys)
        self.value = _imbalance(fsum(self._volumes), fsum(self._buys))
        return self.value

    def peek(self, *inputs: float) -> Output:
        """Return what ``update`` would."""
        volume, buys = _finite(inputs)
        first = 1 if len(self._volumes) == self.bars else 0
        return _imbalance(
            fsum((*islice(self._volumes, first, None), volume)),
            fsum((*islice(self._buys, first, None), buys)),
        )


@frozen
class SessionVwapFormula:
    """Starts SessionVwap."""

    def warm_up(self, _parameters: Parameters) -> int:
        """One bar."""
        return 1

    def start(self, _parameters: Parameters, columns: tuple[array[float], ...]) -> Running:
        """Begin on a history."""
        return _fed(SessionVwap(), columns)


@frozen
class TradeImbalanceFormula:
    """Starts TradeImbalance."""

    def warm_up(self, parameters: Parameters) -> int:
        """As many bars as are looked at."""
        return int(parameters["timeperiod"])

    def start(self, parameters: Parameters, columns: tuple[array[float], ...]) -> Running:
        """Begin on a history."""
        if len(columns[0]) < self.warm_up(parameters):
            raise NotEnough
        return _fed(TradeImbalance(int(parameters["timeperiod"])), columns)


def _finite(inputs: tuple[float, ...]) -> tuple[float, ...]:
    if not all(map(isfinite, inputs)):
        raise ValueError("a number is not finite, or not known")
    return inputs


def _fed(running: Running, columns: tuple[array[float], ...]) -> Running:
    if not columns[0]:
        raise NotEnough
    for inputs in zip(*columns, strict=True):
        running.update(*inputs)
    return running


def _ratio(amount: float, volume: float) -> float:
    return amount / volume if volume else nan


def _imbalance(volume: float, buys: float) -> float:
    return (2.0 * buys - volume) / volume if volume else nan


BAR_KINDS = (
    IndicatorKind(
        name="session_vwap",
        title="Volume Weighted Average Price of the Day (UTC)",
        group=GROUP,
        needs=Needs.BARS,
        inputs=("high", "low", "close", "volume", "start_seconds"),
        parameters=(),
        outputs=("value",),
        is_on_price_scale=True,
        is_cumulative=False,
        formula=SessionVwapFormula(),
    ),
    IndicatorKind(
        name="trade_imbalance",
        title="Trade Imbalance",
        group=GROUP,
        needs=Needs.BARS,
        inputs=("volume", "taker_buy_volume"),
        parameters=(Parameter("timeperiod", ParameterType.INT, 20, 1, MOST_BARS),),
        outputs=("value",),
        is_on_price_scale=False,
        is_cumulative=False,
        formula=TradeImbalanceFormula(),
    ),
)
