"""``hyperstream demo``: the whole path, and what its summary promises."""

import os
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.client_book import BookLevel
from hyperstream.cli.comparison import compare, equals_truth
from hyperstream.testing import TrueBook
from hyperstream.v1 import orderbook_pb2

TRUTH = TrueBook(bids=(("10.0", "1.5", 2), ("9.5", "1.0", 1)), asks=(("11.0", "2.0", 3),))


def served() -> orderbook_pb2.OrderbookSnapshot:
    def levels(side: Any) -> list[orderbook_pb2.Level]:
        return [orderbook_pb2.Level(price=price, size=size, order_count=count) for price, size, count in side]

    return orderbook_pb2.OrderbookSnapshot(symbol="BTC", bids=levels(TRUTH.bids), asks=levels(TRUTH.asks))


def test_a_book_like_the_truth_is_equal() -> None:
    comparison = compare(served(), TRUTH)
    assert (comparison.is_equal, comparison.levels) == (True, 3)
    assert comparison.best == comparison.true_best == "10.0 / 11.0"


@pytest.mark.parametrize(("field", "value"), [("price", "9.6"), ("size", "1.00000001"), ("order_count", 7)])
def test_one_wrong_number_is_not_equal(field: str, value: Any) -> None:
    snapshot = served()
    setattr(snapshot.bids[1], field, value)
    assert not compare(snapshot, TRUTH).is_equal


def test_a_missing_or_an_extra_level_is_not_equal() -> None:
    missing, extra = served(), served()
    del missing.asks[0]
    extra.asks.add(price="12.0", size="1.0", order_count=1)
    assert not compare(missing, TRUTH).is_equal
    assert not compare(extra, TRUTH).is_equal


def test_a_rebuilt_book_is_compared_the_same_way() -> None:
    level = BookLevel(100_000_000, 200_000_000, 1)
    truth = TrueBook(bids=(("1.0", "2.0", 1),), asks=())
    assert equals_truth([level], [], truth)
    assert not equals_truth([evolve(level, order_count=2)], [], truth)
    assert not equals_truth([level], [level], truth)


def test_piped_demo_tells_a_line_a_second_and_proves_its_books() -> None:
    result = CliRunner().invoke(main, ["demo", "--seconds", "2", "--seed", "5"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any("blocks/s" in line and "BTC" in line for line in lines)
    assert any(line.startswith("gaps       0 ") for line in lines)
    prices = next(line for line in lines if line.startswith("prices     "))
    assert "binance, binance_futures, bybit, hyperliquid, node" in prices
    assert "(missed: nothing)" in prices
    assert any(line.startswith("books equal the node's: yes (6 of 6 markets") for line in lines)
    assert lines[-1].startswith("daemon     drained in ")
    assert lines[-1].endswith("exit code 0")


def test_ctrl_c_ends_the_demo_early_with_the_same_summary() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "hyperstream", "demo", "--seconds", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert demo.stdout is not None
    assert demo.stderr is not None
    with demo.stdout as out, demo.stderr as err:
        for line in out:
            if b"p50" in line:
                demo.send_signal(signal.SIGINT)
                break
        rest = out.read().decode()
        assert demo.wait(30) == 0, err.read().decode()
    assert "books equal the node's: yes" in rest


def test_on_a_terminal_the_demo_draws_and_logs_do_not_tear_it() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    demo = subprocess.Popen(
        [sys.executable, "-m", "hyperstream", "demo", "--seconds", "1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65_536)
        except OSError:  # how Linux says that the other side of a terminal is closed
            break
    os.close(ours)
    assert demo.wait(30) == 0, seen.decode()[-2000:]
    screen, _, after = seen.decode().partition("\x1b[?1049h")[2].partition("\x1b[?1049l")
    assert "fake node → files → daemon → gRPC → this view" in screen
    assert "hyperstream." not in screen, "a log line in the middle of the screen"
    assert "books equal the node's: yes" in after


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--seconds", "soon"], ["--speed", "3"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["demo", *arguments]).exit_code == 2


def test_help_has_an_example() -> None:
    assert "hyperstream demo --seconds 60" in CliRunner().invoke(main, ["demo", "--help"]).output
