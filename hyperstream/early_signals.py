"""Signals that come while the daemon still loads: nothing has been started, so it ends at once with 0.

Loading takes some tenths of a second, so these handlers are set before anything else is imported. They are
handed over when ``lifecycle.py`` has its own in place, and what reaches these again after those have
gone is too late to change how the daemon ends.
"""

import os
import signal
from types import FrameType


class EarlySignals:
    """Obeys SIGTERM and SIGINT until they are handed over; SIGHUP finds nothing to reload."""

    def __init__(self) -> None:
        self._is_loading = True

    def obey(self) -> None:
        """From now on signals end the process calmly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def hand_over(self) -> None:
        """Somebody else obeys signals: from now on these do nothing."""
        self._is_loading = False

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_loading:
            os._exit(0)  # an exception could be caught by whatever is being imported


early_signals = EarlySignals()
