"""What other subscribers notice while a stranger attacks: their p99, and the daemon's memory.

Each attack lasts two seconds, from a process of its own on 127.0.0.1, against a daemon that serves healthy
subscribers the whole time. It is compared with as long a time before it. The daemon is the
same for all attacks, but for the last: that one has 64 file descriptors.
"""

import resource
import tempfile
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define, field, frozen

from benchmarks.attacker import ATTACKS
from benchmarks.client import read_samples
from benchmarks.latency import Receipt, parse_receipt
from benchmarks.measure import percentile, resident_bytes
from benchmarks.processes import Daemon, Program, run_daemon, run_program
from benchmarks.report import Report, Row, json_option

RATE = 15.0
FIRST_BLOCKS = 3
WARM_UP_SECONDS = 2.0
AFTER_SECONDS = 1.0
FEW_DESCRIPTORS = 64
TARGET_P99_MOVE_MS = 50.0
TARGET_MEMORY_MEGABYTES = 8.0
MEGABYTE = 1e6
SUMMARY_KEYS = (
    "worst_p99_move_ms",
    "most_memory_megabytes",
    "all_live",
    "target_p99_move_ms",
    "target_memory_megabytes",
    "is_met",
)


@frozen
class Outcome:
    """One attack: the heights before and during it, and the memory round it."""

    attack: str
    before: frozenset[int]
    during: frozenset[int]
    resident_before: int
    resident_after: int
    connections: int
    lives: bool

    def row(self, receipts: list[Receipt]) -> Row:
        """What the subscribers noticed, in ms, and the daemon's memory."""
        before, during = (
            sorted(
                (receipt.receipt_time_ns - receipt.node_time_ns) / 1e6
                for receipt in receipts
                if receipt.height in heights
            )
            for heights in (self.before, self.during)
        )
        return {
            "attack": self.attack,
            "connections": self.connections,
            "p50_before_ms": percentile(before, 0.5),
            "p50_during_ms": percentile(during, 0.5),
            "p99_before_ms": percentile(before, 0.99),
            "p99_during_ms": percentile(during, 0.99),
            "p99_move_ms": percentile(during, 0.99) - percentile(before, 0.99),
            "messages_during": len(during),
            "memory_megabytes": (self.resident_after - self.resident_before) / MEGABYTE,
            "lives": "yes" if self.lives else "no",
        }


@define(eq=False)
class Scene:
    """A node, a daemon and its healthy subscribers."""

    generator: Program
    daemon: Daemon
    client: Program
    outcomes: list[Outcome] = field(factory=list)

    async def suffer(self, attack: str, seconds: float) -> None:
        """Run one attack and note what happened."""
        before = await self._write(seconds)
        resident = resident_bytes(self.daemon.process.pid)
        during: frozenset[int] = frozenset()
        connections = 0
        async with run_program("attacker", "--port", str(self.daemon.port), "--attack", attack) as attacker:
            await attacker.answer()

            async def strike() -> None:
                nonlocal connections
                connections = (await attacker.ask(seconds=seconds))["connections"]

            async with trio.open_nursery() as nursery:
                nursery.start_soon(strike, name="attack")
                during = await self._write(seconds)
        await trio.sleep(AFTER_SECONDS)
        lives = self.daemon.process.poll() is None
        after = resident_bytes(self.daemon.process.pid) if lives else 0
        self.outcomes.append(Outcome(attack, before, during, resident, after, connections, lives))

    async def _write(self, seconds: float) -> frozenset[int]:
        wrote = await self.generator.ask(blocks=round(seconds * RATE), rate=RATE)
        return frozenset(height for height, _ in wrote["written"])


async def run_scene(
    directory: Path, attacks: list[str], seconds: float, subscribers: int, descriptors: int | None
) -> list[Row]:
    """Start everything, suffer the attacks, end everything."""
    snapshot, samples = directory / "snapshot.json", directory / "samples"
    blocks = FIRST_BLOCKS + round(RATE * (WARM_UP_SECONDS + 2 * seconds * len(attacks))) + len(attacks)
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", "busy"),
        *("--markets", "50", "--blocks", str(blocks)),
    ) as generator:
        symbols = (await generator.answer())["symbols"]
        await generator.ask(blocks=FIRST_BLOCKS, rate=RATE)
        async with (
            run_daemon(directory, snapshot, "by_block") as daemon,
            trio.open_nursery() as nursery,
            run_program(
                "client",
                *("--target", daemon.target, "--streams", str(subscribers)),
                *("--symbols", ",".join(symbols), "--each", "5", "--output", samples),
            ) as client,
        ):
            nursery.start_soon(daemon.follow_log, name="daemon log")
            await client.answer()
            if descriptors is not None:
                _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (descriptors, hard))
            scene = Scene(generator, daemon, client)
            await generator.ask(blocks=round(WARM_UP_SECONDS * RATE), rate=RATE)
            for attack in attacks:
                await scene.suffer(attack, seconds)
            error = (await client.ask(ask="samples"))["error"]
            if error:
                raise click.ClickException(f"a healthy subscriber's stream ended: {error}")
            nursery.cancel_scope.cancel(reason="suffered enough")
    found = (parse_receipt(head, time_ns) for time_ns, _, head in read_samples(samples))
    receipts = [receipt for receipt in found if receipt is not None]
    return [outcome.row(receipts) for outcome in scene.outcomes]


async def run_all(directory: Path, chosen: list[str], seconds: float, subscribers: int) -> list[Row]:
    """All attacks chosen; the one with few descriptors gets a daemon of its own."""
    rows: list[Row] = []
    crowded = [attack for attack in chosen if "descriptors" in attack]
    ordinary = [attack for attack in chosen if attack not in crowded]
    for number, (attacks, descriptors) in enumerate(((ordinary, None), (crowded, FEW_DESCRIPTORS))):
        if attacks:
            place = directory / str(number)
            await trio.Path(place).mkdir()
            rows += await run_scene(place, attacks, seconds, subscribers, descriptors)
    return rows


@click.command()
@click.argument("attacks", nargs=-1, type=click.Choice(ATTACKS))
@click.option("--seconds", type=click.FloatRange(0.5, 10), default=2.0, show_default=True)
@click.option("--subscribers", type=click.IntRange(1, 20), default=5, show_default=True)
@json_option
def main(attacks: tuple[str, ...], seconds: float, subscribers: int, as_json: bool) -> None:
    """Attack a daemon of our own and see whether its subscribers notice."""
    report = Report("attacks", as_json)
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        rows = trio.run(run_all, Path(name), list(attacks or ATTACKS), seconds, subscribers)
    report.table("attacks", rows)
    worst_move = max(_number(row["p99_move_ms"]) for row in rows)
    most_memory = max(_number(row["memory_megabytes"]) for row in rows)
    all_live = all(row["lives"] == "yes" for row in rows)
    report.summary(
        {
            "worst_p99_move_ms": worst_move,
            "most_memory_megabytes": most_memory,
            "all_live": all_live,
            "target_p99_move_ms": TARGET_P99_MOVE_MS,
            "target_memory_megabytes": TARGET_MEMORY_MEGABYTES,
            "is_met": all_live and worst_move < TARGET_P99_MOVE_MS and most_memory < TARGET_MEMORY_MEGABYTES,
        }
    )


def _number(value: Any) -> float:
    return float(value)


if __name__ == "__main__":
    main()
