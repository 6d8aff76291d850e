"""A series has the same values for everybody, whenever they came and whatever was remembered by then."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from .price_world import SYMBOL, VENUE, PriceWorld, bars, indicator


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from([0.05, 0.3, 0.7, 1.0, 2.5])), min_size=1, max_size=40
    ),
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
)
def test_indicators_on_bars_have_the_same_values_whoever_came_when(
    steps: list[tuple[int, float]], joins: list[int]
) -> None:
    names = indicator("sma:1@1s"), indicator("ema:3@1s"), indicator("atr:2@1s"), indicator("cumsum@1s")
    told: list[dict[tuple[str, bool], Any]] = []
    for join in joins:
        world = PriceWorld(standing=[(VENUE, SYMBOL)])
        for price, seconds in steps[:join]:
            world.trade(price, seconds)
        follower = world.follow(*names)
        events = follower.indicators()
        for price, seconds in steps[join:]:
            world.trade(price, seconds)
            events += follower.indicators()
        told.append({(event.key, event.forming): shown(event) for event in events})
    assert all(each == told[0] for each in told)


def shown(event: Any) -> tuple[Any, ...]:
    """What an indicator's event says, but for how it was sent."""
    values = [value.value for value in event.values]
    return values, event.warming, event.have, event.need, event.bar_start_time_ns


def test_a_first_bar_that_began_before_it_was_followed_is_told_and_no_indicator_counts_it() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1s"), indicator("sma:1@1s"))
    told = []
    for price, seconds in ((100.0, 0.5), (101.0, 0.4), (102.0, 0.6), (103.0, 1.0)):
        world.trade(price, seconds)
        told += follower.take()
    closed = [(event.bar.close, event.bar.incomplete) for event in told if event.bar.closed]
    assert closed == [("101.00", True), ("102.00", False)]
    standing = [
        event.indicator for event in told if event.HasField("indicator") and not event.indicator.forming
    ]
    assert [shown(each)[:2] for each in standing] == [([], True), ([], True), ([102.0], False)]
    forming = [event.indicator for event in told if event.indicator.forming]
    assert [shown(each)[0] for each in forming] == [[], [], [102.0], [103.0]]
