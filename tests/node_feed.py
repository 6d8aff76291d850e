"""The files of a fake node read in the plainest way, as items for the engine: an oracle of the tailer."""

from __future__ import annotations

from pathlib import Path

import orjson

from hyperstream.wire.l4_snapshot import read_snapshot, snapshot_height
from hyperstream.wire.node_blocks import (
    DiffBlock,
    FillBlock,
    NodeItem,
    Position,
    SnapshotBegun,
    SnapshotEnded,
    SourceStarted,
    StatusBlock,
)
from hyperstream.wire.node_lines import parse_envelope

ALL_SOURCES = frozenset({"diffs", "statuses", "fills"})


class NodeFeed:
    """Reads what was written since the last look, by-block layout, whole files at a time."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._seen: dict[Path, int] = {}

    def _lines(self, stem: str) -> list[tuple[bytes, Position]]:
        found = []
        for path in sorted((self.data_dir / f"{stem}_by_block" / "hourly").glob("*/*")):
            data = path.read_bytes()
            start = self._seen.get(path, 0)
            self._seen[path] = len(data)
            lines = data[start:].splitlines()
            found += [(line, Position(parse_envelope(line).height, path.name, 0)) for line in lines]
        return found

    def items(self) -> list[NodeItem]:
        """The new blocks: fills, diffs, statuses of each height, in the node's order."""
        items: list[tuple[int, int, NodeItem]] = []
        for line, position in self._lines("node_fills"):
            head = parse_envelope(line)
            events = orjson.loads(line)["events"]
            times = (head.block_time_ns, head.node_time_ns, head.node_time_ns)
            items.append((head.height, 0, FillBlock(head.height, *times, position, events)))
        for line, position in self._lines("node_raw_book_diffs"):
            head = parse_envelope(line)
            times = (head.block_time_ns, head.node_time_ns, head.node_time_ns)
            items.append((head.height, 1, DiffBlock(head.height, *times, position, None, line=line)))
        for line, position in self._lines("node_order_statuses"):
            head = parse_envelope(line)
            times = (head.block_time_ns, head.node_time_ns, head.node_time_ns)
            items.append((head.height, 2, StatusBlock(head.height, *times, position, [line])))
        items.sort(key=lambda each: each[:2])
        return [item for _, _, item in items]


def snapshot_items(path: Path, *, is_full: bool = True) -> list[NodeItem]:
    """An L4 snapshot file as items, SourceStarted first."""
    data = path.read_bytes()
    height = snapshot_height(data)
    assert height is not None
    started: list[NodeItem] = [SourceStarted("by_block", ALL_SOURCES)] if is_full else []
    return [*started, SnapshotBegun(height, is_full), *read_snapshot(data), SnapshotEnded(height)]
