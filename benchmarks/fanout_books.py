"""Book updates delivered to many subscribers of many markets: the whole daemon at mainnet load.

The generator writes prepared blocks in the node's pace, ``hyperstream run`` reads them, and subscribers of
the light client take 50 of the 600 markets each, neighbours sharing 45 of them.
"""

from pathlib import Path
from typing import Any

import click
import trio

from benchmarks.client import Client
from benchmarks.measure import cpu_seconds_of, percentile, resident_bytes
from benchmarks.processes import run_daemon, run_program
from benchmarks.report import Report, Row

SUBSCRIBERS = 100
MARKETS_EACH = 50
MARKETS_STEP = 5
RATE = 15.0
FIRST_BLOCKS = 1
WARM_UP_BLOCKS = 30
AFTER_SECONDS = 0.5
SUMMARY_KEYS = (
    "subscribers",
    "blocks",
    "updates_per_second",
    "messages_per_second",
    "megabytes_per_second",
    "gaps",
    "daemon_cpu_percent",
    "daemon_cpu_ms_per_block",
    "cpu_us_per_update",
    "p50_publish_to_client_ms",
    "p99_publish_to_client_ms",
    "p50_ms",
    "p99_ms",
    "daemon_resident_megabytes",
    "generator_late_ms",
)


async def measure_books(
    report: Report, directory: Path, subscribers: int, seconds: float, load: str, markets: int
) -> Row:
    """Run it for so long; returns the figures."""
    subscribers = subscribers or SUBSCRIBERS
    snapshot = directory / "snapshot.json"
    blocks = max(1, round(seconds * RATE))
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", load, "--markets", str(markets)),
        *("--blocks", str(FIRST_BLOCKS + WARM_UP_BLOCKS + blocks)),
    ) as generator:
        symbols = (await generator.answer())["symbols"]
        await generator.ask(blocks=FIRST_BLOCKS, rate=RATE)
        async with run_daemon(directory, snapshot, "by_block") as daemon, trio.open_nursery() as nursery:
            nursery.start_soon(daemon.follow_log, name="daemon log")
            await _wait_ready(daemon.target, symbols[0])
            async with run_program(
                "light_client",
                *("--port", str(daemon.port), "--streams", str(subscribers), "--count-updates"),
                *("--symbols", ",".join(symbols), "--each", str(MARKETS_EACH), "--step", str(MARKETS_STEP)),
            ) as client:
                await client.answer()
                await generator.ask(blocks=WARM_UP_BLOCKS, rate=RATE)
                await client.ask(ask="begin")
                cpu, began = cpu_seconds_of(daemon.process.pid), trio.current_time()
                wrote = await generator.ask(blocks=blocks, rate=RATE)
                wall = trio.current_time() - began
                cpu = cpu_seconds_of(daemon.process.pid) - cpu
                await trio.sleep(AFTER_SECONDS)  # what is still on its way may arrive
                got = await client.ask(ask="samples")
                resident = resident_bytes(daemon.process.pid)
            nursery.cancel_scope.cancel(reason="measured")
    if got["error"]:
        raise click.ClickException(f"a subscriber failed: {got['error']}")
    for trouble in list(daemon.troubles)[:5]:
        report.note(f"the daemon warned: {trouble}")
    row = _figures(got, wall, cpu, blocks, subscribers)
    row["daemon_resident_megabytes"] = resident / 1e6
    row["generator_late_ms"] = wrote["late_ms"]
    report.table("books", [row])
    return row


async def _wait_ready(target: str, symbol: str) -> None:
    """Wait until the daemon's books can be used."""
    await trio.to_thread.run_sync(lambda: Client(target).height(symbol))


def _figures(got: dict[str, Any], wall: float, cpu: float, blocks: int, subscribers: int) -> dict[str, Any]:
    """What the client's counts and the daemon's processor time come down to."""
    return {
        "subscribers": subscribers,
        "blocks": blocks,
        "updates_per_second": got["updates"] / wall,
        "messages_per_second": got["messages"] / wall,
        "megabytes_per_second": got["bytes"] / wall / 1e6,
        "gaps": got["gaps"],
        "daemon_cpu_percent": cpu / wall * 100,
        "daemon_cpu_ms_per_block": cpu / blocks * 1e3,
        "cpu_us_per_update": cpu / max(1, got["updates"]) * 1e6,
        "p50_publish_to_client_ms": percentile(got["latencies_us"], 0.5) / 1e3,
        "p99_publish_to_client_ms": percentile(got["latencies_us"], 0.99) / 1e3,
        "p50_ms": percentile(got["node_latencies_us"], 0.5) / 1e3,
        "p99_ms": percentile(got["node_latencies_us"], 0.99) / 1e3,
    }
