"""Our own indicators of bars."""

from __future__ import annotations

import math
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import IndicatorFault
from hyperstream.market.history import BarValues
from hyperstream.market.indicators import BarIndicator, IndicatorSpec, Value, start_indicator

from .series import Series, walk

DAY = 86_400.0


def on_bars(text: str) -> BarIndicator:
    indicator = start_indicator(IndicatorSpec.parse(text))
    assert isinstance(indicator, BarIndicator)
    return indicator


def naive(name: str, bars: tuple[BarValues, ...], period: int) -> Value | None:
    """The definition, from nothing."""
    if name == "session_vwap":
        day = [bar for bar in bars if bar.start_seconds // DAY == bars[-1].start_seconds // DAY]
        amount = volume = 0.0
        for bar in day:
            amount += (bar.high + bar.low + bar.close) / 3.0 * bar.volume
            volume += bar.volume
        return (amount / volume,) if volume else None
    last = bars[-period:]
    volume = fsum(bar.volume for bar in last)
    buys = fsum(bar.taker_buy_volume for bar in last)
    return ((2.0 * buys - volume) / volume,) if volume and len(last) == period else None


@pytest.mark.parametrize("text", ["session_vwap@1m", "trade_imbalance:5@1m"])
@given(seed=st.integers(0, 1000), split=st.integers(0, 80), days=st.integers(1, 4))
def test_it_equals_its_definition_wherever_history_ends(text: str, seed: int, split: int, days: int) -> None:
    step = days * DAY / 80
    bars = tuple(
        bar._replace(start_seconds=1_790_208_000.0 + index * step)
        for index, bar in enumerate(walk(80, seed).bars)
    )
    indicator = on_bars(text)
    indicator.warm(Series(bars).history(split))
    for index in range(split, len(bars)):
        expected = naive(indicator.spec.name, bars[: index + 1], 5)
        if index + 1 >= indicator.needed:
            indicator.peek(bars[index]._replace(volume=1e6))
            assert indicator.peek(bars[index]) == expected
        indicator.update(bars[index])
        assert indicator.value == expected


def test_the_vwap_of_a_day_begins_at_midnight_utc() -> None:
    indicator = on_bars("session_vwap@1h")
    hours = [
        BarValues(p, p, p, p, 1.0, 0.0, 23 * 3600.0 + index * 3600) for index, p in enumerate((10.0, 20.0))
    ]
    indicator.update(hours[0])
    assert indicator.peek(hours[1]) == (20.0,)
    assert indicator.value == (10.0,)
    indicator.update(hours[1])
    assert indicator.value == (20.0,)


def test_the_vwap_of_trades_and_of_no_volume() -> None:
    indicator = on_bars("session_vwap@1m")
    indicator.update(BarValues(100, 100, 100, 100, 0.0, 0.0, 0.0))
    assert (indicator.value, indicator.is_undefined) == (None, True)
    for price, volume in ((100.0, 2.0), (101.0, 1.0), (99.0, 1.0)):
        indicator.update(BarValues(price, price, price, price, volume, 0.0, 60.0))
    assert indicator.value == (100.0,)


def test_within_a_day_it_is_ta_libs_vwap_to_the_last_bit() -> None:
    ours, theirs = on_bars("session_vwap@1m"), on_bars("vwap@1m")
    compared = 0
    for bar in walk(300, seed=3).bars:
        ours.update(bar)
        theirs.update(bar)
        assert ours.value == theirs.value
        compared += ours.value is not None
    assert compared > 250


def test_buyers_only_is_one_and_sellers_only_minus_one() -> None:
    for buys, expected in ((1.0, 1.0), (0.0, -1.0), (0.5, 0.0), (0.25, -0.5)):
        indicator = on_bars("trade_imbalance:3@1m")
        for index in range(3):
            indicator.update(BarValues(1, 1, 1, 1, 8.0, 8.0 * buys, index * 60.0))
        assert indicator.value == (expected,)


def test_a_takers_side_that_is_not_known_is_a_fault() -> None:
    indicator = on_bars("trade_imbalance:1@1m")
    known = BarValues(1, 1, 1, 1, 8.0, 2.0, 0.0)
    for _ in range(2):
        with pytest.raises(IndicatorFault, match="not known"):
            indicator.update(known._replace(taker_buy_volume=math.nan))
        indicator.update(known)
        assert indicator.value == (-0.5,)
        with pytest.raises(IndicatorFault, match="not known"):
            indicator.peek(known._replace(taker_buy_volume=math.nan))
