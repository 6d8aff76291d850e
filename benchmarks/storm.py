"""A crowd that connects in the same second: how soon all have their snapshots, and what others notice.

A daemon holds the 600 markets of the fake node, one of them with 50,000 orders, and serves one healthy
subscriber of that market's book. Then a crowd comes (``storm_client.py``): half of it wants the books of
every market, half every order of the large one. The node goes on writing all the while.
"""

import tempfile
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define, field

from benchmarks.client import Client
from benchmarks.measure import cpu_seconds_of, percentile, resident_bytes
from benchmarks.processes import Daemon, Program, run_daemon, run_program
from benchmarks.report import Report, Row, json_option

RATE = 15.0
FIRST_BLOCKS = 3
STORM_SECONDS = 1.0
TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.05
# Of the orders the fake node spreads over 600 markets, the first one gets about an eighth.
RESTING_ORDERS = 390_000
LARGE_MARKET = "BTC"
SUMMARY_KEYS = (
    "subscribers",
    "complete",
    "all_seconds",
    "p50_books_seconds",
    "p99_books_seconds",
    "p50_orders_seconds",
    "p99_orders_seconds",
    "megabytes",
    "p50_before_ms",
    "p99_before_ms",
    "p50_during_ms",
    "p99_during_ms",
    "max_during_ms",
    "cpu_seconds",
    "peak_megabytes",
    "kb_per_subscriber_after",
    "gaps",
    "lost",
)


@define(eq=False)
class Scene:
    """A node that writes, a daemon, its healthy subscriber, and the crowd."""

    generator: Program
    daemon: Daemon
    healthy: Program
    crowd: Program
    quiet_seconds: float
    peak: int = 0
    _done: trio.Event = field(factory=trio.Event)

    async def write_until_done(self) -> None:
        """Let the node write, a second's blocks at a time."""
        while not self._done.is_set():
            await self.generator.ask(blocks=round(RATE), rate=RATE)

    async def watch_memory(self) -> None:
        """Remember the most memory the daemon had."""
        while True:
            self.peak = max(self.peak, resident_bytes(self.daemon.process.pid))
            await trio.sleep(POLL_SECONDS)

    async def before(self) -> dict[str, Any]:
        """What the healthy subscriber gets while nothing else happens."""
        blocks = round(self.quiet_seconds * RATE)
        await self.generator.ask(blocks=blocks // 2, rate=RATE)  # warms up
        await self.healthy.ask(ask="begin")
        await self.generator.ask(blocks=blocks, rate=RATE)
        return await self.healthy.ask(ask="samples")

    async def storm(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the crowd gets, and the healthy subscriber meanwhile."""
        await self.healthy.ask(ask="begin")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.write_until_done, name="node")
            crowd = await self.crowd.ask(ask="storm", seconds=STORM_SECONDS)
            healthy = await self.healthy.ask(ask="samples")
            self._done.set()
        return crowd, healthy


async def measure(
    directory: Path, subscribers: int, markets: int, resting_orders: int, load: str, quiet_seconds: float
) -> Row:
    """Start everything, let the storm come, and return the figures."""
    snapshot = directory / "snapshot.json"
    blocks = FIRST_BLOCKS + round(RATE * (2 * quiet_seconds + TIMEOUT_SECONDS + 5))
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", load, "--markets", str(markets)),
        *("--resting-orders", str(resting_orders), "--blocks", str(blocks)),
    ) as generator:
        await generator.answer()
        await generator.ask(blocks=FIRST_BLOCKS, rate=RATE)
        async with (
            run_daemon(directory, snapshot, "by_block") as daemon,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(daemon.follow_log, name="daemon log")
            await trio.to_thread.run_sync(lambda: Client(daemon.target).height(LARGE_MARKET))
            port = str(daemon.port)
            async with (
                run_program(
                    "light_client",
                    *("--port", port, "--streams", "1", "--symbols", LARGE_MARKET, "--count-updates"),
                ) as healthy,
                run_program(
                    "storm_client",
                    *("--port", port, "--subscribers", str(subscribers), "--markets", str(markets)),
                    *("--symbol", LARGE_MARKET, "--timeout", str(TIMEOUT_SECONDS)),
                ) as crowd,
            ):
                await healthy.answer()
                await crowd.answer()
                row = await _play(Scene(generator, daemon, healthy, crowd, quiet_seconds), subscribers)
            nursery.cancel_scope.cancel(reason="measured")
    return row


async def _play(scene: Scene, subscribers: int) -> dict[str, Any]:
    pid = scene.daemon.process.pid
    quiet = await scene.before()
    resident, cpu = resident_bytes(pid), cpu_seconds_of(pid)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.watch_memory, name="memory")
        crowd, stormy = await scene.storm()
        cpu = cpu_seconds_of(pid) - cpu
        stayed = await scene.crowd.ask(ask="stay", seconds=1)
        nursery.cancel_scope.cancel(reason="measured")
    for samples in (quiet, stormy):
        if samples["error"]:
            raise click.ClickException(f"the healthy subscriber failed: {samples['error']}")
    before, during = (samples["node_latencies_us"] for samples in (quiet, stormy))
    return {
        "subscribers": subscribers,
        "complete": crowd["complete"],
        "connect_seconds": crowd["connect_seconds"],
        "all_seconds": crowd["all_seconds"],
        "p50_books_seconds": percentile(crowd["books_seconds"], 0.5),
        "p99_books_seconds": percentile(crowd["books_seconds"], 0.99),
        "p50_orders_seconds": percentile(crowd["orders_seconds"], 0.5),
        "p99_orders_seconds": percentile(crowd["orders_seconds"], 0.99),
        "megabytes": crowd["bytes"] / 1e6,
        "p50_before_ms": percentile(before, 0.5) / 1e3,
        "p99_before_ms": percentile(before, 0.99) / 1e3,
        "p50_during_ms": percentile(during, 0.5) / 1e3,
        "p99_during_ms": percentile(during, 0.99) / 1e3,
        "max_during_ms": max(during, default=0) / 1e3,
        "messages_during": stormy["messages"],
        "cpu_seconds": cpu,
        "crowd_cpu_seconds": crowd["cpu_seconds"],
        "peak_megabytes": (scene.peak - resident) / 1e6,
        "kb_per_subscriber_after": (resident_bytes(pid) - resident) / subscribers / 1e3,
        "gaps": stayed["gaps"],
        "lost": stayed["lost"],
        "error": stayed["error"],
    }


@click.command()
@click.option("--subscribers", type=click.IntRange(min=2), default=1000, show_default=True)
@click.option(
    "--quiet-seconds",
    type=click.FloatRange(min=0.1),
    default=4.0,
    show_default=True,
    help="Before the storm.",
)
@click.option("--markets", type=int, default=600, hidden=True)
@click.option("--resting-orders", type=int, default=RESTING_ORDERS, hidden=True)
@click.option("--load", default="quiet", hidden=True)
@json_option
def main(
    subscribers: int, quiet_seconds: float, markets: int, resting_orders: int, load: str, as_json: bool
) -> None:
    """Let a crowd connect to a daemon of our own within one second."""
    report = Report("storm", as_json)
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        row = trio.run(measure, Path(name), subscribers, markets, resting_orders, load, quiet_seconds)
    report.table("storm", [row])
    report.summary({key: row[key] for key in SUMMARY_KEYS})


if __name__ == "__main__":
    main()
