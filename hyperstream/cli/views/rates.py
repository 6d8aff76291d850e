"""How much per second, and how long: both over what is recent, with the time handed in."""

from collections import deque

from attrs import define, field

from hyperstream.cli.views.numbers import SECOND

_BUCKET_NS = SECOND // 4


@define(eq=False)
class Rate:
    """Amounts per second over the last ``window_seconds``, in buckets of a quarter second."""

    window_seconds: float = 5.0
    total: float = 0.0
    _started_ns: int | None = None
    _buckets: deque[tuple[int, float]] = field(factory=deque)

    def add(self, amount: float, now_ns: int) -> None:
        """Count an amount that happened now."""
        self.total += amount
        if self._started_ns is None:
            self._started_ns = now_ns
        bucket = now_ns // _BUCKET_NS
        if self._buckets and self._buckets[-1][0] == bucket:
            self._buckets[-1] = (bucket, self._buckets[-1][1] + amount)
        else:
            self._buckets.append((bucket, amount))
            self._forget(bucket)

    def per_second(self, now_ns: int) -> float:
        """Return the mean over the window, or over the time since the first amount while that is shorter."""
        if self._started_ns is None:
            return 0.0
        self._forget(now_ns // _BUCKET_NS)
        span = min(self.window_seconds, max(0.25, (now_ns - self._started_ns) / SECOND))
        return sum(amount for _, amount in self._buckets) / span

    def _forget(self, bucket: int) -> None:
        oldest = bucket - int(self.window_seconds * SECOND) // _BUCKET_NS
        while self._buckets and self._buckets[0][0] <= oldest:
            self._buckets.popleft()


@define(eq=False)
class Percentiles:
    """Percentiles of the last ``capacity`` values; ``count`` counts all there ever were."""

    capacity: int = 4_096
    count: int = 0
    _values: deque[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._values = deque(maxlen=self.capacity)

    def add(self, value: int) -> None:
        """Take a value."""
        self.count += 1
        self._values.append(value)

    def at(self, *percents: float) -> list[int] | None:
        """Return the values at these percentages (50 is the median); None while there are none."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        return [ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] for percent in percents]
