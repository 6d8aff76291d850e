"""A series has the same values for everybody, whenever they came and whatever was remembered by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.venues import Channel, FeedGap, FeedTopic

from .price_world import SYMBOL, VENUE, PriceWorld, bars, indicator, trade


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


def bars_followed_from(join: int, happens: Mapping[int, Callable[[PriceWorld], object]]) -> list[Any]:
    """The newest closed bar and the forming one after eight trades, for who came after so many of them.

    After a trade of some number something else happens too.
    """
    world = PriceWorld(standing=[(VENUE, SYMBOL)])
    follower = None
    for number in range(8):
        if number == join:
            follower = world.follow(bars("1s"))
        world.trade(100.0 + number, 0.5)
        world.engine.flush()
        happens.get(number, id)(world)
    follower = follower or world.follow(bars("1s"))
    return sorted((float(bar.close), bar.closed, bar.incomplete) for bar in follower.bars())


@pytest.mark.parametrize("join", range(9))
def test_a_bar_asked_for_after_a_gap_is_as_incomplete_as_one_that_was_followed_through_it(join: int) -> None:
    gap = FeedGap(VENUE, (FeedTopic(VENUE, Channel.TRADES, SYMBOL),), 0, "connection", "lost")
    told = bars_followed_from(join, {5: lambda world: world.engine.apply([gap])})
    assert told == [(106.0, True, True), (107.0, False, False)]


@pytest.mark.parametrize("join", range(9))
def test_a_trade_far_ahead_of_the_time_is_believed_by_no_bar_whenever_it_was_asked_for(join: int) -> None:
    def tell_early(world: PriceWorld) -> None:
        world.engine.apply([trade(1.0, world.now_ns + 3_600_000_000_000, 99)])

    told = bars_followed_from(join, {2: tell_early, 5: tell_early})
    assert [(close, is_closed) for close, is_closed, _ in told] == [(106.0, True), (107.0, False)]


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
