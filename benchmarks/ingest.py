"""The node's bytes to books: reading, parsing and applying, against bare JSON parsing.

The real path is what the daemon runs when nobody subscribes: a tailer's batch of bytes, the reader
of its source and layout, ``Engine.apply`` for each block. The yardstick is ``orjson.loads`` of every
line of the same files, its result thrown away. Both are timed in turn in one process, in processor
time, and the best of several rounds counts, so other work on the machine hardly shows.
"""

import gc

import click
import orjson
from attrs import define, field

from benchmarks.material import (
    KINDS,
    NO_RECORDING,
    Material,
    fake_material,
    load_snapshot,
    make_engine,
    recorded_material,
)
from benchmarks.measure import CpuClock, profile
from benchmarks.report import Report, Value, json_option
from hyperstream.engine.collector import relax_collector
from hyperstream.engine.engine import Engine
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.blocks import LAYOUTS, make_reader
from hyperstream.sources.node.reader import Reader
from hyperstream.testing import PRESETS

SUMMARY_KEYS = (
    "ratio_fake_by_block",
    "ratio_fake_streaming",
    "ratio_recorded_by_block",
    "ratio_recorded_streaming",
    "target_ratio_fake",
    "target_ratio_recorded",
    "is_met",
)
TARGET_FAKE = 2.0
TARGET_RECORDED = 0.5


@define(eq=False)
class Split:
    """Processor time of one round, by what it was spent on."""

    total: CpuClock = field(factory=CpuClock)
    read: dict[str, CpuClock] = field(factory=lambda: {kind: CpuClock() for kind in KINDS})
    apply: dict[str, CpuClock] = field(factory=lambda: {kind: CpuClock() for kind in KINDS})


@define(eq=False)
class RealPath:
    """The readers and the engine as they stand after the snapshot; ``run`` takes every block once."""

    engine: Engine
    readers: dict[str, Reader]

    @classmethod
    def prepare(cls, material: Material) -> "RealPath":
        engine = make_engine(material.layout)
        load_snapshot(engine, material.snapshot)
        readers = {kind: make_reader(kind, material.layout, _complain) for kind in KINDS}
        for reader in readers.values():
            reader.start_after(material.height)
        return cls(engine, readers)

    def run(self, blocks: list[list[tuple[str, Batch]]]) -> None:
        """Feed each block's batches, flush as the tailers do, and let the engine rest between blocks."""
        apply, readers = self.engine.apply, self.readers
        for batches in blocks:
            for kind, batch in batches:
                reader = readers[kind]
                items = reader.feed(batch)
                items += reader.flush()
                for item in items:
                    apply(item)
            self.engine.rest()

    def run_split(self, blocks: list[list[tuple[str, Batch]]], split: Split) -> None:
        """The same, looking at the clock between the steps."""
        for batches in blocks:
            for kind, batch in batches:
                reader = self.readers[kind]
                with split.read[kind]:
                    items = reader.feed(batch)
                    items += reader.flush()
                with split.apply[kind]:
                    for item in items:
                        self.engine.apply(item)
            self.engine.rest()

    def check(self, material: Material) -> None:
        """Fail if anything was not read or contradicted a book: then the figures mean nothing."""
        statistics = self.engine.statistics()
        pieces = [piece for block in material.blocks for piece in block]
        diffs = sum(piece.events for piece in pieces if piece.source == "diffs")
        heights = {kind: max(p.height for p in pieces if p.source == kind) for kind in KINDS}
        reached = {kind: reader.last_height for kind, reader in self.readers.items()}
        if statistics.counts or statistics.events != diffs or reached != heights:
            raise click.ClickException(
                f"not every line was taken cleanly: {statistics.events} of {diffs} diffs, "
                f"heights {reached} of {heights}, {statistics.counts}"
            )


# Bare parsing is what a plain program would do: with Python's own settings of the garbage collector,
# and nothing for it to visit but what is parsed (the books are frozen). The real path has the daemon's.
PLAIN_THRESHOLDS = (700, 10, 10)


def _complain(event: str, **fields: object) -> None:
    raise click.ClickException(f"a reader complains about the material: {event} {fields}")


def measure(material: Material, rounds: int) -> tuple[float, float, Split]:
    """Return the best processor seconds of bare parsing and of the real path, and the latter's split."""
    lines, blocks = material.lines(), material.batches()
    bare, real = [], []
    splits = []
    for _ in range(rounds):
        path = RealPath.prepare(material)
        gc.set_threshold(*PLAIN_THRESHOLDS)
        with (clock := CpuClock()):
            for line in lines:
                orjson.loads(line)
        bare.append(clock.seconds)
        relax_collector()
        with (clock := CpuClock()):
            path.run(blocks)
        real.append(clock.seconds)
        path.check(material)
        path = RealPath.prepare(material)
        split = Split()
        with split.total:
            path.run_split(blocks, split)
        splits.append(split)
        gc.unfreeze()
        del path
        gc.collect()
    return min(bare), min(real), min(splits, key=lambda split: split.total.seconds)


def figures(name: str, material: Material, rounds: int, report: Report) -> float:
    """Measure one material, print its tables, return the ratio."""
    lines = len(material.lines())
    megabytes = sum(len(piece.body) for block in material.blocks for piece in block) / 1e6
    bare, real, split = measure(material, rounds)
    row: dict[str, Value] = {
        "material": name,
        "layout": material.layout,
        "blocks": len(material.blocks),
        "lines": lines,
        "events": material.events,
        "megabytes": megabytes,
        "bare_ms": bare * 1e3,
        "real_ms": real * 1e3,
        "ratio": real / bare,
        "lines_per_second": lines / real,
        "events_per_second": material.events / real,
    }
    report.table("reading, parsing and applying", [row])
    report.table(
        f"where it goes: {name}, {material.layout}",
        [
            {
                "file": kind,
                "read_ms": split.read[kind].seconds * 1e3,
                "apply_ms": split.apply[kind].seconds * 1e3,
                "share_percent": 100
                * (split.read[kind].seconds + split.apply[kind].seconds)
                / split.total.seconds,
            }
            for kind in KINDS
        ],
    )
    return real / bare


@click.command()
@click.option("--load", "load_name", type=click.Choice(list(PRESETS)), default="mainnet", show_default=True)
@click.option("--markets", type=click.IntRange(min=1), default=600, show_default=True)
@click.option("--blocks", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="The best counts.")
@click.option("--profile", "with_profile", is_flag=True, help="Also print the functions that take longest.")
@json_option
def main(load_name: str, markets: int, blocks: int, rounds: int, with_profile: bool, as_json: bool) -> None:
    """Reading, parsing and applying, against bare orjson.loads of the same lines."""
    relax_collector()
    report = Report("ingest", as_json)
    ratios: dict[str, float | None] = {}
    for layout in LAYOUTS:
        fake = fake_material(layout, PRESETS[load_name], markets, blocks)
        for name, material in ((f"fake {load_name}", fake), ("recorded", recorded_material(layout))):
            key = f"ratio_{name.split()[0]}_{layout}"
            if material is None:
                report.note(NO_RECORDING)
                ratios[key] = None
                continue
            ratios[key] = figures(name, material, rounds, report)
            if with_profile:
                path, batches = RealPath.prepare(material), material.batches()
                report.note(f"profile of {name}, {layout}:\n{profile(lambda: path.run(batches))}")  # noqa: B023 - called at once
                gc.unfreeze()
    limits = {key: TARGET_RECORDED if "recorded" in key else TARGET_FAKE for key in ratios}
    is_met = all(ratio is None or ratio <= limits[key] for key, ratio in ratios.items())
    report.summary(
        {
            **ratios,
            "target_ratio_fake": TARGET_FAKE,
            "target_ratio_recorded": TARGET_RECORDED,
            "is_met": is_met,
        }
    )


if __name__ == "__main__":
    main()
