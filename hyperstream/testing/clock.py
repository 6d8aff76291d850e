"""The fake chain's clock: simulated and repeatable, or the wall's."""

import time
from random import Random

BLOCK_NS = 66_000_000
WRITE_DELAY_NS = 300_000_000  # a healthy node writes a block about 0.3 s after its block time
HOUR_NS = 3_600 * 1_000_000_000
SPANS = {"hour": HOUR_NS, "day": 24 * HOUR_NS}


class Clock:
    """Gives block times and local times, each later than the one before.

    Simulated: a block comes every 66 ms or so, and local time is block time plus about 0.3 s.
    Following the wall: local time is now, and block time 0.3 s earlier.
    """

    def __init__(self, start_ns: int | None, rng: Random) -> None:
        self._rng = rng
        self._block_ns = time.time_ns() - WRITE_DELAY_NS if start_ns is None else start_ns - BLOCK_NS
        self._local_ns = 0
        self._skew_ns = 0
        self.follows_wall = False

    def next_block(self) -> int:
        """Advance to the next block and return its time in nanoseconds."""
        if self.follows_wall:
            self._block_ns = max(self._block_ns + 1, time.time_ns() + self._skew_ns - WRITE_DELAY_NS)
        else:
            self._block_ns += BLOCK_NS + self._rng.randrange(-6_000_000, 6_000_000)
            delay = WRITE_DELAY_NS + self._rng.randrange(0, 60_000_000)
            self._local_ns = max(self._local_ns, self._block_ns + delay)
        return self._block_ns

    def next_local(self, at_most_ns: int) -> int:
        """Return the local time of the next line, at most so much after the last one when simulated."""
        if self.follows_wall:
            self._local_ns = max(self._local_ns + 1, time.time_ns() + self._skew_ns)
        else:
            self._local_ns += 1 + int(self._rng.random() * at_most_ns)
        return self._local_ns

    def stall(self, seconds: float) -> None:
        """Let time pass without blocks (the wall passes by itself)."""
        if not self.follows_wall:
            self._block_ns += int(seconds * 1_000_000_000)

    def roll_over(self, to: str) -> None:
        """Jump so that the next line is written in the next ``hour`` or ``day``, UTC."""
        span = SPANS[to]
        now = time.time_ns() + self._skew_ns if self.follows_wall else self._local_ns
        boundary = (now // span + 1) * span
        if self.follows_wall:
            self._skew_ns += boundary - now
        else:
            self._block_ns = boundary - WRITE_DELAY_NS
