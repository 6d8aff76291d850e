"""Feeds and prices: from a venue's frame to a subscriber.

flood      frames of three venues through socket, router and decoder, beside ``websockets`` in a bare loop
ticks      price ticks through distributor and 500 indicator instances, on one core (``prices.py``)
latency    a frame to a gRPC subscriber, at 5,000 frames a second, with no batches
memory     what a million ticks over 3,000 symbols leave

--part NAME    just that part; may be repeated
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
import orjson
import trio
from attrs import frozen

from benchmarks.feed_flood import flood
from benchmarks.feed_latency import latency
from benchmarks.material import ROOT
from benchmarks.processes import run_program
from benchmarks.report import Report, Row, json_option

TARGET_RATIO = 0.4
TARGET_TICKS_PER_SECOND = 100_000
TARGET_P99_MS = 5.0
PARTS = ("flood", "ticks", "latency", "memory")
SUMMARY_KEYS = (
    "messages_per_second",
    "bare_messages_per_second",
    "cpu_us_per_message",
    "bare_cpu_us_per_message",
    "parsing_cpu_us_per_message",
    "ticks_per_second",
    "every_tick_ticks_per_second",
    "frames_per_second",
    "share_delivered",
    "merged",
    "p50_ms",
    "p99_ms",
    "max_ms",
    "bare_p50_ms",
    "bare_p99_ms",
    "daemon_cpu_percent",
    "daemon_resident_megabytes",
    "venue_late_ms",
    "daemon_warnings",
    "memory_megabytes",
    "memory_growth_megabytes",
    "target_ratio",
    "target_ticks_per_second",
    "target_p99_ms",
    "is_met",
    "ratio",
)


@frozen
class Plan:
    """How much of each part."""

    messages: int
    rounds: int
    ticks: int
    symbols: int
    seconds: float
    rate: float
    profile: bool


async def ticks(report: Report, plan: Plan) -> dict[str, Any]:
    """Run the benchmark of the prices engine in a process of its own; return the figures."""
    options = ["--json", "--rounds", "1", "--ticks", str(max(1, plan.ticks // 2))]
    command = [sys.executable, "-m", "benchmarks.prices", *options]
    done = await trio.run_process(command, capture_stdout=True, cwd=ROOT)
    *rows, summary = [orjson.loads(line) for line in done.stdout.splitlines()]
    kept = ("scenario", "ticks", "series", "us_per_tick", "ticks_per_second")
    report.table("ticks through the prices engine", [{key: row[key] for key in kept} for row in rows])
    return {key: summary[key] for key in ("ticks_per_second", "every_tick_ticks_per_second")}


async def memory(report: Report, plan: Plan) -> dict[str, Any]:
    """Let ticks go through a prices engine in a process of its own; return what they left."""
    symbols = str(plan.symbols)
    options = ("--ticks", str(plan.ticks), "--symbols", symbols, "--markets", symbols)
    async with run_program("feed_memory", *options) as program:
        rows = (await program.answer())["rows"]
    report.table("memory", rows)
    half, last = rows[len(rows) // 2 - 1]["resident_megabytes"], rows[-1]["resident_megabytes"]
    return {"memory_megabytes": last, "memory_growth_megabytes": last - half}


async def measure(report: Report, parts: Sequence[str], plan: Plan) -> Row:
    """Run the parts; return the summary, with null for what was not measured."""
    figures: dict[str, Any] = dict.fromkeys(SUMMARY_KEYS)
    if "flood" in parts:
        figures |= await flood(report, plan.messages, plan.rounds, is_profiled=plan.profile)
    if "ticks" in parts:
        figures |= await ticks(report, plan)
    if "latency" in parts:
        figures |= await latency(report, plan.seconds, plan.rate, 0.0, is_profiled=plan.profile)
    if "memory" in parts:
        figures |= await memory(report, plan)
    figures["target_ratio"] = TARGET_RATIO
    figures["target_ticks_per_second"] = TARGET_TICKS_PER_SECOND
    figures["target_p99_ms"] = TARGET_P99_MS
    figures["is_met"] = all(
        (
            figures["ratio"] is None or figures["ratio"] >= TARGET_RATIO,
            figures["ticks_per_second"] is None or figures["ticks_per_second"] >= TARGET_TICKS_PER_SECOND,
            figures["p99_ms"] is None or figures["p99_ms"] <= TARGET_P99_MS,
        )
    )
    return {key: figures[key] for key in SUMMARY_KEYS}


@click.command()
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Default: all of them.")
@click.option(
    "--messages", type=click.IntRange(min=1), default=60_000, show_default=True, help="Of a venue, a round."
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Of the flood; the best counts.",
)
@click.option("--ticks", "tick_count", type=click.IntRange(min=10), default=1_000_000, show_default=True)
@click.option(
    "--symbols", type=click.IntRange(min=1), default=3_000, show_default=True, help="That the ticks are of."
)
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Of the latency."
)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=5_000.0, show_default=True, help="Frames a second."
)
@click.option("--profile", "is_profiled", is_flag=True, help="Profile our receiver and the daemon.")
@json_option
def main(
    parts: tuple[str, ...],
    messages: int,
    rounds: int,
    tick_count: int,
    symbols: int,
    seconds: float,
    rate: float,
    is_profiled: bool,
    as_json: bool,
) -> None:
    """From a venue's frame to a subscriber."""
    report = Report("feed", as_json)
    plan = Plan(messages, rounds, tick_count, symbols, seconds, rate, is_profiled)
    report.summary(trio.run(partial(measure, report, parts or PARTS, plan)))


if __name__ == "__main__":
    main()
