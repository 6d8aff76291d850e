"""Readers: bytes in, blocks and gaps out, whatever a crashed and restarted node left behind."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.sources.node.blocks import BY_BLOCK, LAYOUTS, STREAMING, make_reader
from hyperstream.sources.node.reader import DIFFS, FILLS, KINDS, STATUSES, Item, Reader
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, HeightGap, NodeBlock, Position, StatusBlock
from tests.sources.node.node_lines import SECOND, batches, diff, fill, line, status

EVENT: dict[str, Callable[[int], str]] = {
    DIFFS: diff,
    FILLS: fill,
    STATUSES: lambda number: status(number, "open"),
}
BLOCK = {DIFFS: DiffBlock, FILLS: FillBlock, STATUSES: StatusBlock}


def quiet_reader(kind: str, layout: str) -> tuple[Reader, list[str]]:
    """A reader, and the list of what it tells."""
    told: list[str] = []
    return make_reader(kind, layout, lambda event, **_: told.append(event)), told


def read(reader: Reader, data: bytes, cuts: tuple[int, ...] = ()) -> list[Item]:
    """Everything that comes of ``data``, the open block closed at the end."""
    items = [item for batch in batches(data, cuts) for item in reader.feed(batch)]
    return items + reader.flush()


def numbers(block: Item) -> list[int]:
    """The numbers given to the events of a block when they were made."""
    assert not isinstance(block, HeightGap)
    if isinstance(block, StatusBlock):
        return [event["order"]["oid"] for text in block.lines for event in json.loads(text)["events"]]
    if isinstance(block, DiffBlock):
        return [diff.oid for diff in block.diffs]
    return [event[1]["tid"] for event in block.events]


def by_height(items: list[Item]) -> dict[int, list[int]]:
    """The events of every height, continuations added to their block."""
    found: dict[int, list[int]] = {}
    for item in items:
        if not isinstance(item, HeightGap):
            found.setdefault(item.height, []).extend(numbers(item))
    return found


def contents(items: list[Item]) -> list[Any]:
    """What the blocks hold, unread."""
    return [
        item.lines
        if isinstance(item, StatusBlock)
        else item.diffs
        if isinstance(item, DiffBlock)
        else item.events
        for item in items
        if not isinstance(item, HeightGap)
    ]


def gaps(items: list[Item]) -> list[tuple[int, int]]:
    return [(item.first_missing, item.last_missing) for item in items if isinstance(item, HeightGap)]


def lines_of(
    kind: str, layout: str, height: int, events: list[int], local_ns: int | None = None
) -> list[bytes]:
    """A block as the layout writes it."""
    texts = [EVENT[kind](number) for number in events]
    if layout == BY_BLOCK:
        return [line(height, texts, local_ns)]
    return [line(height, [text], local_ns) for text in texts]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_come_out_with_times_events_and_position(kind: str, layout: str) -> None:
    reader, told = quiet_reader(kind, layout)
    first, second = lines_of(kind, layout, 7, [1, 2]), lines_of(kind, layout, 8, [3])
    data = b"".join(text + b"\n" for text in first + second)
    items = read(reader, data)
    assert [type(item) for item in items] == [BLOCK[kind], BLOCK[kind]]
    assert by_height(items) == {7: [1, 2], 8: [3]}
    block = items[0]
    assert isinstance(block, NodeBlock)
    assert block.position == Position(7, "20260505/17", sum(len(text) + 1 for text in first))
    assert (block.node_time_ns - block.block_time_ns, block.read_time_ns) == (300_000_000, 1)
    assert reader.position == Position(8, "20260505/17", len(data))
    assert not told


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_bytes_give_blocks_gaps_or_counters(kind: str, layout: str, data: st.DataObject) -> None:
    good = lines_of(kind, layout, 5, [1, 2, 3])[0]
    piece = st.one_of(
        st.binary(max_size=40),
        st.just(b"\n"),
        st.just(good + b"\n"),
        st.integers(0, len(good)).map(lambda n: good[:n]),
    )
    text = b"".join(data.draw(st.lists(piece, max_size=12)))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=4))
    reader, _ = quiet_reader(kind, layout)
    items = read(reader, text, tuple(cuts))
    assert all(isinstance(item, (BLOCK[kind], HeightGap)) for item in items)
    whole, _ = quiet_reader(kind, layout)
    assert contents(read(whole, text)) == contents(items)
    assert asdict(whole.counters) == asdict(reader.counters)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 60_000), max_size=6))
def test_any_chunking_gives_the_same_blocks(kind: str, layout: str, seed: int, cuts: list[int]) -> None:
    draw = random.Random(seed)
    lines: list[bytes] = []
    for height in range(10, 16):
        events = [draw.randrange(10**9) for _ in range(draw.choice((0, 1, 3, 12)))]
        lines += lines_of(kind, layout, height, events)
    data = b"".join(text + b"\n" for text in lines)
    described = []
    for chosen in ((), tuple(cuts)):
        reader, _ = quiet_reader(kind, layout)
        items = read(reader, data, chosen)
        described.append(([(item.height, numbers(item), item.position) for item in items
                           if isinstance(item, NodeBlock)], asdict(reader.counters)))  # fmt: skip
    assert described[0] == described[1]


class CrashingNode:
    """Writes blocks, and crashes: lines torn, events and blocks written again or lost."""

    def __init__(self, kind: str, layout: str, seed: int) -> None:
        self.kind, self.layout = kind, layout
        self.draw = random.Random(seed)
        self.data = b""
        self.truth: dict[int, list[int]] = {}
        self.lost: set[int] = set()
        self.now_ns = 0
        self.numbers = 0

    def run(self, blocks: int) -> None:
        for height in range(100, 100 + blocks):
            count = self.draw.choice((1, 1, 2, 5, 20))
            self.truth[height] = [self.numbers + number for number in range(count)]
            self.numbers += count
            self.write(height)
            fate = self.draw.randrange(8)
            if fate < 2:
                self.restart(self.draw.randrange(max(100, height - 3), height + 1), height, is_torn=fate == 0)
            elif fate == 2 and height > 100:
                self.lose(height + 1000)

    def write(self, height: int) -> None:
        self.now_ns += 70_000_000
        for text in lines_of(self.kind, self.layout, height, self.truth[height], self.now_ns):
            self.data += text + b"\n"

    def restart(self, first: int, last: int, is_torn: bool) -> None:
        if is_torn:  # the last line never got whole, but is written again
            end = self.data.rfind(b"\n", 0, -1) + 1
            self.data = self.data[: self.draw.randrange(end, len(self.data) - 1)]
        self.now_ns += 10 * SECOND
        for height in range(first, last + 1):
            if height in self.truth:
                self.write(height)

    def lose(self, number: int) -> None:
        """Tear the last line; the node goes on behind it."""
        end = self.data.rfind(b"\n", 0, -1) + 1
        height = max(self.truth)
        if self.data[end:].count(b"local_time") != 1:
            return
        self.data = self.data[: self.draw.randrange(end + 1, len(self.data) - 1)]
        self.lost.add(height)
        self.now_ns += 10 * SECOND
        events = self.truth[height]
        if self.layout == BY_BLOCK:
            del self.truth[height]
        elif len(events) > 1:
            events.pop()
        else:
            del self.truth[height]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 60_000), max_size=5))
def test_restarts_repetitions_and_tears_lose_nothing_unannounced_and_apply_nothing_twice(
    kind: str, layout: str, seed: int, cuts: list[int]
) -> None:
    node = CrashingNode(kind, layout, seed)
    node.run(12)
    node.truth[200] = [10**6]
    node.write(200)
    reader, _ = quiet_reader(kind, layout)
    items = read(reader, node.data, tuple(cuts))
    found = by_height(items)
    if kind == STATUSES:  # attributes may be told twice
        found = {height: list(dict.fromkeys(events)) for height, events in found.items()}
    assert found == {height: events for height, events in node.truth.items() if events}
    announced = {height for first, last in gaps(items) for height in range(first, last + 1)}
    assert node.lost <= announced | {100}


def test_by_block_gap_comes_before_the_block_after_it() -> None:
    reader, _ = quiet_reader(DIFFS, BY_BLOCK)
    items = read(reader, b"\n".join([line(1, []), line(4, [])]) + b"\n")
    assert isinstance(items[1], HeightGap)
    assert items[1] == HeightGap("diffs", 2, 3, items[1].reason)
    assert (reader.counters.gaps, reader.counters.missing) == (1, 2)


def test_a_block_reported_missing_that_comes_late_is_counted_and_not_applied() -> None:
    reader, told = quiet_reader(DIFFS, BY_BLOCK)
    data = b"".join(line(height, [diff(height)]) + b"\n" for height in (1, 3, 2, 4))
    items = read(reader, data)
    assert (by_height(items), gaps(items)) == ({1: [1], 3: [3], 4: [4]}, [(2, 2)])
    assert (reader.counters.late_parts, reader.counters.duplicates) == (1, 0)
    assert told == ["a block reported missing came too late and was not applied"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_heights_of_the_snapshot_are_dropped_without_being_counted(layout: str) -> None:
    reader, told = quiet_reader(DIFFS, layout)
    reader.start_after(11)
    items = read(reader, b"".join(line(height, [diff(height)]) + b"\n" for height in (10, 11, 12)))
    assert by_height(items) == {12: [12]}
    assert (reader.counters.duplicates, gaps(items), told) == (0, [], [])


def test_a_crowd_of_duplicates_is_told_once_and_counted_each() -> None:
    reader, told = quiet_reader(FILLS, BY_BLOCK)
    read(reader, b"".join(line(height, []) + b"\n" for height in (1, 2, 3, 1, 2, 3, 4)))
    assert reader.counters.duplicates == 3
    assert told == ["the node wrote blocks again; they were dropped"]


@pytest.mark.parametrize("kind", KINDS)
def test_streaming_flush_closes_the_block_and_later_lines_continue_it(kind: str) -> None:
    reader, told = quiet_reader(kind, STREAMING)
    one, two = lines_of(kind, STREAMING, 5, [1, 2])
    [first] = batches(one + b"\n", ())
    assert reader.feed(first) == []
    assert reader.has_open_block
    [block] = reader.flush()
    assert reader.flush() == []
    rest = read(reader, two + b"\n")
    assert [(numbers(item), getattr(item, "is_continuation", None)) for item in [block, *rest]] == [
        ([1], False), ([2], True),
    ]  # fmt: skip
    assert reader.counters.late_parts == 1
    assert len(told) == 1


@pytest.mark.parametrize(("kind", "silent"), [(DIFFS, 100), (STATUSES, 100), (FILLS, 1000)])
def test_streaming_heights_without_lines_are_no_gap_until_too_many(kind: str, silent: int) -> None:
    make = EVENT[kind]
    for skipped, expected in ((silent, []), (silent + 1, [(2, silent + 2)])):
        reader, _ = quiet_reader(kind, STREAMING)
        data = line(1, [make(1)]) + b"\n" + line(2 + skipped, [make(2)]) + b"\n"
        assert gaps(read(reader, data)) == expected


def test_streaming_line_late_in_the_file_before_announces_its_block() -> None:
    reader, _ = quiet_reader(DIFFS, STREAMING)
    read(reader, line(5, [diff(1)]) + b"\n" + line(6, [diff(2)]) + b"\n")
    [late] = batches(line(5, [diff(3)]) + b"\n" + line(5, [diff(4)]) + b"\n", ())
    late.is_late = True
    assert gaps(reader.feed(late)) == [(5, 5)]
    assert reader.counters.late_parts == 2


@pytest.mark.parametrize("kind", KINDS)
def test_streaming_lines_of_several_events_and_shorter_times_are_read(kind: str) -> None:
    make = EVENT[kind]
    lines = [line(5, [make(1), make(2)]), line(5, [make(3)], digits=6), line(5, [make(4)], digits=0),
             line(5, []), line(5, [make(5)])]  # fmt: skip
    reader, told = quiet_reader(kind, STREAMING)
    assert by_height(read(reader, b"\n".join(lines) + b"\n")) == {5: [1, 2, 3, 4, 5]}
    assert not told


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [DIFFS, FILLS])
def test_events_of_another_kind_are_unreadable(kind: str, layout: str) -> None:
    events: list[Any] = ["7", '"x"', "null"]
    reader, told = quiet_reader(kind, layout)
    assert by_height(read(reader, b"".join(line(5, [event]) + b"\n" for event in events))) == {}
    assert reader.counters.unreadable == 3
    assert told == ["a line of the node cannot be read"]
