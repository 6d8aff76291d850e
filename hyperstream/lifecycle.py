"""Drain, then force: how the daemon ends.

The first SIGTERM or SIGINT drains: nothing new is let in, what is under way is finished, and one
deadline is set. The second signal, or the deadline, forces: one cancel scope ends what is left.
Only this scope knows the deadline. A crash is neither: it passes through and the process exits
non-zero.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import IntEnum

import structlog
import trio
from attrs import define, field

from hyperstream.early_signals import early_signals

log = structlog.get_logger("hyperstream.lifecycle")

# Wrappers such as timeout(1) signal the process and then its group: one wish, told twice.
SAME_SIGNAL_SECONDS = 0.1


class ExitCode(IntEnum):
    """What the process exits with."""

    DRAINED = 0
    FORCED = 1
    BAD_CONFIGURATION = 2


@define(eq=False)
class Lifecycle:
    """The one place that knows whether the daemon is running, draining or being forced to end.

    ``force_scope`` is entered round everything else; ``reload`` is what SIGHUP asks for.
    """

    drain_seconds: float
    now_ns: Callable[[], int]
    reload: Callable[[], None] = lambda: None
    force_scope: trio.CancelScope = field(factory=trio.CancelScope)
    deadline_ns: int = 0
    _draining: trio.Event = field(factory=trio.Event)

    @property
    def is_draining(self) -> bool:
        """Whether the end has begun."""
        return self._draining.is_set()

    async def wait_draining(self) -> None:
        """Wait until the end begins."""
        await self._draining.wait()

    def drain(self, reason: str) -> None:
        """Begin to end; only the first call counts."""
        if self.is_draining:
            return
        log.info("draining", reason=reason, seconds=self.drain_seconds)
        self.deadline_ns = self.now_ns() + int(self.drain_seconds * 1_000_000_000)
        self.force_scope.deadline = trio.current_time() + self.drain_seconds
        self._draining.set()

    def force(self, reason: str) -> None:
        """End now."""
        log.warning("ending at once", reason=reason)
        self.force_scope.cancel(reason=reason)

    def _is_echo(self) -> bool:
        """Whether a signal comes so soon after the first that it is the same wish."""
        begun = self.force_scope.deadline - self.drain_seconds
        return trio.current_time() - begun < SAME_SIGNAL_SECONDS

    async def obey_signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drain at the first SIGTERM or SIGINT, force at the second; SIGHUP reloads. Until cancelled."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            early_signals.hand_over()
            task_status.started()
            async for number in received:
                name = signal.Signals(number).name
                if number == signal.SIGHUP:
                    self.reload()
                elif not self.is_draining:
                    self.drain(name)
                elif not self._is_echo():
                    self.force(f"second signal ({name})")

    def exit_code(self) -> ExitCode:
        """What the process should exit with, once ``force_scope`` has been left."""
        return ExitCode.FORCED if self.force_scope.cancelled_caught else ExitCode.DRAINED
