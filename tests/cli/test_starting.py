"""Signals that reach ``hyperstream run`` while it loads: whatever the moment, the process ends calmly.

The interpreter is asked to say on standard error which module it has imported, so that a signal can be sent
at a known place in the loading and no clock is looked at.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hyperstream.early_signals import EarlySignals
from tests.processes import PATIENCE_SECONDS, started

IMPORTED = "import time:"
HANDLERS_ARE_NEXT = "hyperstream.early_signals"
NOTHING_TO_READ = [
    part
    for setting in (
        "node.enabled=false",
        "grpc.listen=127.0.0.1:0",
        "websocket.listen=127.0.0.1:0",
        *(f"feeds.{venue}.enabled=false" for venue in ("binance", "binance_futures", "hyperliquid", "bybit")),
    )
    for part in ("--set", setting)
]


@contextmanager
def loading() -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Start the daemon; yields it and what it says, from where its first handlers are in place."""
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    with started("run", *NOTHING_TO_READ, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        for line in lines:
            if line.endswith(f" {HANDLERS_ARE_NEXT}\n"):
                break
        next(lines)  # what is imported after the handlers were set
        yield process, lines


def modules_loaded() -> int:
    """How many modules are imported once there are handlers, until the daemon serves."""
    count = 0
    with loading() as (process, lines):
        for line in lines:
            count += line.startswith(IMPORTED)
            if "gRPC is listening" in line:
                break
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
    return count


def check_ends_calmly(process: subprocess.Popen[str], lines: Iterator[str]) -> None:
    said = [line for line in lines if not line.startswith(IMPORTED)]
    assert process.wait(PATIENCE_SECONDS) == 0, said
    assert not [line for line in said if "Traceback" in line or "KeyboardInterrupt" in line], said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_as_soon_as_there_is_a_handler_ends_with_0(number: signal.Signals) -> None:
    with loading() as (process, lines):
        process.send_signal(number)
        check_ends_calmly(process, lines)


def test_a_signal_at_any_moment_of_loading_ends_with_0() -> None:
    modules = modules_loaded()
    assert modules > 100
    for moment in range(12):
        with loading() as (process, lines):
            for _ in range(modules * moment // 11):
                next(lines)
            process.send_signal(signal.SIGINT if moment % 2 else signal.SIGTERM)
            check_ends_calmly(process, lines)


def test_a_reload_while_loading_ends_nothing() -> None:
    with loading() as (process, lines):
        process.send_signal(signal.SIGHUP)
        assert any("gRPC is listening" in line for line in lines)
        process.terminate()
        check_ends_calmly(process, lines)


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    """Put the handlers of this process back afterwards."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers_kept")
def test_once_handed_over_a_late_signal_does_not_change_how_the_process_ends() -> None:
    early = EarlySignals()
    early.obey()
    early.hand_over()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.raise_signal(number)
