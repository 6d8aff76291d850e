"""What other sessions of the WebSocket gateway notice while a stranger attacks it, and the daemon's memory.

As ``attacks`` does for gRPC: each attack lasts some seconds, from a process of its own on 127.0.0.1, against
a daemon that serves healthy sessions the whole time, and is compared with as long a time before it.
The first two are no attacks: what changes although nothing is done, and what a program does that only
uses a core. The 99th percentile of some seconds is their three or four worst blocks: with ``--rounds`` all
attacks take turns several times, and the median of the rounds is told.
"""

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click
import trio
from attrs import define, field, frozen

from benchmarks.attacker_websocket import ATTACKS
from benchmarks.measure import percentile, resident_bytes
from benchmarks.processes import Daemon, Program, run_daemon, run_program
from benchmarks.report import Report, Row, json_option

RATE = 15.0
FIRST_BLOCKS = 3
WARM_UP_SECONDS = 2.0
AFTER_SECONDS = 1.0
TARGET_MEMORY_MEGABYTES = 64.0
MEGABYTE = 1e6
SUMMARY_KEYS = (
    "worst_p50_move_ms",
    "worst_p99_move_ms",
    "most_memory_megabytes",
    "all_live",
    "nobody_lost_anything",
    "target_memory_megabytes",
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
    megabytes: float
    lives: bool

    def row(self, blocks: list[tuple[int, int]]) -> Row:
        """What healthy sessions noticed, in ms, and the daemon's memory."""
        before, during = (
            sorted(ns / 1e6 for height, ns in blocks if height in heights)
            for heights in (self.before, self.during)
        )
        return {
            "attack": self.attack,
            "connections": self.connections,
            "attack_megabytes": self.megabytes,
            "p50_before_ms": percentile(before, 0.5),
            "p50_during_ms": percentile(during, 0.5),
            "p99_before_ms": percentile(before, 0.99),
            "p99_during_ms": percentile(during, 0.99),
            "blocks_before": len(before),
            "blocks_during": len(during),
            "memory_megabytes": (self.resident_after - self.resident_before) / MEGABYTE,
            "lives": "yes" if self.lives else "no",
        }


@define(eq=False)
class Scene:
    """A node, a daemon, and the healthy sessions of one process."""

    generator: Program
    daemon: Daemon
    symbols: list[str]
    outcomes: list[Outcome] = field(factory=list)

    async def suffer(self, attack: str, seconds: float) -> None:
        """Run one attack and note what happened."""
        port = str(self.daemon.websocket_port)
        async with run_program("attacker_websocket", "--port", port, "--attack", attack) as attacker:
            await attacker.answer()
            before = await self._write(seconds)
            resident = resident_bytes(self.daemon.process.pid)
            during: frozenset[int] = frozenset()
            struck: dict[str, Any] = {}

            async def strike() -> None:
                struck.update(await attacker.ask(seconds=seconds, symbols=self.symbols))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(strike, name="attack")
                during = await self._write(seconds)
        await trio.sleep(AFTER_SECONDS)
        lives = self.daemon.process.poll() is None
        after = resident_bytes(self.daemon.process.pid) if lives else 0
        megabytes = struck["bytes"] / MEGABYTE
        self.outcomes.append(
            Outcome(attack, before, during, resident, after, struck["connections"], megabytes, lives)
        )

    async def _write(self, seconds: float) -> frozenset[int]:
        wrote = await self.generator.ask(blocks=round(seconds * RATE), rate=RATE)
        return frozenset(height for height, _ in wrote["written"])


def medians(rows: list[Row]) -> list[Row]:
    """One row for each attack of those of several rounds."""
    found: list[Row] = []
    for attack in dict.fromkeys(row["attack"] for row in rows):
        mine = [row for row in rows if row["attack"] == attack]
        numbers = {
            key: median(_number(row[key]) for row in mine)
            for key in mine[0]
            if key not in ("attack", "lives")
        }
        moves = [_number(row["p99_during_ms"]) / _number(row["p99_before_ms"]) - 1 for row in mine]
        lives = "yes" if all(row["lives"] == "yes" for row in mine) else "no"
        found.append({"attack": attack, **numbers, "p99_move_percent": median(moves) * 100, "lives": lives})
    return found


async def run_scene(
    directory: Path, attacks: list[str], seconds: float, sessions: int
) -> tuple[list[Row], dict[str, Any]]:
    """Start everything, suffer the attacks, end everything; returns rows and what the sessions got in all."""
    snapshot = directory / "snapshot.json"
    blocks = FIRST_BLOCKS + round(RATE * (WARM_UP_SECONDS + 2 * seconds * len(attacks))) + 2 * len(attacks)
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", "busy"),
        *("--markets", "50", "--blocks", str(blocks)),
    ) as generator:
        symbols = (await generator.answer())["symbols"]
        await generator.ask(blocks=FIRST_BLOCKS, rate=RATE)
        async with run_daemon(directory, snapshot, "by_block") as daemon, trio.open_nursery() as nursery:
            nursery.start_soon(daemon.follow_log, name="daemon log")
            async with run_program(
                "gateway_client",
                *("--port", str(daemon.websocket_port), "--connections", str(sessions)),
                *("--symbols", ",".join(symbols), "--each", "5"),
            ) as client:
                await client.answer()
                scene = Scene(generator, daemon, symbols)
                await generator.ask(blocks=round(WARM_UP_SECONDS * RATE), rate=RATE)
                for attack in attacks:
                    await scene.suffer(attack, seconds)
                told = await client.ask(ask="samples")
            nursery.cancel_scope.cancel(reason="suffered enough")
    return [outcome.row(told["blocks"]) for outcome in scene.outcomes], told


@click.command()
@click.argument("attacks", nargs=-1, type=click.Choice(list(ATTACKS)))
@click.option("--seconds", type=click.FloatRange(0.5, 30), default=3.0, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 50), default=1, show_default=True)
@click.option("--sessions", type=click.IntRange(1, 20), default=5, show_default=True)
@json_option
def main(attacks: tuple[str, ...], seconds: float, rounds: int, sessions: int, as_json: bool) -> None:
    """Attack the gateway of a daemon of our own and see whether its sessions notice."""
    report = Report("attacks_websocket", as_json)
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        every, told = trio.run(run_scene, Path(name), list(attacks or ATTACKS) * rounds, seconds, sessions)
    if rounds > 1:
        report.table("rounds", every)
    rows = medians(every)
    report.table("attacks", rows)
    report.summary(
        {
            "worst_p50_move_ms": _worst_move(rows, "p50"),
            "worst_p99_move_ms": _worst_move(rows, "p99"),
            "most_memory_megabytes": max(_number(row["memory_megabytes"]) for row in every),
            "all_live": all(row["lives"] == "yes" for row in rows),
            "nobody_lost_anything": not told["holes"] and not told["error"],
            "target_memory_megabytes": TARGET_MEMORY_MEGABYTES,
        }
    )


def _worst_move(rows: list[Row], what: str) -> float:
    return max(_number(row[f"{what}_during_ms"]) - _number(row[f"{what}_before_ms"]) for row in rows)


def _number(value: Any) -> float:
    return float(value)


if __name__ == "__main__":
    main()
