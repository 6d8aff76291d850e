"""Indicators of a book: the worked numbers, empty sides, exactness."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import IndicatorFault
from hyperstream.market.indicators import BookIndicator, IndicatorSpec, start_indicator
from hyperstream.market.venue_decimals import parse_e12

Side = list[tuple[int, int]]


def side(*levels: tuple[str, str]) -> Side:
    return [(parse_e12(price), parse_e12(size)) for price, size in levels]


def on_book(text: str) -> BookIndicator:
    indicator = start_indicator(IndicatorSpec.parse(text))
    assert isinstance(indicator, BookIndicator)
    return indicator


def value_of(text: str, bids: Side, asks: Side) -> float | None:
    indicator = on_book(text)
    indicator.update(bids, asks)
    return None if indicator.value is None else indicator.value[0]


BTC_BIDS, BTC_ASKS = side(("84143.0", "10.25923")), side(("84144.0", "50.66449"))
BIDS = side(("100", "5"), ("99", "3"), ("98", "2"))
ASKS = side(("101", "4"), ("102", "6"), ("103", "10"))
STATELESS = [
    "book_imbalance",
    "book_imbalance:3",
    "book_imbalance:3,0.5",
    "microprice",
    "spread",
    "spread_bps",
]


@pytest.mark.parametrize(
    ("text", "bids", "asks", "value"),
    [
        ("book_imbalance", BTC_BIDS, BTC_ASKS, -0.66321),
        ("microprice", BTC_BIDS, BTC_ASKS, 84143.16839),
        ("book_imbalance:3", BIDS, ASKS, -0.33333),
        ("book_imbalance:3,0.5", BIDS, ASKS, -0.19936),
        ("book_imbalance", BIDS, ASKS, 1 / 9),
        ("book_imbalance:2", BIDS, ASKS, -2 / 18),
        ("book_imbalance:100", BIDS, ASKS, -0.33333),
        ("microprice", BIDS, ASKS, 100 + 5 / 9),
        ("spread", BIDS, ASKS, 1.0),
        ("spread", BTC_BIDS, BTC_ASKS, 1.0),
        ("spread_bps", BIDS, ASKS, 10_000 / 100.5),
        ("spread_bps", BTC_BIDS, BTC_ASKS, 10_000 / 84143.5),
    ],
)
def test_the_worked_example(text: str, bids: Side, asks: Side, value: float) -> None:
    assert value_of(text, bids, asks) == pytest.approx(value, abs=6e-6)


def test_order_flow_of_the_worked_example() -> None:
    indicator = on_book("order_flow_imbalance")
    flows = []
    before = 0.0
    for bid, bid_size, ask, ask_size in [
        ("100", "5", "101", "4"),
        ("100", "7", "101", "4"),
        ("101", "2", "102", "6"),
        ("101", "2", "102", "3"),
    ]:
        indicator.update(side((bid, bid_size)), side((ask, ask_size)))
        if indicator.value is not None:
            flows.append(indicator.value[0] - before)
            before = indicator.value[0]
    assert flows == [2.0, 6.0, 3.0]
    assert indicator.value == (11.0,)


def test_order_flow_forgets_what_is_older_than_its_period() -> None:
    indicator = on_book("order_flow_imbalance:2")
    sums = []
    for size in ("5", "7", "4", "9"):
        indicator.update(side(("100", size)), side(("101", "1")))
        sums.append(indicator.value)
    assert sums == [None, (2.0,), (-1.0,), (2.0,)]


def test_order_flow_counts_no_snapshot_whose_best_quotes_are_the_same() -> None:
    indicator = on_book("order_flow_imbalance:1")
    for bids in (BIDS, BIDS, side(("100", "6"), ("99", "3")), side(("100", "6"), ("99", "8"))):
        indicator.update(bids, ASKS)
    assert indicator.value == (1.0,)


def test_order_flow_is_not_taken_across_an_empty_side() -> None:
    indicator = on_book("order_flow_imbalance")
    for bids in (BIDS, [], side(("50", "1000"))):
        indicator.update(bids, ASKS)
    assert indicator.value is None
    indicator.update(side(("50", "1001")), ASKS)
    assert indicator.value == (1.0,)


def test_one_side_empty() -> None:
    for text in ("book_imbalance", "book_imbalance:3", "book_imbalance:3,0.5"):
        assert value_of(text, BIDS, []) == 1.0
        assert value_of(text, [], ASKS) == -1.0
    for text in ("microprice", "spread", "spread_bps", "order_flow_imbalance"):
        assert value_of(text, BIDS, []) is None
        assert value_of(text, [], ASKS) is None


@pytest.mark.parametrize("text", [*STATELESS, "order_flow_imbalance"])
def test_an_empty_book_has_no_value(text: str) -> None:
    indicator = on_book(text)
    indicator.update([], [])
    assert indicator.value is None


@pytest.mark.parametrize("text", STATELESS)
def test_a_side_that_empties_takes_the_value_away_and_the_next_book_brings_it_back(text: str) -> None:
    indicator = on_book(text)
    assert not indicator.is_warm
    indicator.update(BIDS, ASKS)
    value = indicator.value
    assert value is not None
    indicator.update([], [])
    assert (indicator.value, indicator.is_warm, indicator.is_undefined) == (None, True, True)
    indicator.update(BIDS, ASKS)
    assert indicator.value == value


def test_how_many_levels_are_looked_at_is_told() -> None:
    assert on_book("book_imbalance").levels == 1
    assert on_book("book_imbalance:25").levels == 25
    assert on_book("microprice").levels == 1


def test_a_book_that_is_none_is_a_fault_and_the_value_stays() -> None:
    indicator = on_book("microprice")
    indicator.update(BIDS, ASKS)
    value = indicator.value
    with pytest.raises(IndicatorFault, match="microprice"):
        indicator.update([(1,)], ASKS)  # type: ignore[list-item]
    assert indicator.value == value is not None


LEVELS = st.lists(st.tuples(st.integers(1, 10**14), st.integers(1, 10**16)), min_size=1, max_size=8)


@given(LEVELS, LEVELS, st.integers(1, 10))
def test_each_value_is_the_double_nearest_to_the_exact_one(bids: Side, asks: Side, levels: int) -> None:
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    heavy = sum(size for _, size in bids[:levels]), sum(size for _, size in asks[:levels])
    exact = {
        f"book_imbalance:{levels}": Fraction(heavy[0] - heavy[1], sum(heavy)),
        "microprice": Fraction(bid * ask_size + ask * bid_size, bid_size + ask_size) / 10**12,
        "spread": Fraction(ask - bid, 10**12),
        "spread_bps": Fraction(20_000 * (ask - bid), ask + bid),
    }
    for text, value in exact.items():
        assert value_of(text, bids, asks) == float(value)


@given(LEVELS, LEVELS)
def test_the_microprice_is_between_the_quotes(bids: Side, asks: Side) -> None:
    price = value_of("microprice", bids, asks)
    low, high = sorted((bids[0][0], asks[0][0]))
    assert price is not None
    assert low / 10**12 <= price <= high / 10**12
