"""``hyperstream demo``: the whole path, and what its summary promises."""

import os
import signal
import subprocess
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.client_book import BookLevel
from hyperstream.cli.comparison import compare, equals_truth
from hyperstream.testing import TrueBook
from hyperstream.v1 import orderbook_pb2
from tests.processes import PATIENCE_SECONDS, printing, run_on_terminal

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
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with printing("demo", "--seconds", "600", stderr=subprocess.STDOUT, env=environment) as (demo, lines):
        assert any("p50" in line for line in lines)
        demo.send_signal(signal.SIGINT)
        rest = lines.read()
        assert demo.wait(PATIENCE_SECONDS) == 0, rest
    assert "books equal the node's: yes" in rest


def test_on_a_terminal_the_demo_draws_and_logs_do_not_tear_it() -> None:
    code, drawn = run_on_terminal("demo", "--seconds", "1")
    assert code == 0, drawn[-2000:]
    screen, _, after = drawn.partition("\x1b[?1049h")[2].partition("\x1b[?1049l")
    assert "fake node → files → daemon → gRPC → this view" in screen
    assert "hyperstream." not in screen, "a log line in the middle of the screen"
    assert "books equal the node's: yes" in after


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--seconds", "soon"], ["--speed", "3"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["demo", *arguments]).exit_code == 2
