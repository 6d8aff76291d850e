"""Every TA-Lib function of the catalogue: its values are the array function's, to the last bit."""

from __future__ import annotations

import math
import random
from typing import Any, cast

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperstream.errors import IndicatorError
from hyperstream.market.history import BarValues
from hyperstream.market.indicators import (
    IndicatorKind,
    IndicatorSpec,
    Needs,
    Parameter,
    ParameterType,
    ParameterValue,
    PriceIndicator,
    Value,
    kind_named,
    start_indicator,
)
from hyperstream.market.indicators.indicator import BarIndicator
from hyperstream.market.indicators.ta_lib import function_names, moving_averages

from .series import MINUTE, Series, series_of, walk

NAMES = function_names()
SMALL_PRICES_ONLY = {"acos", "asin", "cosh", "exp", "sinh"}  # undefined above 1, or infinite above 710
Outputs = tuple[NDArray[Any], ...]


def array_function(spec: IndicatorSpec, series: Series) -> Outputs:
    """What TA-Lib's array function says about the whole series."""
    inputs = [series.column("close" if name == "price" else name) for name in spec.kind.inputs]
    averages = moving_averages()
    arguments = {
        name: averages.index(value) if isinstance(value, str) else value
        for name, value in spec.values.items()
    }
    outputs = getattr(cast(Any, talib), spec.name.upper())(*inputs, **arguments)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def expected(outputs: Outputs, index: int) -> Value | None:
    values = tuple(output[index].item() for output in outputs)
    return values if all(map(math.isfinite, values)) else None


def draw_parameters(kind: IndicatorKind, rng: random.Random) -> dict[str, ParameterValue]:
    """Values for every parameter, small enough for a short series."""
    return {parameter.name: _draw(parameter, rng) for parameter in kind.parameters}


def _draw(parameter: Parameter, rng: random.Random) -> ParameterValue:
    if parameter.type is ParameterType.ENUM:
        return rng.choice(parameter.choices)
    low = -3.0 if parameter.minimum is None else parameter.minimum
    high = 3.0 if parameter.maximum is None else min(parameter.maximum, low + 12)
    return rng.randint(int(low), int(high)) if parameter.type is ParameterType.INT else rng.uniform(low, high)


def specs(kind: IndicatorKind, parameters: dict[str, ParameterValue]) -> list[IndicatorSpec]:
    """On bars, and on ticks too where that is possible."""
    both = [IndicatorSpec.of(kind.name, parameters, "1m")]
    return both if kind.needs is Needs.BARS else [*both, IndicatorSpec.of(kind.name, parameters)]


def check(spec: IndicatorSpec, series: Series, split: int, peeks: int) -> int:
    """Run the series, the first ``split`` as history; return how many defined values were compared."""
    outputs = array_function(spec, series)
    indicator = start_indicator(spec)
    if isinstance(indicator, PriceIndicator):
        indicator.warm(series.prices(split))
    else:
        assert isinstance(indicator, BarIndicator)
        indicator.warm(series.history(split))
    compared = 0
    for index in range(split, len(series.bars) + 1):
        if index:
            if indicator.is_warm:
                assert indicator.value == expected(outputs, index - 1), (spec.key, index, split)
                assert indicator.is_undefined == (indicator.value is None)
                compared += indicator.value is not None
            else:
                assert indicator.value is None
                assert not indicator.is_undefined
                assert indicator.warmed == index
        if index < len(series.bars):
            bar = series.bars[index]
            feed(indicator, bar, peeks, expected(outputs, index) if index + 1 >= indicator.needed else None)
    return compared


def feed(indicator: PriceIndicator | BarIndicator, bar: BarValues, peeks: int, then: Value | None) -> None:
    """Update by a bar after looking at forming ones that came to nothing."""
    if isinstance(indicator, PriceIndicator):
        for number in range(peeks):
            indicator.peek(bar.close * (1.1 + number))
            assert indicator.peek(bar.close) == then
        indicator.update(bar.close)
    else:
        for number in range(peeks):
            indicator.peek(bar._replace(close=bar.close * (1.1 + number), volume=bar.volume + number))
            assert indicator.peek(bar) == then
        indicator.update(bar)


@pytest.mark.parametrize("name", NAMES)
def test_with_default_parameters_it_equals_the_array_function_wherever_history_ends(name: str) -> None:
    kind = kind_named(name)
    first_price = 1e-6 if name in SMALL_PRICES_ONLY else None
    series = walk(160, seed=len(name), first_price=first_price)
    for spec in specs(kind, {}):
        needed = kind.warm_up(spec.values)
        for split, peeks in ((0, 1), (needed - 1, 0), (needed, 2), (len(series.bars), 0)):
            assert check(spec, series, split, peeks)


@pytest.mark.parametrize("name", [name for name in NAMES if kind_named(name).parameters])
def test_with_other_parameters_it_equals_the_array_function(name: str) -> None:
    kind = kind_named(name)
    rng = random.Random(name)
    for seed in range(5):
        series = walk(140, seed=seed)
        for spec in specs(kind, draw_parameters(kind, rng)):
            check(spec, series, rng.randrange(len(series.bars)), peeks=1)


@given(
    name=st.sampled_from(NAMES),
    closes=st.lists(st.floats(1e-6, 1e6), min_size=0, max_size=60),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_any_prices_and_any_border_between_history_and_updates(
    name: str, closes: list[float], seed: int, data: st.DataObject
) -> None:
    kind = kind_named(name)
    rng = random.Random(seed)
    parameters = {
        parameter.name: _draw(parameter, rng) for parameter in kind.parameters if rng.random() < 0.8
    }
    series = series_of(closes)
    split = data.draw(st.integers(0, len(closes)))
    for spec in specs(kind, parameters):
        if closes:
            check(spec, series, split, peeks=1)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_value_comes_with_exactly_the_last_input_needed(name: str) -> None:
    """Also where a parameter is the largest of its kind that a series of 300 allows."""
    kind = kind_named(name)
    integers = {p.name: 20 for p in kind.parameters if p.type is ParameterType.INT}
    spec = IndicatorSpec.of(name, integers, "1m")
    series = walk(300, seed=5)
    indicator = start_indicator(spec)
    assert isinstance(indicator, BarIndicator)
    needed = indicator.needed
    for bar in series.bars[: needed - 1]:
        indicator.update(bar)
    assert (indicator.is_warm, indicator.warmed, indicator.needed) == (False, needed - 1, needed)
    indicator.update(series.bars[needed - 1])
    assert (indicator.is_warm, indicator.warmed, indicator.needed) == (True, needed, needed)


def test_every_streaming_function_of_ta_lib_is_offered_but_the_one_with_a_series_of_periods() -> None:
    everything = {name.lower() for name in cast(Any, talib).get_functions()}
    assert everything - set(NAMES) == {"mavp"}
    assert len(NAMES) >= 200


@pytest.mark.parametrize("name", [name for name in NAMES if kind_named(name).parameters])
def test_the_ranges_told_are_what_ta_lib_accepts(name: str) -> None:
    kind = kind_named(name)
    defaults = {parameter.name: parameter.default for parameter in kind.parameters}
    for parameter in kind.parameters:
        if parameter.type is ParameterType.ENUM:
            for choice in parameter.choices:
                assert kind.warm_up(defaults | {parameter.name: choice}) >= 1
            continue
        is_int = parameter.type is ParameterType.INT
        for edge, beyond in ((parameter.minimum, -math.inf), (parameter.maximum, math.inf)):
            if edge is None:
                assert kind.warm_up(defaults | {parameter.name: math.copysign(1e30, beyond)}) >= 1
                continue
            assert kind.warm_up(defaults | {parameter.name: edge}) >= 1
            outside = int(edge) - 1 if is_int else math.nextafter(edge, beyond)
            if is_int and beyond > 0:
                continue  # ours: the largest period; TA-Lib's is 100000
            with pytest.raises(IndicatorError, match="TA-Lib refuses"):
                kind.warm_up(defaults | {parameter.name: outside})


@pytest.mark.parametrize("name", [name for name in NAMES if kind_named(name).parameters])
def test_parameters_within_their_ranges_go_together(name: str) -> None:
    kind = kind_named(name)
    rng = random.Random(name)
    for _ in range(20):
        parameters = draw_parameters(kind, rng)
        assert IndicatorSpec.of(name, parameters, "1m").values.keys() == parameters.keys()


def test_ta_lib_keeps_its_own_settings() -> None:
    """Values would change for everybody."""
    get = cast(Any, talib).get_unstable_period
    assert {get(name) for name in ("EMA", "RSI", "ATR", "ADX")} == {0}
    assert cast(Any, talib).get_compatibility() == 0


def test_what_is_told_of_a_kind() -> None:
    macd, atr, vwap, obv = (kind_named(name) for name in ("macd", "atr", "vwap", "obv"))
    assert (macd.needs, macd.inputs, macd.outputs) == (
        Needs.SERIES,
        ("price",),
        ("macd", "macdsignal", "macdhist"),
    )
    assert [(p.name, p.default) for p in macd.parameters] == [
        ("fastperiod", 12),
        ("slowperiod", 26),
        ("signalperiod", 9),
    ]
    assert (atr.needs, atr.inputs, atr.outputs) == (Needs.BARS, ("high", "low", "close"), ("value",))
    assert atr.title == "Average True Range"
    assert atr.group == "Volatility Indicators"
    assert vwap.is_cumulative
    assert vwap.is_on_price_scale
    assert obv.inputs == ("close", "volume")
    assert not macd.is_cumulative


def test_the_series_of_these_tests_stumble() -> None:
    """They have flat stretches, bars without volume and bars of one price."""
    bars = [bar for seed in range(5) for bar in walk(140, seed).bars]
    assert sum(bar.volume == 0 for bar in bars) > 20
    assert sum(bar.high == bar.low for bar in bars) > 20
    assert all(
        bar.high >= max(bar.open, bar.close) >= min(bar.open, bar.close) >= bar.low > 0 for bar in bars
    )
    assert np.unique([bar.start_seconds % MINUTE.duration_ns for bar in bars]).size > 1
