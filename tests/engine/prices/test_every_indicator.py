"""Every indicator through the prices engine: what followers are told is TA-Lib's, to the last bit.

A market of trades with silences, jumps and stretches that stand still. Each indicator has a follower who
comes at some time and is warmed from history, on ticks and on bars of a second. What is told of ticks, of
closed bars and of the forming one is compared with TA-Lib's array functions over the whole series, and over
bars that are put together here from the trades.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import talib
from attrs import define, field
from numpy.typing import NDArray

from hyperstream.market.indicators import IndicatorSpec, Needs, Value, kind_named
from hyperstream.market.indicators.ta_lib import function_names, moving_averages
from hyperstream.market.price_updates import indicator_name

from .price_world import SECOND_NS, SYMBOL, VENUE, Follower, PriceWorld, bars, read

TRADES = 240
TRADES_BEFORE_NEWCOMERS = 10
CROWDS = 15
E8 = 100_000_000
SPECS = [
    spec
    for name in function_names()
    for spec in (
        *([IndicatorSpec.of(name)] if kind_named(name).needs is Needs.SERIES else []),
        IndicatorSpec.of(name, {}, "1s"),
    )
]
Columns = dict[str, NDArray[np.float64]]


@define
class NaiveBar:
    """A second's trades."""

    second: int
    open: float
    high: float
    low: float
    close: float
    volume_e8: int = 0


def naive_bars(trades: Iterable[tuple[int, float, float]]) -> list[NaiveBar]:
    """Bars of a second; those without trades stand where the one before closed."""
    made: list[NaiveBar] = []
    for time_ns, price, size in trades:
        second = time_ns // SECOND_NS
        while made and made[-1].second < second - 1:
            close = made[-1].close
            made.append(NaiveBar(made[-1].second + 1, close, close, close, close))
        if not made or made[-1].second < second:
            made.append(NaiveBar(second, price, price, price, price))
        bar = made[-1]
        bar.high, bar.low, bar.close = max(bar.high, price), min(bar.low, price), price
        bar.volume_e8 += round(size * E8)
    return made


def columns(made: list[NaiveBar]) -> Columns:
    found = {
        name: np.array([getattr(bar, name) for bar in made]) for name in ("open", "high", "low", "close")
    }
    return {**found, "volume": np.array([bar.volume_e8 / E8 for bar in made])}


def array_function(spec: IndicatorSpec, given: Columns) -> tuple[NDArray[Any], ...]:
    """What TA-Lib says about the whole series."""
    inputs = [given["close" if name == "price" else name] for name in spec.kind.inputs]
    averages = moving_averages()
    arguments = {
        name: averages.index(value) if isinstance(value, str) else value
        for name, value in spec.values.items()
    }
    outputs = getattr(cast(Any, talib), spec.name.upper())(*inputs, **arguments)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def expected(spec: IndicatorSpec, outputs: tuple[NDArray[Any], ...], index: int) -> Value | None:
    """The value after so many inputs and one, None while warming and where it is undefined."""
    if index + 1 < spec.kind.warm_up(spec.values):
        return None
    values = tuple(output[index].item() for output in outputs)
    return values if all(map(math.isfinite, values)) else None


@define(eq=False)
class Play:
    """A market played from a seed: the trades, and what each follower was told after how many of them."""

    seed: int
    has_bars_from_the_start: bool
    trades: list[tuple[int, float, float]] = field(factory=list)
    told: dict[IndicatorSpec, list[tuple[int, Any]]] = field(factory=dict)
    bytes_told: list[bytes] = field(factory=list)
    _followers: dict[IndicatorSpec, Follower] = field(factory=dict)

    def run(self) -> Play:
        rng = random.Random(self.seed)
        world = PriceWorld(standing=[(VENUE, SYMBOL)])
        if self.has_bars_from_the_start:
            world.follow(bars("1s"))
        times = [rng.randrange(TRADES_BEFORE_NEWCOMERS, TRADES) for _ in range(CROWDS)]
        joins: dict[int, list[IndicatorSpec]] = {}
        for spec in SPECS:
            joins.setdefault(rng.choice(times), []).append(spec)
        price = rng.choice([0.5, 84_143.0])
        for number in range(TRADES):
            for spec in joins.get(number, ()):
                follower = world.follow(indicator_name(VENUE, SYMBOL, spec, spec.kind.outputs))
                follower.be_prompt()
                self._followers[spec] = follower
            if number in joins or rng.random() < 0.3:
                self._listen(world)
            price = max(0.01, price + rng.choice([-0.02, -0.01, 0, 0, 0.01, 0.03]))
            if rng.random() < 0.02 and price > 1:
                price *= rng.uniform(0.9, 1.1)
            size = rng.randint(1, 10**8) / 10_000
            world.trade(price, rng.choice([0.05, 0.2, 0.4, 0.9, 3.5]), size=f"{size:.4f}")
            self.trades.append((world.now_ns, float(f"{price:.2f}"), size))
        self._listen(world)
        return self

    def _listen(self, world: PriceWorld) -> None:
        world.engine.flush()
        for spec, follower in self._followers.items():
            follower.messages += iter(follower.subscription.take, None)
            messages, follower.messages = follower.messages, []
            self.bytes_told += messages
            events = [event.indicator for message in messages for event in read(message)]
            self.told.setdefault(spec, []).extend((len(self.trades), event) for event in events)


@cache
def played(has_bars_from_the_start: bool) -> Play:
    """One play serves several tests."""
    return Play(7, has_bars_from_the_start).run()


def check_ticks(play: Play, spec: IndicatorSpec) -> Counter[str]:
    outputs = array_function(spec, {"close": np.array([price for _, price, _ in play.trades])})
    counts: Counter[str] = Counter()
    for known, event in play.told[spec]:
        value = tuple(each.value for each in event.values) or None
        assert value == expected(spec, outputs, known - 1), (spec.key, known)
        counts["ticks"] += value is not None
    return counts


def check_bars(play: Play, spec: IndicatorSpec, first: int, rng: random.Random) -> Counter[str]:
    made = naive_bars(play.trades)[first:]
    outputs = array_function(spec, columns(made))
    counts: Counter[str] = Counter()
    standing: list[int] = []
    for known, event in play.told[spec]:
        value = tuple(each.value for each in event.values) or None
        index = event.bar_start_time_ns // SECOND_NS - made[0].second
        if not event.bar_start_time_ns:
            assert value is None
        elif not event.forming:
            assert value == expected(spec, outputs, index), (spec.key, index)
            standing.append(index)
            counts["closed"] += value is not None
        elif rng.random() < 0.06:
            so_far = naive_bars(play.trades[:known])[first:]
            assert index == len(so_far) - 1
            looked_at = array_function(spec, columns(so_far))
            assert value == expected(spec, looked_at, index), (spec.key, known)
            counts["forming"] += value is not None
    assert standing == sorted(set(standing))
    assert not standing or len(standing) == standing[-1] - standing[0] + 1, "a closed bar was not told"
    return counts


@pytest.mark.parametrize("has_bars_from_the_start", [True, False])
def test_what_newcomers_are_told_of_ticks_closed_and_forming_bars_is_ta_libs(
    *, has_bars_from_the_start: bool
) -> None:
    """Whether the bars were followed from the start or not: the first, of which nobody heard the beginning,
    is counted by none."""
    play = played(has_bars_from_the_start)
    rng = random.Random(7)
    counts: Counter[str] = Counter()
    for spec in SPECS:
        assert play.told[spec], spec.key
        if spec.interval is None:
            counts += check_ticks(play, spec)
        else:
            counts += check_bars(play, spec, 1, rng)
    assert min(counts["ticks"], counts["closed"]) > 3_000
    assert counts["forming"] > 100


def test_the_same_trades_give_the_same_bytes_for_every_indicator() -> None:
    first, second = played(False), Play(7, False).run()
    assert len(first.bytes_told) > 3_000
    assert first.bytes_told == second.bytes_told
