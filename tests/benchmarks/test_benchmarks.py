"""Every benchmark runs, in a tiny configuration, and says what its documentation says. No timing."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.latency import Receipt, backlog, parse_receipt
from benchmarks.measure import percentile
from hyperstream.v1 import orderbook_pb2

ROOT = Path(__file__).resolve().parents[2]
GUARD_SECONDS = 400  # a loaded machine takes a minute for what takes five seconds alone
SMALL = ("--markets", "8", "--load", "quiet")
TINY = {
    "ingest": (*SMALL, "--blocks", "2", "--rounds", "1"),
    "apply": (*SMALL, "--blocks", "2", "--rounds", "1"),
    "feed": (
        *("--messages", "200", "--rounds", "1", "--ticks", "2000", "--symbols", "20"),
        *("--seconds", "0.3", "--rate", "300"),
    ),
    "prices": ("--ticks", "400", "--markets", "4", "--instances", "20", "--rounds", "1"),
    "end_to_end": (*SMALL, "--seconds", "0.4", "--warm-up-seconds", "0", "--subscribers", "2"),
    "memory": (
        *(*SMALL, "--orders", "400", "--blocks", "2"),
        *("--subscribers", "2", "--settle-seconds", "0", "--kind", "bbo"),
    ),
    "startup": ("--markets", "8", "--orders", "400"),
    "collector": (*SMALL, "--orders", "400", "--blocks", "2"),
    "fanout": ("--subscribers", "3", "--seconds", "0.2", "--rounds", "1"),
    "storm": (*SMALL, "--subscribers", "4", "--resting-orders", "800", "--quiet-seconds", "0.2"),
    "attacks": ("PING", "--seconds", "0.5", "--subscribers", "1"),
    "session": (*SMALL, "--seconds", "0.4", "--warm-up-seconds", "0.2"),
    "attacks_websocket": ("deflate bombs", "--seconds", "0.5", "--sessions", "1"),
}


def run(name: str, recordings: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run a benchmark with --json; return its lines."""
    environment = {**os.environ, "HYPERSTREAM_DATA": str(recordings)}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=GUARD_SECONDS
    )
    assert result.returncode == 0, result.stderr.decode()
    return [orjson.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_json_lines_and_its_documented_figures_last(name: str, tmp_path: Path) -> None:
    *rows, summary = run(name, tmp_path, *TINY[name])
    keys = importlib.import_module(f"benchmarks.{name}").SUMMARY_KEYS
    assert summary.pop("benchmark") == name
    assert summary.pop("summary") is True
    assert summary.pop("python")
    assert summary.pop("cores")
    assert set(summary) == set(keys)
    assert rows
    for row in rows:
        assert row["benchmark"] == name
        assert row.get("table") or row.get("note")


def test_ingest_says_clearly_that_recorded_blocks_were_skipped(tmp_path: Path) -> None:
    *rows, summary = run("ingest", tmp_path, *TINY["ingest"])
    assert sum("HYPERSTREAM_DATA" in row.get("note", "") for row in rows) == 2
    assert summary["ratio_recorded_by_block"] is None


def test_all_benchmarks_are_run_by_the_package() -> None:
    main = importlib.import_module("benchmarks.__main__")
    assert set(main.BENCHMARKS) == set(TINY)


def test_the_documentation_names_every_figure() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    for name in TINY:
        assert f"`python -m benchmarks.{name}`" in text
        for key in importlib.import_module(f"benchmarks.{name}").SUMMARY_KEYS:
            assert f"`{key}`" in text, f"{name}: {key}"


def test_a_receipt_is_read_from_the_first_bytes_of_a_message() -> None:
    delta = orderbook_pb2.OrderbookDelta(
        market_id=3, symbol="BTC", epoch=1 << 50, sequence=7, height=985_000_001,
        block_time_ns=10, node_time_ns=20, read_time_ns=30, publish_time_ns=1_778_002_700_000_000_000,
        bids=[orderbook_pb2.Level(price="1.0", size="2.0", order_count=1)] * 40,
    )  # fmt: skip
    event = orderbook_pb2.OrderbookEvent(delta=delta)
    message = orderbook_pb2.SubscribeOrderbookResponse(events=[event] * 3).SerializeToString()
    expected = Receipt(985_000_001, 20, 30, 1_778_002_700_000_000_000, 99)
    assert parse_receipt(message[:200], 99) == expected


@pytest.mark.parametrize("head", [b"", b"\0" * 200, b"\x0a\x05\x22", b"\x0a\x02\x2a\x00" + b"\0" * 40])
def test_what_is_no_update_gives_no_receipt(head: bytes) -> None:
    assert parse_receipt(head, 99) is None


def test_backlog_counts_blocks_written_long_enough_before() -> None:
    written = [(1, 1_000), (2, 2_000), (3, 3_000)]
    assert backlog(written, height=1, time_ns=2_500, grace_ns=0) == 1
    assert backlog(written, height=1, time_ns=2_500, grace_ns=600) == 0
    assert backlog(written, height=3, time_ns=9_000, grace_ns=0) == 0
    assert backlog([], height=0, time_ns=9_000, grace_ns=0) == 0


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 99.0)
    assert percentile([], 0.5) == 0.0
