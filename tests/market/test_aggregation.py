"""Aggregation, to the digit of the reference."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.aggregation import AggregatedSide, Aggregation, best_buckets
from hyperstream.market.book import Book
from hyperstream.market.decimals import format_e8
from hyperstream.market.window import best_levels

from .flows import blocks
from .test_book import applier_for, apply

USER = "0x" + "1" * 40
AGGREGATIONS = [
    Aggregation(2),
    Aggregation(3),
    Aggregation(4),
    Aggregation(5),
    Aggregation(5, 2),
    Aggregation(5, 5),
]


@pytest.mark.parametrize(
    ("aggregation", "step"),
    [
        (Aggregation(5), 1),
        (Aggregation(5, 2), 2),
        (Aggregation(5, 5), 5),
        (Aggregation(4), 10),
        (Aggregation(3), 100),
        (Aggregation(2), 1000),
    ],
)
def test_the_steps_of_the_reference_for_84143(aggregation: Aggregation, step: int) -> None:
    assert aggregation.step_e8(84143 * 10**8) == step * 10**8


def test_the_step_changes_at_powers_of_ten() -> None:
    assert Aggregation(3).step_e8(99_999 * 10**8) == 100 * 10**8
    assert Aggregation(3).step_e8(100_000 * 10**8) == 1000 * 10**8


@pytest.mark.parametrize(("figures", "mantissa"), [(1, 1), (6, 1), (5, 3), (4, 2), (3, 5), (0, 1)])
def test_impossible_aggregations_are_refused(figures: int, mantissa: int) -> None:
    with pytest.raises(ValueError, match=r"significant_figures|mantissa"):
        Aggregation(figures, mantissa)


def walk(prices: list[int], aggregation: Aggregation, is_bid: bool) -> list[int]:
    """The reference's way: best to worst, a bucket opens at the first price outside the last."""
    buckets: list[int] = []
    for price in sorted(prices, reverse=is_bid):
        if buckets and (price >= buckets[-1] if is_bid else price <= buckets[-1]):
            continue
        step = aggregation.mantissa * 10 ** max(0, len(str(price)) - aggregation.significant_figures)
        buckets.append(price // step * step if is_bid else -(-price // step) * step)
    return buckets


@given(
    st.lists(st.integers(1, 10**14), min_size=1, unique=True), st.sampled_from(AGGREGATIONS), st.booleans()
)
def test_bucketing_each_price_equals_the_walk_of_the_reference(
    prices: list[int], aggregation: Aggregation, is_bid: bool
) -> None:
    sign = 1 if is_bid else -1
    keys = {aggregation.bucket_key(sign * price) for price in prices}
    assert [abs(key) for key in sorted(keys, reverse=True)] == walk(prices, aggregation, is_bid)


@given(blocks(), st.sampled_from(AGGREGATIONS))
def test_a_followed_side_equals_one_made_anew(
    flow: list[list[dict[str, Any]]], aggregation: Aggregation
) -> None:
    book = Book("BTC")
    applier = applier_for(book)
    followed = [AggregatedSide(side, aggregation) for side in book.sides()]
    for events in flow:
        apply(applier, book, events)
        for side, aggregated in zip(book.sides(), followed, strict=True):
            before = state(aggregated)
            aggregated.follow()
            assert state(aggregated) == state(AggregatedSide(side, aggregation))
            assert aggregated.keys == sorted(aggregated.levels)
            changed = {
                key
                for key in before.keys() | state(aggregated).keys()
                if before.get(key) != state(aggregated).get(key)
            }
            assert changed <= aggregated.touched
            aggregated.touched.clear()
            side.touched.clear()


def state(side: AggregatedSide) -> dict[int, tuple[str, int, int]]:
    return {key: (bucket.price, bucket.size_e8, bucket.order_count) for key, bucket in side.levels.items()}


NEAR_POWERS = st.builds(
    lambda power, offset: max(1, 10**power + offset), st.integers(0, 14), st.integers(-2_000, 2_000)
)


@given(st.sets(NEAR_POWERS | st.integers(1, 10**14), max_size=60), st.sampled_from(AGGREGATIONS))
def test_a_side_made_at_once_has_each_price_in_its_own_bucket(
    prices: set[int], aggregation: Aggregation
) -> None:
    book = Book("BTC")
    for side in book.sides():
        for oid, price in enumerate(sorted(prices)):
            side.add(oid, USER, format_e8(price), 10**8, None)
        made = AggregatedSide(side, aggregation)
        counts = Counter(aggregation.bucket_key(side.sign * price) for price in prices)
        assert {key: bucket.order_count for key, bucket in made.levels.items()} == counts
        assert all(bucket.size_e8 == bucket.order_count * 10**8 for bucket in made.levels.values())
        assert made.keys == sorted(counts)


@given(
    st.sets(NEAR_POWERS | st.integers(1, 10**14), max_size=60),
    st.sampled_from(AGGREGATIONS),
    st.integers(1, 20),
)
def test_the_best_buckets_looked_at_once_are_those_of_a_followed_side(
    prices: set[int], aggregation: Aggregation, depth: int
) -> None:
    book = Book("BTC")
    for side in book.sides():
        for oid, price in enumerate(sorted(prices)):
            side.add(oid, USER, format_e8(price), 10**8, None)
        followed = best_levels(AggregatedSide(side, aggregation), depth)
        found = best_buckets(side, aggregation, depth)
        assert [(bucket.key, bucket.price, bucket.size_e8, bucket.order_count) for bucket in found] == [
            (bucket.key, bucket.price, bucket.size_e8, bucket.order_count) for bucket in followed
        ]
