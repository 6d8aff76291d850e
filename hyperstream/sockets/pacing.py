"""A token bucket for messages, and causes that are logged once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

import structlog
from attrs import define, field

REPEAT_SECONDS: Final = 60.0
MAX_CAUSES: Final = 200


@define(eq=False, repr=False)
class TokenBucket:
    """At most ``rate`` messages a second, of which ``burst`` may go at once; a rate of None is no limit.

    Time is handed in, in seconds. What must go at once (pongs) is taken without asking; the debt is then
    paid by what can wait.
    """

    rate: float | None
    burst: int
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._tokens = float(self.burst)

    def delay(self, now: float) -> float:
        """Return the seconds until a message may go; 0 if it may now."""
        if self.rate is None:
            return 0.0
        self._fill(now)
        # A float's dust must not cost another wait of no time at all.
        return (1.0 - self._tokens) / self.rate if self._tokens < 1.0 - 1e-9 else 0.0

    def take(self, now: float) -> None:
        """Count one message, whether there is a token or not."""
        if self.rate is not None:
            self._fill(now)
            self._tokens -= 1.0

    def _fill(self, now: float) -> None:
        assert self.rate is not None
        self._tokens = min(float(self.burst), self._tokens + max(0.0, now - self._filled_at) * self.rate)
        self._filled_at = max(now, self._filled_at)


@define(eq=False, repr=False)
class _Seen:
    said_at: float
    count: int = 1
    unsaid: int = 0


@define(eq=False, repr=False)
class Causes:
    """Logs a cause when it first happens, and then how often it did, at most once a minute.

    Distinct causes are bounded: past `MAX_CAUSES` all others of an event are counted as one.
    """

    log: Any
    clock: Callable[[], float]
    _seen: dict[tuple[str, Hashable], _Seen] = field(factory=dict)

    def warning(self, event: str, cause: Hashable, **fields: object) -> None:
        """Count a cause of an event, and log it when it is due."""
        key = event, cause
        if key not in self._seen and len(self._seen) >= MAX_CAUSES:
            key = event, None
        now = self.clock()
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(now)
            self.log.warning(event, **fields)
            return
        seen.count += 1
        seen.unsaid += 1
        if now - seen.said_at >= REPEAT_SECONDS:
            fields.pop("exc_info", None)
            self.log.warning(event, **fields, times=seen.unsaid, times_in_all=seen.count)
            seen.unsaid, seen.said_at = 0, now

    def forget(self, event: str) -> None:
        """Let every cause of an event be news again, once things have been well."""
        for key in [key for key in self._seen if key[0] == event]:
            del self._seen[key]


def cause_of(error: BaseException) -> Hashable:
    """Return what makes an error the same as another: its type, and where it was raised."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    where = (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno) if traceback is not None else None
    return type(error), where


def logger(name: str) -> Any:
    """Return the room's logger, which says a connection's name with everything."""
    return structlog.get_logger("hyperstream.sockets", connection=name)
