"""A side of an exchange's book: exact keys, order, and bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import DecimalError
from hyperstream.market.venue_levels import VenueSide

levels = st.lists(st.tuples(st.integers(1, 30).map(str), st.sampled_from(["0", "0.000", "1", "2.50"])))


@given(st.sampled_from([1, -1]), levels, st.lists(levels), st.integers(0, 12))
def test_a_side_is_the_naive_one(
    sign: int, first: list[tuple[str, str]], changes: list[list[tuple[str, str]]], depth: int
) -> None:
    side, naive = VenueSide(sign), dict[str, str]()
    side.replace(first)
    for batch in (first, *changes):
        if batch is not first:
            side.apply(batch)
        for price, size in batch:
            if float(size):
                naive[price] = size
            elif batch is not first:
                naive.pop(price, None)
        expected = sorted(naive.items(), key=lambda level: -sign * int(level[0]))
        assert side.top(depth) == expected[:depth]
        assert len(side) == len(naive)


@pytest.mark.parametrize("sign", [1, -1])
def test_beyond_its_bound_a_side_forgets_the_worst(sign: int) -> None:
    side = VenueSide(sign, max_levels=3)
    side.replace([(str(price), "1") for price in range(1, 6)])
    side.apply([("6", "1"), ("7", "1")])
    best = ["7", "6", "5"] if sign == 1 else ["1", "2", "3"]
    assert [price for price, _ in side.top(10)] == best


def test_a_price_spelled_differently_is_the_same_level() -> None:
    side = VenueSide(1)
    side.replace([("1.50", "1")])
    side.apply([("1.5", "2")])
    assert side.top(5) == [("1.5", "2")]


@pytest.mark.parametrize("bad", [[("1", "x")], [("1",)], [("1", "1", "1")], [(1, "1")], [5]])
def test_unusable_levels_are_an_error(bad: list[object]) -> None:
    side = VenueSide(1)
    with pytest.raises((DecimalError, ValueError, TypeError)):
        side.replace(bad)  # type: ignore[arg-type] # what a venue may send
    assert side.top(5) == []
    with pytest.raises((DecimalError, ValueError, TypeError)):
        side.apply(bad)  # type: ignore[arg-type] # as above
