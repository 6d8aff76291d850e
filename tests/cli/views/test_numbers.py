"""Digits, ages, bars and sparklines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hyperstream.cli.views.numbers import (
    Places,
    bar,
    basis_points,
    calm_scale,
    clock_time,
    compact,
    duration,
    fixed,
    places_of,
    sparkline,
)
from hyperstream.market.decimals import format_e8, parse_e8

values = st.integers(0, 10**20)


@given(values)
def test_fixed_with_the_places_a_value_needs_loses_no_digit(value: int) -> None:
    shown = fixed(value, places_of(value)).replace(",", "")
    assert parse_e8(shown) == value
    assert places_of(value) <= len(format_e8(value).partition(".")[2])


@given(values, st.integers(0, 8))
def test_fixed_has_exactly_the_places_asked_for(value: int, places: int) -> None:
    assert len(fixed(value, places).partition(".")[2]) == places


@pytest.mark.parametrize(
    ("text", "places", "shown"),
    [
        ("81311.0", 0, "81,311"),
        ("81311.0", 1, "81,311.0"),
        ("0.0091243", 7, "0.0091243"),
        ("1234567.5", 2, "1,234,567.50"),
    ],
)
def test_fixed(text: str, places: int, shown: str) -> None:
    assert fixed(parse_e8(text), places) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (980, "980"),
        (3.456, "3.46"),
        (999.9, "1.00k"),
        (12_345, "12.3k"),
        (999_999, "1.00M"),
        (4_560_000, "4.56M"),
        (1.2e9, "1.20B"),
        (7e12, "7.0T"),
    ],
)
def test_compact(value: float, shown: str) -> None:
    assert compact(value) == shown


@given(st.floats(0, 9e13))
def test_compact_is_never_wider_than_six(value: float) -> None:
    assert len(compact(value)) <= 6


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (83_000_000, "83 ms"),
        (-3_000_000, "-3 ms"),
        (4_200_000_000, "4.2 s"),
        (200_000_000_000, "3 min 20 s"),
        (7_500_000_000_000, "2 h 05 min"),
    ],
)
def test_duration(nanoseconds: int, shown: str) -> None:
    assert duration(nanoseconds) == shown


def test_clock_time_is_utc_to_the_millisecond() -> None:
    assert clock_time(1_746_464_339_042_999_999) == "16:58:59.042"


def test_basis_points() -> None:
    assert basis_points(1, 10_000) == 1.0
    assert basis_points(1, 0) == 0.0


@given(st.floats(-1, 2), st.integers(0, 60))
def test_a_bar_fits_its_width_and_something_shows_for_anything(share: float, width: int) -> None:
    drawn = bar(share, width)
    assert cell_len(drawn) <= max(width, 1)
    assert bool(drawn) == (share > 0)


@given(st.integers(1, 10**15))
def test_a_calm_scale_is_not_below_and_at_most_two_and_a_half_times_the_largest(largest: int) -> None:
    assert largest <= calm_scale(largest) <= largest * 2.5


@given(st.lists(st.integers(0, 10**12)), st.integers(0, 40))
def test_a_sparkline_shows_the_last_values(values: list[int], width: int) -> None:
    line = sparkline(values, width)
    shown = values[-width:] if width else []
    assert len(line) == len(shown)
    if len(set(shown)) > 1:
        assert line[shown.index(min(shown))] == "▁"
        assert line[shown.index(max(shown))] == "█"


def test_places_only_grow() -> None:
    places = Places()
    places.see(parse_e8("1.25"), parse_e8("3"))
    places.see(parse_e8("1.5"), parse_e8("0.001"))
    assert (places.price, places.size) == (2, 3)
