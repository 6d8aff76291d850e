"""The node's files, read as anyone would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
from attrs import define, field

from hyperstream.wire.l4_snapshot import read_snapshot, snapshot_height
from hyperstream.wire.node_blocks import (
    DiffBlock,
    FillBlock,
    NodeItem,
    Position,
    SnapshotBegun,
    SnapshotEnded,
    StatusBlock,
)
from hyperstream.wire.node_lines import parse_envelope


@define(eq=False)
class NodeFiles:
    """Reads by-block files naively: ``items`` are the blocks written since the last call, in file order."""

    data_dir: Path
    _offsets: dict[Path, int] = field(factory=dict)

    def new_lines(self, stem: str) -> Iterator[bytes]:
        for path in sorted(self.data_dir.glob(f"{stem}_by_block/hourly/*/*")):
            data = path.read_bytes()
            start = self._offsets.get(path, 0)
            end = data.rfind(b"\n") + 1
            self._offsets[path] = max(start, end)
            yield from data[start:end].splitlines()

    def diffs(self) -> list[DiffBlock]:
        return [DiffBlock(*head_of(line), None, line=line) for line in self.new_lines("node_raw_book_diffs")]

    def statuses(self) -> list[StatusBlock]:
        return [StatusBlock(*head_of(line), lines=[line]) for line in self.new_lines("node_order_statuses")]

    def fills(self) -> list[FillBlock]:
        return [
            FillBlock(*head_of(line), events=orjson.loads(line)["events"])
            for line in self.new_lines("node_fills")
        ]

    def items(self) -> list[NodeItem]:
        return [*self.fills(), *self.diffs(), *self.statuses()]


def head_of(line: bytes) -> tuple[int, int, int, int, Position]:
    envelope = parse_envelope(line)
    position = Position(envelope.height, "20260505/17", 0)
    return envelope.height, envelope.block_time_ns, envelope.node_time_ns, envelope.node_time_ns + 1, position


def snapshot_items(path: Path, *, is_full: bool) -> list[NodeItem]:
    data = path.read_bytes()
    height = snapshot_height(data)
    assert height is not None
    return [SnapshotBegun(height, is_full), *read_snapshot(data), SnapshotEnded(height)]
