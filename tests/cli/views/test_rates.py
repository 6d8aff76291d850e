"""Rates and percentiles, with the time handed in."""

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.cli.views.numbers import SECOND
from hyperstream.cli.views.rates import Percentiles, Rate

START = 1_746_464_339 * SECOND


def test_a_steady_rate_is_that_rate() -> None:
    rate = Rate()
    for tenth in range(100):
        rate.add(3, START + tenth * SECOND // 10)
    assert 28 <= rate.per_second(START + 10 * SECOND) <= 30
    assert rate.total == 300


def test_a_rate_decays_to_nothing_after_its_window() -> None:
    rate = Rate(window_seconds=5)
    rate.add(10, START)
    assert rate.per_second(START + 2 * SECOND) == 5.0
    assert rate.per_second(START + 6 * SECOND) == 0.0


def test_nothing_has_no_rate() -> None:
    assert Rate().per_second(START) == 0.0


@given(st.lists(st.integers(0, 10 * SECOND), max_size=300))
def test_memory_stays_bounded(offsets: list[int]) -> None:
    rate = Rate(window_seconds=2)
    for offset in sorted(offsets):
        rate.add(1, START + offset)
    assert len(rate._buckets) <= 9


def test_percentiles() -> None:
    percentiles = Percentiles(capacity=100)
    assert percentiles.at(50) is None
    for value in range(1000):
        percentiles.add(value)
    assert percentiles.at(0, 50, 99, 100) == [900, 950, 999, 999]
    assert percentiles.count == 1000
