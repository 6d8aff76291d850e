"""Names the task that held everybody else up.

The daemon is one thread: while one task computes, all others wait. A step is what a task does between
two checkpoints; one that takes longer than ``LONG_STEP_SECONDS`` is a latency for every subscriber, so it is
logged with the task's name, once a minute for each name at most.
"""

from __future__ import annotations

from math import inf
from time import perf_counter

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.log_once import LogOnce

LONG_STEP_SECONDS = 0.02


@frozen
class StepStatistics:
    """How many steps were too long, and the longest of all with its task's name."""

    long_steps: int
    longest_seconds: float
    longest_task: str


@define(eq=False)
class SlowStepLog(trio.abc.Instrument):
    """Measures every step of every task inside ``with``; costs a third of a microsecond a step."""

    long_steps: int = 0
    longest_seconds: float = 0.0
    longest_task: str = ""
    _begun: float = inf  # until the first whole step
    _log: LogOnce = field(
        factory=lambda: LogOnce(structlog.get_logger("hyperstream.steps"), trio.current_time)
    )

    def __enter__(self) -> None:
        trio.lowlevel.add_instrument(self)

    def __exit__(self, *_: object) -> None:
        trio.lowlevel.remove_instrument(self)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - Trio's interface
        """A task goes on."""
        self._begun = perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It came to its next checkpoint."""
        seconds = perf_counter() - self._begun
        if seconds < LONG_STEP_SECONDS:
            return
        self.long_steps += 1
        if seconds > self.longest_seconds:
            self.longest_seconds = seconds
            self.longest_task = task.name
        self._log.warning(
            "a step took long", cause=task.name, task=task.name, milliseconds=round(seconds * 1e3, 1)
        )

    def statistics(self) -> StepStatistics:
        """What was measured so far."""
        return StepStatistics(self.long_steps, self.longest_seconds, self.longest_task)
