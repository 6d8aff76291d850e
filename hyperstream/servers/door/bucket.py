"""A token bucket: so many at once, so many a second after that."""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class TokenBucket:
    """Holds at most ``burst`` tokens and gains ``per_second``. Time is handed in, in seconds."""

    per_second: float
    burst: float
    _tokens: float = field(init=False)
    _since: float | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._tokens = self.burst

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take tokens if there are enough; False, and nothing taken, if there are not."""
        self._refill(now)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def owe(self, now: float, tokens: float) -> float:
        """Take tokens even if there are too few; returns the seconds until the debt is paid off."""
        self._refill(now)
        self._tokens -= tokens
        return max(0.0, -self._tokens / self.per_second)

    def _refill(self, now: float) -> None:
        if self._since is not None:
            gained = max(0.0, now - self._since) * self.per_second
            self._tokens = min(self.burst, self._tokens + gained)
        self._since = now
