"""How long to wait before each attempt."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import ConfigurationError
from hyperstream.sockets import ExponentialBackoff, FixedDelay, Never


class Highest(random.Random):
    """Always draws the upper bound: shows the ceiling of a jitter."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_backoff_doubles_up_to_its_cap() -> None:
    backoff = ExponentialBackoff(0.5, 30.0, rng=Highest())
    assert [backoff.delay(n) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(st.integers(-5, 10_000), st.integers(0, 2**32))
def test_the_jitter_is_full_and_never_leaves_its_bounds(attempt: int, seed: int) -> None:
    backoff = ExponentialBackoff(0.5, 30.0, floor_seconds=0.1, rng=random.Random(seed))
    ceiling = ExponentialBackoff(0.5, 30.0, rng=Highest()).delay(attempt)
    assert 0.1 <= backoff.delay(attempt) <= ceiling <= 30


def test_the_jitter_spreads_over_the_whole_range() -> None:
    backoff = ExponentialBackoff(1.0, 1.0, rng=random.Random(7))
    drawn = sorted(backoff.delay(1) for _ in range(1000))
    assert drawn[0] < 0.01
    assert drawn[-1] > 0.99
    assert 0.4 < drawn[500] < 0.6


def test_a_fixed_delay_is_fixed_and_never_gives_up() -> None:
    assert [FixedDelay(2.0).delay(n) for n in (1, 2, 1000)] == [2.0, 2.0, 2.0]


def test_never_gives_up_at_once() -> None:
    strategy = Never()
    assert all(delay is None for delay in map(strategy.delay, (1, 2)))


@pytest.mark.parametrize(
    "settings",
    [
        {"base_seconds": 0.0},
        {"base_seconds": 31.0},
        {"floor_seconds": 31.0},
        {"floor_seconds": -1.0},
    ],
)
def test_an_impossible_backoff_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ExponentialBackoff(**settings)


def test_a_negative_delay_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must not be negative"):
        FixedDelay(-1.0)
