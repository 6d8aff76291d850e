"""What grpclib and asyncio log about peers, at most once a minute for each cause.

Both write a line, some with a traceback, for things that a stranger can make happen as often as he likes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

LOGGERS = ("asyncio", "grpclib.server", "grpclib.protocol")
REPEAT_SECONDS = 60.0


@define(eq=False)
class RareRecords(logging.Filter):
    """Lets a record pass if its like was not logged for REPEAT_SECONDS; counts them all."""

    counts: Counter[str]
    clock: Callable[[], float]
    _said_at: dict[tuple[str, str], float] = field(init=False, factory=dict)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it. Like means: the same sentence about the same type of exception."""
        exc_type = record.exc_info[0] if record.exc_info else None
        cause = (str(record.msg), exc_type.__name__ if exc_type else "")
        if record.levelno >= logging.WARNING:
            self.counts[f"{record.name}: {record.msg}"] += 1
        now = self.clock()
        is_due = now - self._said_at.get(cause, -REPEAT_SECONDS) >= REPEAT_SECONDS
        if is_due:
            self._said_at[cause] = now
        return is_due


@contextmanager
def rare_records(counts: Counter[str], clock: Callable[[], float]) -> Iterator[None]:
    """Filter the libraries' loggers inside the block."""
    rare = RareRecords(counts, clock)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(rare)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(rare)
