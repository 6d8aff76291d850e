"""A bar as a value: exact digits, numbers, a venue's strings."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import DecimalError
from hyperstream.market.bars import Bar
from hyperstream.market.history import BarValues
from hyperstream.market.intervals import Interval

MINUTE = Interval.parse("1m")
START_NS = 1_672_515_780 * 10**9
PRICES = ("0.0010", "0.0025", "0.0015", "0.0020")


def test_a_venues_bar_keeps_the_venues_digits() -> None:
    bar = Bar.of_venue(MINUTE, START_NS, PRICES, "1000", "1.50000000", "500", 100, is_closed=True)
    assert (bar.open, bar.high, bar.low, bar.close) == PRICES
    assert (bar.start_ns, bar.end_ns) == (START_NS, START_NS + 60 * 10**9)
    assert (bar.volume, bar.turnover, bar.trade_count) == ("1000.0", "1.5", 100)
    assert bar.taker_buy_volume_e12 == 500 * 10**12
    assert bar.is_venue
    assert bar.is_closed
    assert not bar.is_partial


def test_its_numbers_are_the_nearest_doubles() -> None:
    bar = Bar.of_venue(MINUTE, START_NS, PRICES, "0.1", "1", "0.3", is_closed=False)
    assert bar.values == BarValues(0.001, 0.0025, 0.0015, 0.002, 0.1, 0.3, 1_672_515_780.0)


def test_what_the_venue_does_not_say_is_not_known() -> None:
    bar = Bar.of_venue(MINUTE, START_NS, PRICES, "14.27847", trade_count=114, is_closed=False)
    assert (bar.turnover, bar.turnover_e24, bar.taker_buy_volume_e12) == (None, None, None)
    assert math.isnan(bar.values.taker_buy_volume)


@pytest.mark.parametrize(
    ("text", "turnover_e24"),
    [
        ("0", 0),
        ("34666.4005", 346664005 * 10**20),
        ("4936790807.6521", 49367908076521 * 10**20),
        ("141946527.22907118", 14194652722907118 * 10**16),
        ("0.000000000000000000000001", 1),
        ("0.0000000000000000000000019", 1),
        ("1.", 10**24),
    ],
)
def test_a_turnover_is_exact_to_twenty_four_places(text: str, turnover_e24: int) -> None:
    if text.endswith("."):
        with pytest.raises(DecimalError):
            Bar.of_venue(MINUTE, START_NS, PRICES, "1", text, is_closed=True)
        return
    bar = Bar.of_venue(MINUTE, START_NS, PRICES, "1", text, is_closed=True)
    assert bar.turnover_e24 == turnover_e24
    assert bar.turnover is not None
    assert Decimal(bar.turnover) * 10**24 == turnover_e24


@pytest.mark.parametrize(
    "text", ["", "-1", "1e5", "nan", "1.0.0", "1.00000000x", " 1", "1,0", "0.000000001-", "1.x"]
)
@pytest.mark.parametrize("place", ["open", "volume", "turnover", "takers"])
def test_what_is_no_decimal_is_refused(text: str, place: str) -> None:
    prices = (text, *PRICES[1:]) if place == "open" else PRICES
    volume = text if place == "volume" else "1"
    turnover = text if place == "turnover" else "1"
    takers = text if place == "takers" else "1"
    with pytest.raises(DecimalError):
        Bar.of_venue(MINUTE, START_NS, prices, volume, turnover, takers, is_closed=True)


def test_what_follows_the_last_place_is_a_digit_too() -> None:
    with pytest.raises(DecimalError, match="not a plain decimal"):
        Bar.of_venue(MINUTE, START_NS, PRICES, "1", "1.123456789012345678901234x", is_closed=True)


@given(st.integers(0, 10**40))
def test_any_turnover_is_spelled_so_that_it_is_read_again(turnover_e24: int) -> None:
    bar = Bar(START_NS, START_NS + 1, "1", "1", "1", "1", 0, turnover_e24)
    assert bar.turnover is not None
    assert "e" not in bar.turnover.lower()
    whole, _, fraction = bar.turnover.partition(".")
    assert int(whole + fraction.ljust(24, "0")) == turnover_e24
