"""Decimals of exchanges: exact to twelve places, and bounded in memory."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import DecimalError
from hyperstream.market.venue_decimals import SCALE, VenueDecimals, format_e12, parse_e12

plain = st.from_regex(r"[0-9]{1,10}(\.[0-9]{1,12})?", fullmatch=True)


@given(plain)
def test_a_plain_decimal_is_exact_to_twelve_places(text: str) -> None:
    assert Decimal(parse_e12(text)) == Decimal(text) * SCALE


@pytest.mark.parametrize("text", ["", "-1", "1e5", ".5", "1.", "1 ", "٣", "nan", "0.0000000000001", "9" * 25])
def test_anything_else_is_no_decimal(text: str) -> None:
    with pytest.raises(DecimalError):
        parse_e12(text)


@pytest.mark.parametrize("value", [1, None, ("1",), 1.5, True])
def test_what_is_no_string_is_no_decimal(value: object) -> None:
    with pytest.raises(DecimalError):
        VenueDecimals()[value]  # type: ignore[index] # what a venue may send


def test_zeros_beyond_the_twelfth_place_are_no_digits() -> None:
    assert parse_e12("1.0000000000010000") == SCALE + 1


@given(st.integers(0, 10**30))
def test_what_is_spelled_is_read_again(value: int) -> None:
    assert parse_e12(format_e12(value)) == value
    assert not format_e12(value).endswith("00")


def test_remembered_decimals_are_bounded() -> None:
    decimals = VenueDecimals(limit=3)
    assert [decimals[str(number)] for number in range(10)] == [number * SCALE for number in range(10)]
    assert len(decimals) <= 3
