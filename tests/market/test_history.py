"""Ticks and bars remembered: bounded, in order, exact."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.history import BarHistory, BarValues, PriceHistory, exact_e12
from hyperstream.market.intervals import Interval
from hyperstream.market.venue_decimals import format_e12, parse_e12

MINUTE = Interval.parse("1m")
HOUR = Interval.parse("1h")


def bar(index: int, price: float = 1.0, volume: float = 1.0, buys: float = 0.5) -> BarValues:
    return BarValues(price, price + 2, price - 2, price + 1, volume, buys, index * 60.0)


@given(st.integers(1, 40), st.integers(0, 200))
def test_the_newest_ticks_are_kept_in_order(capacity: int, count: int) -> None:
    history = PriceHistory(capacity)
    for number in range(count):
        history.append(number * 10, number + 0.5, -float(number))
    kept = list(range(count))[-capacity:]
    assert list(history.prices()) == [number + 0.5 for number in kept]
    assert [tick.time_ns for tick in history.ticks()] == [number * 10 for number in kept]
    assert [tick.size_e12 for tick in history.ticks()] == [-number * 10**12 for number in kept]
    assert len(history) == len(kept)
    assert history.oldest_time_ns == (kept[0] * 10 if kept else None)


@given(st.integers(1, 5000))
def test_memory_is_bounded_by_the_capacity_and_an_eighth(capacity: int) -> None:
    history = PriceHistory(capacity)
    most = 0
    for number in range(capacity * 2 + 10):
        history.append(number, 1.0)
        most = max(most, len(history._prices), len(history._sizes), len(history._times_ns))
    assert most <= capacity + capacity // 8 + 1


@given(st.integers(1, 20), st.lists(st.booleans(), max_size=100))
def test_it_is_remembered_where_ticks_are_missing(capacity: int, steps: list[bool]) -> None:
    history = PriceHistory(capacity)
    expected: list[bool] = []
    is_after_gap = False
    for is_tick in steps:
        if is_tick:
            history.append(len(expected), 1.0)
            expected.append(is_after_gap and bool(expected))
        else:
            history.mark_gap()
            history.mark_gap()
        is_after_gap = not is_tick
    assert [tick.is_after_gap for tick in history.ticks()][1:] == expected[-capacity:][1:]
    assert history.ends_in_gap == is_after_gap
    assert len(history._gaps) <= len(history._prices) + 1


def test_a_part_of_the_history() -> None:
    history = PriceHistory(100)
    for number in range(10):
        history.append(number, float(number))
    assert list(history.prices(3)) == [7.0, 8.0, 9.0]
    assert list(history.prices(1000)) == [float(number) for number in range(10)]
    assert list(history.prices(0)) == []
    assert [tick.time_ns for tick in history.ticks(since_ns=8)] == [8, 9]


def test_what_is_handed_out_is_a_copy() -> None:
    history = PriceHistory(10)
    history.append(1, 1.0)
    prices = history.prices()
    history.append(2, 2.0)
    assert list(prices) == [1.0]


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
def test_a_price_that_is_no_number_is_refused_and_nothing_of_it_kept(price: float) -> None:
    history = PriceHistory(10)
    history.append(1, 1.0, 2.0)
    with pytest.raises(ValueError, match="finite"):
        history.append(2, price, 2.0)
    assert [tick.time_ns for tick in history.ticks()] == [1]
    assert len(history._times_ns) == len(history._prices) == len(history._sizes) == 1


def test_a_history_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        PriceHistory(0)
    with pytest.raises(ValueError, match="at least one"):
        BarHistory(MINUTE, 0)


@given(st.integers(0, 10**15 - 1), st.integers(0, 12))
def test_decimals_of_fifteen_digits_come_back_exactly(digits: int, places: int) -> None:
    text = format_e12(digits * 10 ** (12 - places))
    assert exact_e12(float(text)) == parse_e12(text)
    assert exact_e12(-float(text)) == -parse_e12(text)


@given(st.floats(0, 1e22))
def test_any_size_comes_back_near(value: float) -> None:
    assert abs(exact_e12(value) - Decimal(value) * 10**12) <= max(
        Decimal(1), Decimal(value) * Decimal("1.2e-4")
    )


@given(st.integers(1, 20), st.integers(0, 100))
def test_the_newest_bars_are_kept_in_order(capacity: int, count: int) -> None:
    history = BarHistory(MINUTE, capacity)
    for index in range(count):
        history.append(bar(index, price=100.0 + index))
    assert history.bars() == [bar(index, price=100.0 + index) for index in range(count)][-capacity:]
    assert len(history) == min(count, capacity)
    lows, starts = history.columns(("low", "start_seconds"))
    assert list(lows) == [one.low for one in history.bars()]
    assert list(starts) == [one.start_seconds for one in history.bars()]


def test_whole_coarser_bars_and_no_others() -> None:
    """Minutes 58 to 185 hold the whole hours 1 and 2."""
    history = BarHistory(MINUTE, 1000)
    for index in range(58, 186):
        history.append(bar(index, price=float(index), volume=0.1, buys=0.05))
    made = history.coarser(HOUR, 10)
    assert made.interval == HOUR
    assert made.bars() == [
        BarValues(60.0, 121.0, 58.0, 120.0, 6.0, 3.0, 3600.0),
        BarValues(120.0, 181.0, 118.0, 180.0, 6.0, 3.0, 7200.0),
    ]


def test_a_coarser_bar_with_a_part_missing_is_left_out() -> None:
    history = BarHistory(MINUTE, 1000)
    for index in range(180):
        if index != 70:
            history.append(bar(index))
    assert [one.start_seconds for one in history.coarser(HOUR, 10).bars()] == [0.0, 7200.0]


def test_takers_that_are_not_known_stay_unknown() -> None:
    history = BarHistory(MINUTE, 1000)
    for index in range(60):
        history.append(bar(index, buys=math.nan if index == 7 else 1.0))
    (made,) = history.coarser(HOUR, 10).bars()
    assert math.isnan(made.taker_buy_volume)
    assert made.volume == 60.0


def test_bars_that_do_not_make_up_the_other_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="bars of 5m are not made of bars of 2m"):
        BarHistory(Interval.parse("2m"), 10).coarser(Interval.parse("5m"), 10)
