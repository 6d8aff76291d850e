"""Sliding windows: so many in so many seconds."""

from collections import deque

from attrs import define, field


@define(eq=False)
class Window:
    """At most ``limit`` units in any ``seconds``; a limit of 0 is none."""

    limit: int
    seconds: float
    _taken: deque[tuple[float, int]] = field(factory=deque, init=False)
    _used: int = field(default=0, init=False)

    def used(self, now: float) -> int:
        """Return how many were taken in the last ``seconds``."""
        while self._taken and self._taken[0][0] <= now - self.seconds:
            self._used -= self._taken.popleft()[1]
        return self._used

    def take(self, now: float, units: int = 1) -> bool:
        """Take some; False, and nothing is taken, if that were too many."""
        if not self.limit:
            return True
        if self.used(now) + units > self.limit:
            return False
        self._taken.append((now, units))
        self._used += units
        return True

    def wait_seconds(self, now: float) -> float:
        """Return how long it takes until the oldest units are free again."""
        self.used(now)
        return self._taken[0][0] + self.seconds - now if self._taken else 0.0


@define(eq=False)
class Windows:
    """One window for each key, a client's address for example."""

    limit: int
    seconds: float
    _windows: dict[str, Window] = field(factory=dict, init=False)

    def __getitem__(self, key: str) -> Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(self.limit, self.seconds)
        return window
