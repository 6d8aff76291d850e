"""Pauses of Python's garbage collector while blocks flow over full books.

The same blocks over the same 440,000 orders, in two processes: with the daemon's settings of the
collector (``hyperstream.engine.collector``), and with Python's own. ``gc.callbacks`` tell when a
collection begins and ends; everything stands still in between. Since a collection may not happen to be
due within the run, each generation is also collected once on purpose after it (*forced*).
"""

import gc
import tempfile
from pathlib import Path

import click
import trio

from benchmarks.ingest import RealPath
from benchmarks.material import read_material
from benchmarks.measure import CpuClock
from benchmarks.pauses import GENERATIONS, Pauses
from benchmarks.processes import answer, run_program
from benchmarks.report import Report, Row, json_option
from hyperstream.engine.collector import relax_collector
from hyperstream.testing import PRESETS
from hyperstream.testing.recording import Recording

SETTINGS = ("daemon", "python")
RATE = 1_000.0
SUMMARY_KEYS = (
    "orders",
    "blocks",
    "daemon_longest_ms",
    "python_longest_ms",
    "daemon_share_percent",
    "python_share_percent",
    "daemon_forced_ms_2",
    "python_forced_ms_2",
)


def run_blocks(directory: Path, settings: str) -> Row:
    """Load the snapshot, apply the blocks, and tell the pauses met in between."""
    default = gc.get_threshold()
    relax_collector()
    material = read_material(Recording.find(directory, layout="by_block"), directory)
    path, blocks = RealPath.prepare(material), material.batches()
    if settings == "python":
        gc.unfreeze()
        gc.set_threshold(*default)
    gc.collect()
    pauses = Pauses()
    gc.callbacks.append(pauses.note)
    with (clock := CpuClock()):
        path.run(blocks)
    forced = Pauses()
    gc.callbacks[:] = [forced.note]
    for generation in GENERATIONS:
        gc.collect(generation)
    gc.callbacks.clear()
    path.check(material)
    figures: dict[str, float] = {
        "orders": path.engine.statistics().orders,
        "blocks": len(blocks),
        "ms_per_block": clock.seconds / len(blocks) * 1e3,
        "longest_ms": max(pauses.longest) * 1e3,
        "share_percent": 100 * sum(pauses.seconds) / clock.seconds,
    }
    for generation in GENERATIONS:
        figures[f"longest_ms_{generation}"] = pauses.longest[generation] * 1e3
        figures[f"count_{generation}"] = pauses.count[generation]
        figures[f"forced_ms_{generation}"] = forced.longest[generation] * 1e3
    return figures


async def measure(orders: int, blocks: int, load: str, markets: int) -> dict[str, dict[str, float]]:
    """Write the files, then run the blocks under each of SETTINGS."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        directory = Path(name)
        async with run_program(
            "generator",
            *("--data-dir", directory, "--snapshot", directory / "snapshot.json", "--load", load),
            *("--markets", str(markets), "--resting-orders", str(orders), "--blocks", str(blocks)),
        ) as generator:
            await generator.answer()
            await generator.ask(blocks=blocks, rate=RATE)
        for settings in SETTINGS:
            async with run_program("collector", "--run", settings, "--directory", directory) as runner:
                found[settings] = await runner.answer()
    return found


@click.command()
@click.option("--orders", type=click.IntRange(min=100), default=440_000, show_default=True)
@click.option("--blocks", type=click.IntRange(min=1), default=150, show_default=True)
@click.option("--load", type=click.Choice(list(PRESETS)), default="mainnet", show_default=True)
@click.option("--markets", type=click.IntRange(min=1), default=600, show_default=True)
@click.option("--run", "settings", type=click.Choice(SETTINGS), hidden=True)
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), hidden=True)
@json_option
def main(
    orders: int,
    blocks: int,
    load: str,
    markets: int,
    settings: str | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Pauses of Python's garbage collector while blocks flow over full books."""
    report = Report("collector", as_json)
    if settings is not None and directory is not None:
        answer(run_blocks(directory, settings))
        return
    found = trio.run(measure, orders, blocks, load, markets)
    report.table(
        "collections, by generation",
        [
            {
                "settings": name,
                "generation": generation,
                "collections": int(figures[f"count_{generation}"]),
                "longest_ms": figures[f"longest_ms_{generation}"],
                "forced_ms": figures[f"forced_ms_{generation}"],
            }
            for name, figures in found.items()
            for generation in GENERATIONS
        ],
    )
    summary: dict[str, float] = {"orders": found["daemon"]["orders"], "blocks": found["daemon"]["blocks"]}
    for key in ("longest_ms", "share_percent", "forced_ms_2"):
        for name, figures in found.items():
            summary[f"{name}_{key}"] = figures[key]
    report.summary(summary)


if __name__ == "__main__":
    main()
