"""Exact decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import DecimalError
from hyperstream.market.decimals import DecimalCache, format_e8, parse_e8


@given(st.integers(0, 10**22))
def test_what_is_formatted_parses_back(value: int) -> None:
    assert parse_e8(format_e8(value)) == value


@given(st.decimals(0, 10**12, places=8))
def test_parsing_equals_the_decimal_module(value: Decimal) -> None:
    assert parse_e8(f"{value:f}") == int(value * 10**8)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("81311.0", 8131100000000),
        ("0.61488", 61488000),
        ("0.0", 0),
        ("7", 700000000),
        ("1.100000000", 110000000),
    ],
)
def test_the_venues_spellings(text: str, value: int) -> None:
    assert parse_e8(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1.0",
        "+1",
        "1e5",
        ".5",
        "1.",
        "1.0 ",
        " 1",
        "0.123456789",
        "nan",
        "٣",
        "1_0",
        "0x1",
        None,
        1,
        1.5,
        "1\n",
    ],
)
def test_anything_else_is_an_error_that_shows_it(text: object) -> None:
    with pytest.raises(DecimalError, match="not a plain decimal"):
        parse_e8(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"), [(8414300000000, "84143.0"), (61488000, "0.61488"), (0, "0.0"), (1, "0.00000001")]
)
def test_formatting_is_the_venues_shortest_spelling(value: int, text: str) -> None:
    assert format_e8(value) == text


@given(st.lists(st.sampled_from(["1.0", "2.5", "3.25", "4.125", "5.0"]), max_size=50))
def test_the_cache_stays_bounded_and_right(texts: list[str]) -> None:
    cache = DecimalCache(limit=3)
    for text in texts:
        assert cache[text] == parse_e8(text)
        assert len(cache) <= 3


def test_the_cache_does_not_remember_errors() -> None:
    cache = DecimalCache()
    with pytest.raises(DecimalError):
        cache["x"]
    assert not cache
