"""Causes that repeat: logged once, then counted, told now and then, and bounded."""

import gc
import weakref
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from hyperstream.log_once import MAX_CAUSES, LogOnce


class Odd(Exception):
    pass


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said() -> CapturingLogger:
    return CapturingLogger()


def events(said: CapturingLogger) -> list[tuple[Any, ...]]:
    return [(call.args[0], call.kwargs) for call in said.calls]


def test_a_cause_is_logged_once_and_then_counted(said: CapturingLogger) -> None:
    clock = Clock()
    once = LogOnce(said, clock)
    for height in range(1000):
        once.warning("line skipped", height=height)
    assert events(said) == [("line skipped", {"height": 0})]
    assert once.count("line skipped") == 1000


def test_a_repeated_cause_is_told_again_after_a_minute_with_its_count(said: CapturingLogger) -> None:
    clock = Clock()
    once = LogOnce(said, clock)
    once.warning("line skipped", height=0)
    for height in range(1, 6):
        clock.now = 59.0 if height < 5 else 60.0
        once.warning("line skipped", height=height)
    assert events(said)[1:] == [("line skipped", {"height": 5, "times": 5, "times_in_all": 6})]
    once.warning("line skipped", height=6)
    assert len(said.calls) == 2, "the minute begins anew"


def test_causes_are_told_apart(said: CapturingLogger) -> None:
    once = LogOnce(said, Clock())
    for symbol in ("BTC", "ETH", "BTC"):
        once.warning("market doubtful", cause=symbol, symbol=symbol)
    assert [fields["symbol"] for _, fields in events(said)] == ["BTC", "ETH"]
    assert once.count("market doubtful", "BTC") == 2
    assert once.count("never happened") == 0


def test_flush_says_what_was_only_counted(said: CapturingLogger) -> None:
    once = LogOnce(said, Clock())
    once.warning("seen once")
    once.warning("seen twice")
    once.warning("seen twice")
    once.flush()
    once.flush()
    assert events(said)[2:] == [("seen twice", {"times": 1, "times_in_all": 2})]


def test_endless_causes_are_bounded_and_still_counted(said: CapturingLogger) -> None:
    once = LogOnce(said, Clock())
    for cause in range(MAX_CAUSES + 500):
        once.warning("odd line", cause=cause)
    assert len(said.calls) == MAX_CAUSES + 1
    assert once.count("odd line") == 500


def test_a_cause_is_news_again_once_things_have_been_well(said: CapturingLogger) -> None:
    once = LogOnce(said, Clock())
    for event in ("cannot connect", "another"):
        once.warning(event, "a")
    once.forget("cannot connect")
    for event in ("cannot connect", "another"):
        once.warning(event, "a")
    assert [event for event, _ in events(said)] == ["cannot connect", "another", "cannot connect"]


def test_an_error_is_told_the_first_time_and_not_kept(said: CapturingLogger) -> None:
    clock = Clock()
    once = LogOnce(said, clock)
    error = Odd("what its traceback holds is held as long as it")
    for clock.now in (0.0, 60.0):
        once.warning("a handler failed", exc_info=error, route="a")
    assert [sorted(fields) for _, fields in events(said)] == [
        ["exc_info", "route"],
        ["route", "times", "times_in_all"],
    ]
    is_alive = weakref.ref(error)
    said.calls.clear()
    del error
    gc.collect()
    assert is_alive() is None
