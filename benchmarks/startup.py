"""From a snapshot of 400,000 orders to books that can be used, and who is held up meanwhile.

The whole daemon runs in this process, over files and a snapshot that another one wrote. Beside it, in the
same Trio run, a heartbeat sleeps a millisecond at a time: how late it wakes is how long everything else,
such as a health check, would have waited. The time is set against bare ``orjson.loads`` of the same file.
"""

import gc
import math
import tempfile
import time
from pathlib import Path

import click
import orjson
import trio
from attrs import define, field

from benchmarks.measure import CpuClock, percentile, resident_bytes
from benchmarks.pauses import Pauses
from benchmarks.processes import NO_FEEDS, run_program
from benchmarks.report import Report, json_option
from hyperstream.app import Daemon
from hyperstream.config import load

BEAT_SECONDS = 0.001
READY_SECONDS = 300.0
SUMMARY_KEYS = (
    "orders",
    "snapshot_megabytes",
    "ready_seconds",
    "ready_cpu_seconds",
    "bare_cpu_seconds",
    "ratio",
    "orders_per_second",
    "longest_block_ms",
    "longest_block_at_seconds",
    "longest_collection_ms",
    "p99_block_ms",
    "resident_megabytes",
    "bytes_per_order",
)


@define(eq=False)
class Heartbeat:
    """Notes how late it wakes, in milliseconds, and after how many seconds it was latest."""

    late_ms: list[float] = field(factory=list)
    latest: float = 0.0
    latest_at: float = 0.0

    async def run(self) -> None:
        """Beat until cancelled."""
        began = trio.current_time()
        while True:
            due = trio.current_time() + BEAT_SECONDS
            await trio.sleep_until(due)
            late_ms = (trio.current_time() - due) * 1e3
            self.late_ms.append(late_ms)
            if late_ms > self.latest:
                self.latest, self.latest_at = late_ms, due - began


@define(eq=False)
class Start:
    """One start of the daemon, and what was measured."""

    directory: Path
    orders: int
    markets: int
    heartbeat: Heartbeat = field(factory=Heartbeat)
    pauses: Pauses = field(factory=Pauses)
    clock: CpuClock = field(factory=CpuClock)
    ready_seconds: float = math.nan
    resident_before: int = 0
    resident_after: int = 0
    loaded: int = 0

    @property
    def snapshot(self) -> Path:
        return self.directory / "snapshot.json"

    async def run(self) -> None:
        """Write the files, start the daemon, wait for its books, end it."""
        async with run_program(
            "generator",
            *("--data-dir", self.directory, "--snapshot", self.snapshot, "--blocks", "1"),
            *("--markets", str(self.markets), "--resting-orders", str(self.orders)),
        ) as generator:
            await generator.answer()
            await generator.ask(blocks=1, rate=15)
        settings = {
            "node.data_dir": self.directory,
            "node.snapshot": self.snapshot,
            "node.layout": "by_block",
            "node.info_url": "http://127.0.0.1:9/info",
            "grpc.listen": "127.0.0.1:0",
            "websocket.listen": "127.0.0.1:0",
            "http.enabled": "false",
            **NO_FEEDS,
        }
        self.resident_before = resident_bytes()
        daemon = Daemon(load(overrides=[f"{key}={value}" for key, value in settings.items()], environ={}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.heartbeat.run, name="heartbeat")
            gc.callbacks.append(self.pauses.note)
            began = time.perf_counter()
            with trio.fail_after(READY_SECONDS), self.clock:
                await nursery.start(daemon.run)
                await daemon.engine.wait_ready()
            gc.callbacks.remove(self.pauses.note)
            self.ready_seconds = time.perf_counter() - began
            self.resident_after = resident_bytes()
            self.loaded = daemon.engine.statistics().orders
            nursery.cancel_scope.cancel(reason="measured")


@click.command()
@click.option("--orders", type=click.IntRange(min=100), default=400_000, show_default=True)
@click.option("--markets", type=click.IntRange(min=1), default=600, show_default=True)
@json_option
def main(orders: int, markets: int, as_json: bool) -> None:
    """From a snapshot of 400,000 orders to books that can be used."""
    report = Report("startup", as_json)
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        start = Start(Path(name), orders, markets)
        trio.run(start.run)
        data = start.snapshot.read_bytes()
        with (bare := CpuClock()):
            orjson.loads(data)
    late = sorted(start.heartbeat.late_ms)
    report.table(
        "how long the event loop was blocked",
        [
            {"share_of_beats": share, "late_ms": percentile(late, value)}
            for share, value in (("half", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("all", 1.0))
        ],
    )
    grown = start.resident_after - start.resident_before
    report.summary(
        {
            "orders": start.loaded,
            "snapshot_megabytes": len(data) / 1e6,
            "ready_seconds": start.ready_seconds,
            "ready_cpu_seconds": start.clock.seconds,
            "bare_cpu_seconds": bare.seconds,
            "ratio": start.clock.seconds / bare.seconds,
            "orders_per_second": start.loaded / start.clock.seconds,
            "longest_block_ms": late[-1],
            "longest_block_at_seconds": start.heartbeat.latest_at,
            "longest_collection_ms": max(start.pauses.longest) * 1e3,
            "p99_block_ms": percentile(late, 0.99),
            "resident_megabytes": start.resident_after / 1e6,
            "bytes_per_order": grown / start.loaded,
        }
    )


if __name__ == "__main__":
    main()
