"""A source followed from its files to the channel."""

from pathlib import Path

import pytest
import trio

from hyperstream.sources.node import hourly_file as hourly_file_module
from hyperstream.sources.node import tail as tail_module
from hyperstream.sources.node.blocks import make_reader
from hyperstream.sources.node.follow import Follower
from hyperstream.sources.node.hours import Hour
from hyperstream.sources.node.reader import DIFFS, Reader
from hyperstream.sources.node.tail import Tail
from hyperstream.wire.node_blocks import DiffBlock, HeightGap, NodeItem
from tests.sources.node.node_lines import diff, line, write

SEVENTEEN, EIGHTEEN = "20260505/17", "20260505/18"


async def followed(
    directory: Path, layout: str, count: int, longest_line_bytes: int = 1 << 20
) -> tuple[list[NodeItem], Reader]:
    """The first ``count`` items of the diffs in a directory, and their reader."""
    send, receive = trio.open_memory_channel[NodeItem](0)
    reader = make_reader(DIFFS, layout, lambda *_, **__: None)
    tail = Tail(directory, Hour("20260505", 17), longest_line_bytes=longest_line_bytes)
    follower = Follower(layout, tail, reader, send, quiet_seconds=0.01)
    items: list[NodeItem] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follower.run, name="follower")
            while len(items) < count:
                items.append(await receive.receive())
            nursery.cancel_scope.cancel(reason="the test is over")
    return items, reader


async def test_a_streaming_line_that_never_ended_is_announced_as_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heights do not show it there: the block may have had other lines, or none at all."""
    monkeypatch.setattr(tail_module, "LATE_SECONDS", 0.0)
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), line(6, [diff(2)])[:-20], end=b"")
    write(tmp_path, EIGHTEEN, line(7, [diff(3)]))
    items, reader = await followed(tmp_path, "streaming", 3)
    assert [item.height for item in items if isinstance(item, DiffBlock)] == [5, 7]
    (gap,) = [item for item in items if isinstance(item, HeightGap)]
    assert gap.source == DIFFS
    assert gap.last_missing >= 6
    assert reader.counters.unreadable == 1


async def test_a_streaming_line_that_is_too_long_is_announced_as_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hourly_file_module, "READ_BYTES", 1000)
    long = line(6, [diff(number) for number in range(20)])
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), long, line(7, [diff(3)]))
    items, reader = await followed(tmp_path, "streaming", 3, longest_line_bytes=len(long) - 1)
    assert [item.height for item in items if isinstance(item, DiffBlock)] == [5, 7]
    assert reader.counters.unreadable == 1


async def test_a_block_that_never_ended_and_was_written_again_is_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "LATE_SECONDS", 0.0)
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), line(6, [diff(2)])[:-20], end=b"")
    write(tmp_path, EIGHTEEN, line(6, [diff(2)]), line(7, [diff(3)]))
    items, reader = await followed(tmp_path, "by_block", 3)
    assert [item.height for item in items if isinstance(item, DiffBlock)] == [5, 6, 7]
    assert reader.counters.unreadable == 1
