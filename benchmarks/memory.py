"""What hyperstream keeps in memory: bytes per resting order, per market, per subscriber.

Resident memory as the kernel counts it, in processes that do nothing else. An order is the difference
between a large and a small snapshot, divided by the difference in orders, so what a process needs
anyway cancels out. A subscriber is a grpcio stream on a connection of its own: the daemon's growth when
so many have connected (*idle*), and after blocks have flowed (*active*), less the growth of a daemon
that went through the same without any.
"""

import gc
import tempfile
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import click
import trio
from attrs import frozen

from benchmarks.material import load_snapshot_file, make_engine
from benchmarks.measure import resident_bytes
from benchmarks.processes import Program, answer, run_daemon, run_program
from benchmarks.report import Report, Row, json_option
from hyperstream.testing import PRESETS

SUMMARY_KEYS = (
    "bytes_per_order",
    "bytes_per_market",
    "idle_kilobytes_orderbook",
    "active_kilobytes_orderbook",
    "idle_kilobytes_bbo",
    "active_kilobytes_bbo",
    "idle_kilobytes_trades",
    "active_kilobytes_trades",
    "idle_kilobytes_every_orderbook",
    "active_kilobytes_every_orderbook",
)
RATE = 15.0
WARM_UP_BLOCKS = 15
SMALL_PART = 4
EMPTY_MARKETS = 20_000
EVERY_SHARE = 10


@frozen
class Kind:
    """A kind of subscriber: its call, and its markets (0: every market)."""

    call: str
    each: int

    def streams(self, subscribers: int) -> int:
        """Fewer of those that take everything, or the clients fall behind and outboxes are measured."""
        return subscribers if self.each else -(-subscribers // EVERY_SHARE)


KINDS = {
    "orderbook": Kind("orderbook", 5),
    "bbo": Kind("bbo", 5),
    "trades": Kind("trades", 5),
    "every_orderbook": Kind("orderbook", 0),
}


@frozen
class Growth:
    """Resident bytes of a daemon: before anybody subscribed, with idle streams, after blocks flowed."""

    before: int
    idle: int
    active: int


@frozen
class Plan:
    """What the subscribers' part runs."""

    subscribers: int
    load: str
    markets: int
    blocks: int
    settle_seconds: float
    kinds: tuple[str, ...]


async def measure_orders(directory: Path, orders: int, markets: int) -> dict[str, int]:
    """Resident bytes before and after a process loaded a snapshot of so many orders."""
    snapshot = directory / f"snapshot-{orders}.json"
    async with run_program(
        "generator",
        *("--data-dir", directory / str(orders), "--snapshot", snapshot, "--blocks", "1"),
        *("--markets", str(markets), "--resting-orders", str(orders)),
    ) as generator:
        await generator.answer()
    async with run_program("memory", "--load-snapshot", snapshot) as loader:
        return await loader.answer()


async def measure_subscribers(directory: Path, plan: Plan, kind: Kind, streams: int) -> Growth:
    """Resident bytes of a daemon through the life of so many streams."""
    snapshot = directory / "snapshot.json"
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", plan.load),
        *("--markets", str(plan.markets), "--blocks", str(WARM_UP_BLOCKS + plan.blocks)),
    ) as generator:
        symbols = (await generator.answer())["symbols"]
        await generator.ask(blocks=1, rate=RATE)
        async with (
            run_daemon(directory, snapshot, "by_block") as daemon,
            trio.open_nursery() as nursery,
            _connect(daemon.target, kind, 1, symbols, directory) as first,
        ):
            nursery.start_soon(daemon.follow_log, name="daemon log")
            await first.answer()
            await generator.ask(blocks=WARM_UP_BLOCKS - 1, rate=RATE)
            before = await _settled(plan, daemon.process.pid)
            if not streams:
                idle = await _settled(plan, daemon.process.pid)
                await generator.ask(blocks=plan.blocks, rate=RATE)
                active = await _settled(plan, daemon.process.pid)
            else:
                async with _connect(daemon.target, kind, streams, symbols, directory) as clients:
                    await clients.answer()
                    idle = await _settled(plan, daemon.process.pid)
                    await generator.ask(blocks=plan.blocks, rate=RATE)
                    active = await _settled(plan, daemon.process.pid)
            nursery.cancel_scope.cancel(reason="measured")
    return Growth(before, idle, active)


def _connect(
    target: str, kind: Kind, streams: int, symbols: Sequence[str], directory: Path
) -> AbstractAsyncContextManager[Program]:
    return run_program(
        "client",
        *("--target", target, "--call", kind.call, "--streams", str(streams), "--symbols", ",".join(symbols)),
        *("--each", str(kind.each), "--output", directory / "samples"),
    )


async def _settled(plan: Plan, pid: int) -> int:
    await trio.sleep(plan.settle_seconds)
    return resident_bytes(pid)


async def measure_all(report: Report, orders: int, plan: Plan) -> Row:
    """Measure everything; print the tables and return the summary."""
    summary: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        directory = Path(name)
        rows: list[Row] = []
        grown = {}
        for count in (orders // SMALL_PART, orders):
            found = await measure_orders(directory, count, plan.markets)
            grown[found["orders"]] = found["after"] - found["before"]
            rows.append(
                {
                    "orders": found["orders"],
                    "before_megabytes": found["before"] / 1e6,
                    "after_megabytes": found["after"] / 1e6,
                    "bytes_per_order": (found["after"] - found["before"]) / found["orders"],
                }
            )
            summary["bytes_per_market"] = found["market_bytes"]
        report.table("a snapshot in memory", rows)
        (few, small), (many, large) = sorted(grown.items())
        summary["bytes_per_order"] = (large - small) / (many - few)
        rows = []
        control = await measure_subscribers(_fresh(directory, "none"), plan, KINDS["orderbook"], 0)
        for name in plan.kinds:
            kind = KINDS[name]
            streams = kind.streams(plan.subscribers)
            growth = await measure_subscribers(_fresh(directory, name), plan, kind, streams)
            idle = growth.idle - growth.before - (control.idle - control.before)
            active = growth.active - growth.before - (control.active - control.before)
            summary[f"idle_kilobytes_{name}"] = idle / streams / 1e3
            summary[f"active_kilobytes_{name}"] = active / streams / 1e3
            rows.append(
                {
                    "subscriber": name.replace("_", " "),
                    "markets": kind.each or plan.markets,
                    "streams": streams,
                    "idle_kilobytes": idle / streams / 1e3,
                    "active_kilobytes": active / streams / 1e3,
                }
            )
        report.table("one subscriber", rows)
    return {key: summary.get(key) for key in SUMMARY_KEYS}


def _fresh(directory: Path, name: str) -> Path:
    made = directory / name
    made.mkdir()
    return made


def load_and_tell(snapshot: Path) -> Row:
    """Load a snapshot in this process; returns resident bytes before and after, and of empty markets."""
    engine = make_engine("by_block")
    gc.collect()
    before = resident_bytes()
    load_snapshot_file(engine, snapshot)
    gc.collect()
    after = resident_bytes()
    for number in range(EMPTY_MARKETS):
        engine.market(f"empty{number}")
    empty = resident_bytes()
    return {
        "orders": engine.statistics().orders,
        "before": before,
        "after": after,
        "market_bytes": (empty - after) / EMPTY_MARKETS,
    }


@click.command()
@click.option("--orders", type=click.IntRange(min=100), default=400_000, show_default=True)
@click.option("--subscribers", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--load", type=click.Choice(list(PRESETS)), default="mainnet", show_default=True)
@click.option("--markets", type=click.IntRange(min=1), default=600, show_default=True)
@click.option(
    "--blocks", type=click.IntRange(min=1), default=60, show_default=True, help="Of the active phase."
)
@click.option("--settle-seconds", type=click.FloatRange(min=0), default=1.0, show_default=True)
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Default: all.")
@click.option("--load-snapshot", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
@json_option
def main(orders: int, load_snapshot: Path | None, as_json: bool, **rest: Any) -> None:
    """Bytes per resting order, per market, per subscriber."""
    report = Report("memory", as_json)
    if load_snapshot is not None:
        answer(load_and_tell(load_snapshot))
        return
    plan = Plan(**{**rest, "kinds": rest["kinds"] or tuple(KINDS)})
    report.summary(trio.run(measure_all, report, orders, plan))


if __name__ == "__main__":
    main()
