"""An indicator at work: warming, peeking, faults, what is undefined."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import subprocess
import sys
import weakref

import pytest

from hyperstream.errors import IndicatorFault
from hyperstream.market.history import BarHistory, BarValues, PriceHistory
from hyperstream.market.indicators import (
    BarIndicator,
    BookIndicator,
    IndicatorSpec,
    PriceIndicator,
    start_indicator,
)

from .series import MINUTE, walk

BAR = BarValues(10.0, 11.0, 9.0, 10.5, 3.0, 1.0, 60.0)


def on_ticks(text: str) -> PriceIndicator:
    indicator = start_indicator(IndicatorSpec.parse(text))
    assert isinstance(indicator, PriceIndicator)
    return indicator


def on_bars(text: str) -> BarIndicator:
    indicator = start_indicator(IndicatorSpec.parse(text))
    assert isinstance(indicator, BarIndicator)
    return indicator


def history_of(*prices: float) -> PriceHistory:
    history = PriceHistory(1000)
    for time_ns, price in enumerate(prices):
        history.append(time_ns, price)
    return history


def test_a_specification_gets_the_sort_that_its_input_asks_for() -> None:
    assert isinstance(start_indicator(IndicatorSpec.parse("rsi")), PriceIndicator)
    assert isinstance(start_indicator(IndicatorSpec.parse("rsi@1m")), BarIndicator)
    assert isinstance(start_indicator(IndicatorSpec.parse("atr@1m")), BarIndicator)
    assert isinstance(start_indicator(IndicatorSpec.parse("microprice")), BookIndicator)


def test_a_newcomer_is_warm_at_once_from_history() -> None:
    indicator = on_ticks("sma:3")
    indicator.warm(history_of(1, 2, 3, 4))
    assert indicator.is_warm
    assert indicator.value == (3.0,)


def test_warming_is_counted_and_has_no_value() -> None:
    indicator = on_ticks("sma:3")
    seen = []
    for price in (1.0, 2.0, 3.0):
        seen.append((indicator.warmed, indicator.needed, indicator.is_warm, indicator.value))
        indicator.update(price)
    assert seen == [(0, 3, False, None), (1, 3, False, None), (2, 3, False, None)]
    assert (indicator.warmed, indicator.is_warm, indicator.value) == (3, True, (2.0,))


def test_a_short_history_is_the_beginning_of_the_series() -> None:
    indicator = on_ticks("sma:3")
    indicator.warm(history_of(1, 2))
    assert (indicator.warmed, indicator.value) == (2, None)
    indicator.update(6.0)
    assert indicator.value == (3.0,)


def test_warming_again_begins_anew() -> None:
    indicator = on_ticks("sma:3")
    indicator.warm(history_of(1, 2, 3, 4))
    indicator.warm(history_of(10))
    assert (indicator.warmed, indicator.value) == (1, None)
    indicator.warm(history_of(10, 20, 30))
    assert indicator.value == (20.0,)


def test_the_forming_bar_is_looked_at_and_not_stored() -> None:
    indicator = on_bars("sma:3@1m")
    bars = walk(10, seed=1).bars
    for bar in bars[:3]:
        indicator.update(bar)
    before = indicator.value
    peeked = indicator.peek(bars[3])
    for factor in (0.5, 2.0, 3.0):
        indicator.peek(bars[3]._replace(close=bars[3].close * factor))
    assert indicator.value == before
    assert indicator.peek(bars[3]) == peeked
    indicator.update(bars[3])
    assert indicator.value == peeked != before


def test_the_forming_bar_may_be_the_last_one_missing() -> None:
    indicator = on_ticks("sma:3")
    indicator.warm(history_of(1))
    assert indicator.peek(3.0) is None
    indicator.update(2.0)
    assert indicator.peek(3.0) == (2.0,)
    assert indicator.peek(6.0) == (3.0,)
    assert (indicator.warmed, indicator.value) == (2, None)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("before", [0, 1, 2, 3, 10])
def test_an_input_that_is_no_number_is_a_fault_and_the_state_goes_on(wrong: float, before: int) -> None:
    indicator, twin = on_ticks("ema:3"), on_ticks("ema:3")
    for number in range(before):
        indicator.update(number + 1.0)
        twin.update(number + 1.0)
    with pytest.raises(IndicatorFault, match=r"ema\(timeperiod=3\): cannot take"):
        indicator.update(wrong)
    if before >= 2:
        with pytest.raises(IndicatorFault, match="cannot take"):
            indicator.peek(wrong)
    assert (indicator.warmed, indicator.value) == (twin.warmed, twin.value)
    for price in (7.0, 5.0, 9.0, 4.0):
        indicator.update(price)
        twin.update(price)
        assert indicator.value == twin.value


def test_a_fault_of_one_is_no_fault_of_another() -> None:
    """High and low are not looked at by an indicator of closes."""
    strange = BAR._replace(high=math.nan)
    closes, ranges = on_bars("sma:2@1m"), on_bars("trange@1m")
    for indicator in (closes, ranges):
        indicator.update(BAR)
        indicator.update(BAR)
    closes.update(strange)
    with pytest.raises(IndicatorFault, match="trange"):
        ranges.update(strange)
    assert closes.value == (10.5,)
    assert ranges.value == (2.0,)


def test_a_history_that_is_no_number_is_a_fault_and_the_state_goes_on() -> None:
    indicator = on_bars("atr:2@1m")
    for _ in range(3):
        indicator.update(BAR)
    history = BarHistory(MINUTE, 10)
    for high in (11.0, math.nan, 11.0, 11.0):
        history.append(BAR._replace(high=high))
    value = indicator.value
    with pytest.raises(IndicatorFault, match="history"):
        indicator.warm(history)
    assert value is not None
    assert indicator.value == value
    indicator.update(BAR)
    assert indicator.value == value


def test_a_division_by_zero_is_no_value_and_the_next_one_is_there_again() -> None:
    indicator = on_bars("div@1m")
    indicator.update(BAR)
    assert (indicator.value, indicator.is_undefined) == ((11.0 / 9.0,), False)
    indicator.update(BAR._replace(low=0.0))
    assert (indicator.value, indicator.is_undefined, indicator.is_warm) == (None, True, True)
    assert indicator.peek(BAR._replace(low=0.0)) is None
    indicator.update(BAR)
    assert indicator.value == (11.0 / 9.0,)


def test_a_value_too_large_for_a_double_is_no_value() -> None:
    indicator = on_ticks("exp")
    indicator.update(710.0)
    assert (indicator.value, indicator.is_undefined) == (None, True)
    indicator.update(0.0)
    assert indicator.value == (1.0,)


def test_one_undefined_output_leaves_no_value_at_all() -> None:
    indicator = on_ticks("bbands:2,1e37")
    for price in (1.0, 1e300):
        indicator.update(price)
    assert (indicator.value, indicator.is_undefined) == (None, True)


def test_what_is_gathered_is_let_go_of_when_it_starts() -> None:
    indicator = on_bars("atr:50@1m")
    for bar in walk(50, seed=2).bars:
        indicator.update(bar)
    assert [len(column) for column in indicator._gathered] == [50, 50, 50]
    indicator.update(BAR)
    assert indicator.is_warm
    assert [len(column) for column in indicator._gathered] == [0, 0, 0]


def test_an_indicator_is_freed_with_its_last_reference() -> None:
    """It is part of no cycle, so dropping it with the last listener gives back its memory at once."""

    class Watched(PriceIndicator):
        pass

    indicator = Watched(IndicatorSpec.parse("rsi:14"))
    indicator.warm(history_of(*range(1, 40)))
    gone = weakref.ref(indicator)
    gc.disable()
    try:
        del indicator
        assert gone() is None
    finally:
        gc.enable()


def test_an_indicator_is_neither_copied_nor_pickled() -> None:
    indicator = on_ticks("rsi:2")
    indicator.warm(history_of(1, 2, 3))
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            duplicate(indicator)


def test_its_representation_says_how_warm_it_is() -> None:
    indicator = on_ticks("sma:2")
    indicator.update(3.0)
    assert repr(indicator) == "<PriceIndicator sma(timeperiod=2) 1/2 None>"


def test_neither_ta_lib_nor_numpy_is_loaded_before_the_first_indicator() -> None:
    """They cost 50 ms and 20 MB, which a command that computes nothing need not pay."""
    program = (
        "import sys\n"
        "import hyperstream.market.bar_builder\n"
        "from hyperstream.market.indicators import IndicatorSpec\n"
        "IndicatorSpec.parse('microprice')\n"
        "assert not {'talib', 'numpy'} & set(sys.modules)\n"
        "IndicatorSpec.parse('rsi')\n"
        "assert {'talib', 'numpy'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
