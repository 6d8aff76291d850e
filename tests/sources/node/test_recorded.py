"""Twenty recorded mainnet blocks, in both layouts, from the snapshot before them."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.blocks import BY_BLOCK, LAYOUTS, STREAMING, make_reader
from hyperstream.sources.node.layout import STEMS
from hyperstream.sources.node.reader import DIFFS, FILLS, KINDS, STATUSES, Item
from hyperstream.sources.node.snapshot_file import open_snapshot
from hyperstream.wire.diff_lines import REMOVE
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, HeightGap, StatusBlock
from tests.recorded import BTC, needs_recording

FIRST, LAST = 985148182, 985148201


pytestmark = needs_recording


@pytest.fixture
def recording() -> Path:
    return BTC


def recorded(recording: Path, kind: str, layout: str) -> bytes:
    return gzip.decompress(
        (recording / layout / f"{STEMS[kind]}_{layout}" / "hourly" / "20260505" / "17.gz").read_bytes()
    )


def read(recording: Path, kind: str, layout: str, read_bytes: int = 1 << 20) -> list[Item]:
    """Read a recorded file in pieces, as a tailer does."""
    told: list[str] = []
    reader = make_reader(kind, layout, lambda event, **_: told.append(event))
    reader.start_after(FIRST - 1)
    data = recorded(recording, kind, layout)
    items: list[Item] = []
    begin = end = 0
    while end < len(data):
        end = min(end + read_bytes, len(data))
        piece = data[begin:end]
        size = piece.rfind(b"\n") + 1
        items += reader.feed(Batch("20260505/17", begin, piece, size, read_time_ns=1))
        begin += size
    items += reader.flush()
    assert not told
    assert begin == len(data)
    return items


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_block_is_read_once_and_in_order(recording: Path, kind: str, layout: str) -> None:
    items = read(recording, kind, layout)
    assert not any(isinstance(item, HeightGap) for item in items)
    heights = [item.height for item in items if not isinstance(item, HeightGap)]
    assert heights == sorted(set(heights))
    assert heights[0] == FIRST
    assert LAST - 2 <= heights[-1] <= LAST  # the last blocks had no fills
    if layout == BY_BLOCK:
        assert heights == list(range(FIRST, LAST + 1))


def events_of(block: DiffBlock | FillBlock) -> list[Any]:
    return list(block.diffs if isinstance(block, DiffBlock) else block.events)


@pytest.mark.parametrize("kind", [DIFFS, FILLS])
def test_both_layouts_hold_the_same_events(recording: Path, kind: str) -> None:
    events: dict[str, dict[int, list[Any]]] = {}
    for layout in LAYOUTS:
        blocks = [item for item in read(recording, kind, layout) if isinstance(item, DiffBlock | FillBlock)]
        events[layout] = {block.height: found for block in blocks if (found := events_of(block))}
    assert events[BY_BLOCK] == events[STREAMING]


@pytest.mark.parametrize("read_bytes", [1 << 20, 100_000, 3_000])
def test_of_the_streamed_statuses_all_but_the_rejections_are_kept(recording: Path, read_bytes: int) -> None:
    items = read(recording, STATUSES, STREAMING, read_bytes)
    lines = [line for item in items if isinstance(item, StatusBlock) for line in item.lines]
    data = recorded(recording, STATUSES, STREAMING)
    assert lines == [line for line in data.split(b"\n") if line and b'Rejected"' not in line]
    assert len(lines) == 1056


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_recorded_diffs_apply_to_the_recorded_snapshot(recording: Path, layout: str) -> None:
    orders: dict[int, str] = {}
    with open_snapshot(recording / "snapshot_985148181.json.gz", is_ours=False) as snapshot:
        assert snapshot.height == FIRST - 1
        for piece in snapshot.pieces():
            orders.update((order["oid"], order["sz"]) for _, order in piece.orders)
    assert len(orders) == 51_351
    for block in read(recording, DIFFS, layout):
        assert isinstance(block, DiffBlock)
        for diff in block.diffs:
            what = diff.change
            if isinstance(what, str):
                assert what == REMOVE
                del orders[diff.oid]
            elif what.new is not None:
                orders[diff.oid] = what.new.size
            else:
                assert what.update is not None
                assert orders[diff.oid] == what.update.size_before
                orders[diff.oid] = what.update.size
