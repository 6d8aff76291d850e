"""A token bucket: so many at once, so many a second after that."""

from __future__ import annotations

from attrs import define, field

_DUST = 1e-9  # of a token: what floats lose must not cost another wait of no time at all


@define(eq=False, repr=False)
class TokenBucket:
    """Holds at most ``burst`` tokens and gains ``per_second``; None is no limit.

    Time is handed in, in seconds; a clock that stands still or goes back gives nothing. What cannot wait is
    taken without asking (``owe``), and the debt is paid by what can.
    """

    per_second: float | None
    burst: float
    _tokens: float = field(init=False)
    _since: float | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._tokens = float(self.burst)

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take tokens if there are enough; False, and nothing taken, if there are not."""
        if self._wait(now, tokens) > 0.0:
            return False
        self._tokens -= tokens
        return True

    def owe(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens even if there are too few; returns the seconds until the debt is paid off."""
        self._wait(now, tokens)
        self._tokens -= tokens
        return self._wait(now, 0.0)

    def delay(self, now: float) -> float:
        """Return the seconds until there is a token; 0 if there is one now."""
        return self._wait(now, 1.0)

    def _wait(self, now: float, tokens: float) -> float:
        """Fill up, and return the seconds until there are so many tokens."""
        if self.per_second is None:
            self._tokens = float(self.burst)
            return 0.0
        since = now if self._since is None else self._since
        self._tokens = min(self.burst, self._tokens + max(0.0, now - since) * self.per_second)
        self._since = max(now, since)
        missing = tokens - self._tokens
        return missing / self.per_second if missing > _DUST else 0.0
