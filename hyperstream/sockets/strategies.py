"""When to try again: how long to wait before each attempt to reconnect.

A strategy is any object with ``delay(attempt)``. Attempts count from 1 and start anew once a
connection has been healthy for a while (`SocketConfig.healthy_seconds`).
"""

from __future__ import annotations

import random
from typing import Protocol

from attrs import field, frozen

from hyperstream.errors import ConfigurationError


class ReconnectStrategy(Protocol):
    """What a connection asks when it was lost or could not be made."""

    def delay(self, attempt: int) -> float | None:
        """Return the seconds to wait before attempt ``attempt`` (from 1); None gives up for good."""


@frozen
class ExponentialBackoff:
    """Full jitter: a random wait between 0 and min(cap, base·2^(attempt-1)), so that clients spread out.

    The formula is "Full Jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter". The wait
    is never below ``floor_seconds``, which keeps a venue's limit on new connections.
    """

    base_seconds: float = 0.5
    cap_seconds: float = 30.0
    floor_seconds: float = 0.0
    rng: random.Random = field(factory=random.Random, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.base_seconds <= 0:
            raise ConfigurationError(f"base_seconds is {self.base_seconds}: it must be above 0")
        if not 0 <= self.floor_seconds <= self.cap_seconds or self.base_seconds > self.cap_seconds:
            raise ConfigurationError(
                f"floor {self.floor_seconds} s, base {self.base_seconds} s, cap {self.cap_seconds} s: "
                "floor and base must not be above the cap"
            )

    def delay(self, attempt: int) -> float:
        """Return a random wait in seconds."""
        doublings = min(max(attempt, 1) - 1, 64)
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0**doublings)
        return max(self.floor_seconds, self.rng.uniform(0, ceiling))


@frozen
class FixedDelay:
    """The same wait before every attempt."""

    seconds: float = 1.0

    def __attrs_post_init__(self) -> None:
        if self.seconds < 0:
            raise ConfigurationError(f"the delay is {self.seconds} s: it must not be negative")

    def delay(self, attempt: int) -> float:  # noqa: ARG002 - every attempt waits the same
        """Return the wait in seconds."""
        return self.seconds


@frozen
class Never:
    """One connection, and no other: a loss ends it."""

    def delay(self, attempt: int) -> None:
        """Give up."""
