"""Troubles that may repeat thousands of times a second: counted always, told once per cause."""

from collections import Counter
from collections.abc import Callable
from typing import Any

Tell = Callable[..., Any]


class Complaints:
    """Counts every trouble and hands the first of each cause on to ``tell``.

    ``tell`` takes the event sentence and fields (a structlog method such as ``log.warning``).
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.counts: Counter[str] = Counter()

    def about(self, cause: str, event: str, **fields: Any) -> None:
        """Count ``cause``; tell ``event`` with its fields if it is the first of that cause."""
        self.counts[cause] += 1
        if self.counts[cause] == 1:
            self._tell(event, **fields)

    def settled(self, cause: str) -> None:
        """Forget a cause that is over, so that its next occurrence is told again."""
        self.counts.pop(cause, None)
