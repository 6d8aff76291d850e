"""What the benchmarks read: blocks as they lie in a node's files, and the snapshot before them.

Either the fake node writes them, or they were recorded from a real one. Both end up as the same
thing: for every block, what each file holds of it, in the order in which the node writes.
"""

import os
import tempfile
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from attrs import frozen

from hyperstream.engine.engine import Engine
from hyperstream.engine.topics import MarketFormats
from hyperstream.hub.hub import Hub
from hyperstream.sources.node.batch import Batch
from hyperstream.testing import FakeNode, Load
from hyperstream.testing.recording import Piece, Recording, RecordingReader
from hyperstream.wire.l4_snapshot import read_snapshot, snapshot_height
from hyperstream.wire.node_blocks import SnapshotBegun, SnapshotEnded, SourceStarted
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES

ROOT = Path(__file__).resolve().parent.parent
NO_RECORDING = "no recorded blocks here: set HYPERSTREAM_DATA to the folder that holds them"
KINDS = ("fills", "diffs", "statuses")


@frozen
class Material:
    """A snapshot and the blocks after it, in one layout. ``events`` are of all three files."""

    layout: str
    snapshot: bytes
    blocks: tuple[tuple[Piece, ...], ...]
    events: int

    @property
    def height(self) -> int:
        """The block the snapshot stands after."""
        return snapshot_height(self.snapshot) or 0

    def lines(self) -> list[bytes]:
        """Every line of every file."""
        return [line for block in self.blocks for piece in block for line in piece.body.splitlines()]

    def batches(self) -> list[list[tuple[str, Batch]]]:
        """For every block, what its tailers read of it: one batch for each file."""
        ends: dict[str, int] = {}
        blocks = []
        for block in self.blocks:
            batches: list[tuple[str, Batch]] = []
            for piece in block:
                offset = ends.get(piece.source, 0)
                size = len(piece.body)
                ends[piece.source] = offset + size
                name = str(piece.name.relative_to("hourly"))
                batches.append((piece.source, Batch(name, offset, piece.body, size, read_time_ns=offset)))
            blocks.append(batches)
        return blocks


def fake_material(layout: str, load: Load, markets: int, blocks: int, *, seed: int = 1) -> Material:
    """Let the fake node write a snapshot and so many blocks; the same arguments give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        directory = Path(name)
        start_ns = 1_778_002_700_000_000_000
        fake = FakeNode(
            directory, seed=seed, layout=layout, markets=markets, load=load, start_time_ns=start_ns
        )
        fake.write_snapshot(directory / "snapshot.json")
        for _ in range(blocks):
            fake.step()
        fake.close()
        return read_material(Recording.find(directory, layout=layout), directory)


def recorded_material(layout: str) -> Material | None:
    """Return the recorded blocks of a layout, None where there are none."""
    for directory in _places():
        recording = Recording.find(directory, layout=layout)
        if recording.snapshot is not None:
            with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
                return read_material(recording, Path(name))
    return None


def read_material(recording: Recording, scratch: Path) -> Material:
    """Read a recording with a snapshot into memory."""
    unpacked = scratch / "unpacked.json"
    recording.unpack_snapshot(unpacked)
    by_height: dict[int, dict[str, Piece]] = {}
    for source, files in recording.files.items():
        reader = RecordingReader(source, files)
        while (piece := reader.next_piece()) is not None:
            by_height.setdefault(piece.height, {})[source] = piece
    blocks = tuple(
        tuple(found[kind] for kind in KINDS if kind in found) for _, found in sorted(by_height.items())
    )
    events = sum(piece.events for block in blocks for piece in block)
    return Material(recording.layout, unpacked.read_bytes(), blocks, events)


def make_engine(layout: str) -> Engine:
    """Return an engine as the daemon makes it, that cannot repair and knows all sources."""
    engine = Engine(
        hub=Hub(1_778_000_000),
        formats=MarketFormats(ORDERBOOK, BBO, TRADES, ORDERS),
        now_ns=lambda: 1_778_002_800_000_000_000,
        request_repair=None,
    )
    engine.apply(SourceStarted(layout, frozenset(KINDS)))
    return engine


def load_snapshot(engine: Engine, snapshot: bytes | mmap) -> None:
    """Give the engine its books, through the items the node source would send."""
    height = snapshot_height(snapshot) or 0
    engine.apply(SnapshotBegun(height, is_full=True))
    for orders in read_snapshot(snapshot):
        engine.apply(orders)
    engine.apply(SnapshotEnded(height))


def load_snapshot_file(engine: Engine, path: Path) -> None:
    """The same from a file, which is mapped meanwhile as the node source does it."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        load_snapshot(engine, data)


def _places() -> Iterator[Path]:
    named = os.environ.get("HYPERSTREAM_DATA")
    roots = (Path(named),) if named else (ROOT.parent / "shared" / "data",)
    for root in roots:
        for directory in (root, *sorted(root.glob("*/"))):
            if any(directory.glob("**/node_raw_book_diffs_*")) and any(directory.glob("snapshot*.json*")):
                yield directory
