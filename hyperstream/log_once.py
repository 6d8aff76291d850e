"""Causes that may repeat a thousand times a second, logged once and then counted."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from attrs import define, field

REPEAT_SECONDS: Final = 60.0
MAX_CAUSES: Final = 1_000


@define(eq=False, repr=False)
class _Repeated:
    said_at: float
    fields: Mapping[str, object]
    count: int = 1
    unsaid: int = 0


@define(eq=False, repr=False)
class LogOnce:
    """Logs a cause when it first happens, then counts it and says the count at most once a minute.

    ``log`` is a logger of structlog; ``clock`` returns seconds that never go back (``trio.current_time``).
    Distinct causes are bounded: past ``MAX_CAUSES`` an event's further causes are counted together under the
    event itself. An ``exc_info`` is told the first time and not kept: it would keep all that its frames hold.
    """

    log: Any
    clock: Callable[[], float]
    repeat_seconds: float = REPEAT_SECONDS
    _seen: dict[tuple[str, Hashable], _Repeated] = field(init=False, factory=dict)

    def warning(self, event: str, cause: Hashable = None, **fields: object) -> None:
        """Count ``cause`` (the event itself where none is named) and log it when it is due."""
        key = event, cause
        if key not in self._seen and len(self._seen) >= MAX_CAUSES:
            key = event, None
        now = self.clock()
        repeated = self._seen.get(key)
        kept = {name: value for name, value in fields.items() if name != "exc_info"}
        if repeated is None:
            self._seen[key] = _Repeated(now, kept)
            self.log.warning(event, **fields)
            return
        repeated.count += 1
        repeated.unsaid += 1
        repeated.fields = kept
        if now - repeated.said_at >= self.repeat_seconds:
            self._say(event, repeated, now)

    def flush(self) -> None:
        """Say every count that has not been said yet: before the process ends, or now and then."""
        now = self.clock()
        for (event, _), repeated in self._seen.items():
            if repeated.unsaid:
                self._say(event, repeated, now)

    def count(self, event: str, cause: Hashable = None) -> int:
        """Return how often a cause has happened, logged or not."""
        repeated = self._seen.get((event, cause))
        return repeated.count if repeated is not None else 0

    def forget(self, event: str) -> None:
        """Let every cause of an event be news again, once things have been well."""
        for key in [key for key in self._seen if key[0] == event]:
            del self._seen[key]

    def _say(self, event: str, repeated: _Repeated, now: float) -> None:
        times, repeated.unsaid, repeated.said_at = repeated.unsaid, 0, now
        self.log.warning(event, **repeated.fields, times=times, times_in_all=repeated.count)
