"""The venue's time is estimated from what its messages carry, and one odd message moves nothing."""

from __future__ import annotations

from hyperstream.engine.prices.venue_clock import VenueClock
from hyperstream.market.venues import VenueBar

SECOND = 1_000_000_000


def bar(start: int, *, is_closed: bool, receive: int) -> VenueBar:
    numbers = ("1", "1", "1", "1", "1", "1")
    times = (start * SECOND, (start + 60) * SECOND)
    return VenueBar("bybit", "X", "1m", *times, *numbers, 1, is_closed, receive * SECOND)


def test_without_a_message_it_is_our_own() -> None:
    assert VenueClock().now(77) == 77


def test_it_goes_on_from_the_newest_message_with_our_clock() -> None:
    clock = VenueClock()
    clock.see(100 * SECOND, 900 * SECOND)
    assert clock.now(900 * SECOND) == 100 * SECOND
    assert clock.now(905 * SECOND) == 105 * SECOND
    clock.see(0, 910 * SECOND)  # carries no time
    assert clock.now(910 * SECOND) == 110 * SECOND


def test_one_message_with_a_time_far_ahead_moves_nothing() -> None:
    clock = VenueClock()
    for second in range(3):
        clock.see((100 + second) * SECOND, (100 + second) * SECOND)
        assert clock.now((100 + second) * SECOND) == (100 + second) * SECOND
    clock.see(90_000 * SECOND, 103 * SECOND)
    assert clock.now(103 * SECOND) == 103 * SECOND
    clock.see(104 * SECOND, 104 * SECOND)
    assert clock.now(104 * SECOND) == 104 * SECOND


def test_bars_tell_the_time_as_far_as_they_know_it() -> None:
    clock = VenueClock()
    clock.see_bar(bar(0, is_closed=False, receive=30))
    assert clock.now(30 * SECOND) == 30 * SECOND
    clock = VenueClock()
    clock.see_bar(bar(0, is_closed=False, receive=5_000))  # a venue whose clock is far behind
    assert clock.now(5_000 * SECOND) == 60 * SECOND
    clock = VenueClock()
    clock.see_bar(bar(0, is_closed=True, receive=61))
    assert clock.now(61 * SECOND) == 61 * SECOND
    clock = VenueClock()
    clock.see_bar(bar(6_000, is_closed=True, receive=61))  # far ahead
    assert clock.now(61 * SECOND) == 6_060 * SECOND
