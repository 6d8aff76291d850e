"""A task that holds the others up is named."""

import pytest
import structlog
import trio

from hyperstream import slow_steps
from hyperstream.slow_steps import SlowStepLog, StepStatistics


async def test_a_long_step_is_counted_and_logged_with_its_tasks_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter([0.0, 0.001, 10.0, 10.5])
    log = SlowStepLog()

    async def busy() -> None:
        await trio.lowlevel.checkpoint()

    with structlog.testing.capture_logs() as entries:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy, name="a busy one")
            task = next(iter(nursery.child_tasks))
            monkeypatch.setattr(slow_steps, "perf_counter", lambda: next(moments))
            for _ in range(2):
                log.before_task_step(task)
                log.after_task_step(task)
    assert [(entry["task"], entry["milliseconds"]) for entry in entries] == [("a busy one", 500.0)]
    assert log.statistics() == StepStatistics(1, 0.5, "a busy one")


async def test_it_works_as_an_instrument() -> None:
    log = SlowStepLog()
    with log:
        await trio.lowlevel.checkpoint()
    assert log.statistics().long_steps == 0
