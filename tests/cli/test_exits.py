"""How commands end: the exit code, and what a person reads when something failed."""

import io
from collections.abc import Iterator

import pytest
import trio

from hyperstream.cli.exits import DRAINED, FAILED, MISCONFIGURED, leaves, run_to_exit_code
from hyperstream.config import LogSettings
from hyperstream.errors import ConfigurationError, LayoutError
from hyperstream.logs import reset, set_up


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Return what is logged, as text."""
    stream = io.StringIO()
    set_up(LogSettings(format="text"), stream=stream)
    yield stream
    reset()


def test_what_main_returns_is_the_exit_code(told: io.StringIO) -> None:
    async def main(code: int) -> int:
        await trio.lowlevel.checkpoint()
        return code

    assert run_to_exit_code(main, DRAINED) == 0
    assert run_to_exit_code(main, FAILED) == 1
    assert told.getvalue() == ""


def test_a_crash_deep_in_the_tree_is_told_by_its_own_traceback_only(told: io.StringIO) -> None:
    async def parse_block() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("block_number")

    async def service() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(parse_block)

    async def main() -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(service)
        return 0

    assert run_to_exit_code(main) == FAILED
    text = told.getvalue()
    assert "crashed" in text
    assert "KeyError: 'block_number'" in text
    assert "in parse_block" in text
    assert "ExceptionGroup" not in text
    assert "trio/_core" not in text


def test_the_cause_of_a_crash_is_told(told: io.StringIO) -> None:
    async def main() -> int:
        await trio.lowlevel.checkpoint()
        try:
            raise OSError("disk gone")
        except OSError as exc:
            raise RuntimeError("cannot go on") from exc

    assert run_to_exit_code(main) == FAILED
    assert "OSError: disk gone" in told.getvalue()
    assert "RuntimeError: cannot go on" in told.getvalue()


def test_several_crashes_are_all_told_but_not_endlessly(told: io.StringIO) -> None:
    async def main() -> int:
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("all", [ValueError(f"number {number}") for number in range(8)])

    assert run_to_exit_code(main) == FAILED
    assert told.getvalue().count("ValueError: number") == 5
    assert "… and 3 more" in told.getvalue()


def test_a_deliberate_error_is_told_in_its_own_words(told: io.StringIO) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise LayoutError("the node writes one event per line; start it with --batch-by-block")

    async def main() -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail)
        return 0

    assert run_to_exit_code(main) == FAILED
    assert "start it with --batch-by-block" in told.getvalue()
    assert "Traceback" not in told.getvalue()


def test_a_bad_configuration_found_late_still_exits_with_2(told: io.StringIO) -> None:
    async def main() -> int:
        await trio.lowlevel.checkpoint()
        raise ConfigurationError("127.0.0.1:50051 is taken")

    assert run_to_exit_code(main) == MISCONFIGURED
    assert "127.0.0.1:50051 is taken" in told.getvalue()


def test_a_bug_beside_a_deliberate_error_is_a_crash(told: io.StringIO) -> None:
    async def main() -> int:
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("both", [ConfigurationError("taken"), ZeroDivisionError("odd")])

    assert run_to_exit_code(main) == FAILED
    assert "ZeroDivisionError: odd" in told.getvalue()


def test_an_interrupt_before_signals_are_handled_is_no_crash(told: io.StringIO) -> None:
    async def main() -> int:
        await trio.lowlevel.checkpoint()
        raise KeyboardInterrupt

    assert run_to_exit_code(main) == FAILED
    assert "interrupted" in told.getvalue()
    assert "Traceback" not in told.getvalue()


def test_leaves_are_found_at_every_depth() -> None:
    first, second = ValueError("1"), KeyboardInterrupt()
    group = BaseExceptionGroup("outer", [ExceptionGroup("inner", [first]), second])
    assert leaves(group) == [first, second]
    assert leaves(first) == [first]
