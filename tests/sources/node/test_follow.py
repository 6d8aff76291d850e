"""A source followed from its files to the channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

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


@asynccontextmanager
async def following(
    directory: Path, layout: str, longest_line_bytes: int = 1 << 20
) -> AsyncIterator[tuple[trio.MemoryReceiveChannel[NodeItem], Reader]]:
    """What a follower of the diffs in a directory hands on, and its reader."""
    send, receive = trio.open_memory_channel[NodeItem](0)
    reader = make_reader(DIFFS, layout, lambda *_, **__: None)
    tail = Tail(directory, Hour("20260505", 17), longest_line_bytes=longest_line_bytes)
    follower = Follower(layout, tail, reader, send, quiet_seconds=0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, name="follower")
        yield receive, reader
        nursery.cancel_scope.cancel(reason="the test is over")


async def received(items: trio.MemoryReceiveChannel[NodeItem], count: int) -> list[NodeItem]:
    found: list[NodeItem] = []
    with trio.fail_after(20):
        while len(found) < count:
            found.append(await items.receive())
    return found


def heights(items: list[NodeItem]) -> list[int]:
    return [item.height for item in items if isinstance(item, DiffBlock)]


async def test_a_streaming_line_that_never_ended_is_announced_as_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heights do not show it there: the block may have had other lines, or none at all."""
    monkeypatch.setattr(tail_module, "LATE_SECONDS", 0.0)
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), line(6, [diff(2)])[:-20], end=b"")
    write(tmp_path, EIGHTEEN, line(7, [diff(3)]))
    async with following(tmp_path, "streaming") as (channel, reader):
        items = await received(channel, 3)
    assert heights(items) == [5, 7]
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
    async with following(tmp_path, "streaming", len(long) - 1) as (channel, reader):
        items = await received(channel, 3)
    assert heights(items) == [5, 7]
    assert reader.counters.unreadable == 1


@pytest.mark.parametrize("cut", [-20, 60, 1], ids=["in its event", "in its head", "at its start"])
async def test_a_block_whose_next_line_has_begun_is_not_closed_by_a_pause(
    tmp_path: Path, cut: int, autojump_clock: MockClock
) -> None:
    """A node that buffers its files writes a few kilobytes at a time, whatever they end with."""
    begun, rest = line(5, [diff(2)])[:cut], line(5, [diff(2)])[cut:]
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), begun, end=b"")
    async with following(tmp_path, "streaming") as (items, _):
        await trio.sleep(1.0)
        write(tmp_path, SEVENTEEN, rest)
        (block,) = await received(items, 1)
    assert isinstance(block, DiffBlock)
    assert [each.oid for each in block.diffs] == [1, 2]
    assert not block.is_continuation


@pytest.mark.parametrize("height", [5, 6])
async def test_a_block_is_closed_all_the_same_when_the_line_begun_never_ends_or_is_of_the_next(
    tmp_path: Path, height: int, autojump_clock: MockClock
) -> None:
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), line(height, [diff(2)])[:-20], end=b"")
    async with following(tmp_path, "streaming") as (items, _):
        began = trio.current_time()
        (block,) = await received(items, 1)
        seconds = trio.current_time() - began
    assert isinstance(block, DiffBlock)
    assert [each.oid for each in block.diffs] == [1]
    assert (seconds < 1.0) == (height == 6)


async def test_a_block_that_never_ended_and_was_written_again_is_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "LATE_SECONDS", 0.0)
    write(tmp_path, SEVENTEEN, line(5, [diff(1)]), line(6, [diff(2)])[:-20], end=b"")
    write(tmp_path, EIGHTEEN, line(6, [diff(2)]), line(7, [diff(3)]))
    async with following(tmp_path, "by_block") as (channel, reader):
        items = await received(channel, 3)
    assert heights(items) == [5, 6, 7]
    assert reader.counters.unreadable == 1
