"""Tailing: every line once and in order, whatever happens to the files."""

import os
import random
from pathlib import Path

import pytest
import trio
from inotify_simple import flags
from trio.testing import MockClock

from hyperstream.sources.node import tail as tail_module
from hyperstream.sources.node import watch as watch_module
from hyperstream.sources.node.hours import Hour
from hyperstream.sources.node.tail import Tail
from tests.sources.node.node_lines import write

NINE, TEN = "20260505/9", "20260505/10"


async def everything(tail: Tail) -> list[tuple[str, bytes]]:
    """What can be had now, without waiting, as if something had woken us."""
    await trio.lowlevel.checkpoint()
    tail.watch.take_events()
    found = []
    while (batch := tail.take()) is not None:
        found += [(batch.file, line) for line in batch.lines()]
    return found


async def next_lines(tail: Tail, count: int) -> list[bytes]:
    """Wait for lines."""
    found: list[bytes] = []
    with trio.fail_after(30):
        while len(found) < count:
            batch = tail.take()
            if batch is None:
                await tail.wait()
            else:
                found += batch.lines()
    return found


async def test_lines_arrive_as_they_are_written_with_their_offsets(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"one")
    with Tail(tmp_path) as tail, trio.fail_after(30):
        first = tail.take()
        assert first is not None
        assert (first.file, first.offset, first.lines()) == (NINE, 0, [b"one"])
        assert tail.take() is None
        write(tmp_path, NINE, b"two", b"three")
        await tail.wait()
        second = tail.take()
        assert second is not None
        assert (second.offset, second.lines()) == (4, [b"two", b"three"])
        assert (tail.file, tail.bytes_read) == (NINE, 14)


async def test_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"one\ntw", end=b"")
    with Tail(tmp_path) as tail:
        assert await everything(tail) == [(NINE, b"one")]
        write(tmp_path, NINE, b"o\nthr", end=b"")
        assert await everything(tail) == [(NINE, b"two")]
        write(tmp_path, NINE, b"ee")
        assert await everything(tail) == [(NINE, b"three")]


async def test_any_writes_and_reads_give_the_same_lines(tmp_path: Path) -> None:
    draw = random.Random(7)
    lines = [
        bytes([draw.randrange(11, 256)]) * draw.choice((0, 1, 100, 70_000, 3_000_000)) for _ in range(40)
    ]
    data = b"".join(line + b"\n" for line in lines)
    path = write(tmp_path, NINE, end=b"")
    found = []
    with Tail(tmp_path) as tail, path.open("ab", buffering=0) as writer:
        while data:
            size = draw.choice((1, 10, 50_000, 800_000, 5_000_000))
            writer.write(data[:size])
            data = data[size:]
            found += [line for _, line in await everything(tail)]
    assert found == lines


async def test_rollover_goes_from_nine_to_ten_and_over_midnight(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"a")
    with Tail(tmp_path) as tail:
        assert await next_lines(tail, 1) == [b"a"]
        for number, file in enumerate((TEN, "20260505/23", "20260506/0", "20260506/1")):
            write(tmp_path, file, b"%d" % number)
            assert await next_lines(tail, 1) == [b"%d" % number]
            assert tail.file == file


async def test_several_new_hours_at_once_are_read_in_order(tmp_path: Path) -> None:
    files = ["20260505/8", NINE, TEN, "20260506/0"]
    for number, file in enumerate(files):
        write(tmp_path, file, b"%d" % number)
    with Tail(tmp_path, Hour("20260505", 8)) as tail:
        assert await everything(tail) == [(file, b"%d" % number) for number, file in enumerate(files)]


async def test_bytes_written_before_the_successor_come_before_it(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"a")
    with Tail(tmp_path) as tail:
        assert await everything(tail) == [(NINE, b"a")]
        write(tmp_path, NINE, b"last")
        write(tmp_path, TEN, b"first")
        assert await everything(tail) == [(NINE, b"last"), (TEN, b"first")]


async def test_an_empty_successor_does_not_end_the_file(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"a")
    with Tail(tmp_path) as tail:
        await everything(tail)
        write(tmp_path, TEN, end=b"")
        assert await everything(tail) == []
        write(tmp_path, NINE, b"more")
        assert await everything(tail) == [(NINE, b"more")]
        write(tmp_path, TEN, b"first")
        assert await everything(tail) == [(TEN, b"first")]


async def test_late_bytes_in_the_file_before_are_handed_on_and_marked(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"a")
    with Tail(tmp_path) as tail:
        await everything(tail)
        write(tmp_path, TEN, b"b")
        await everything(tail)
        write(tmp_path, NINE, b"late")
        tail.watch.take_events()
        batch = tail.take()
        assert batch is not None
        assert (batch.file, batch.lines(), batch.is_late) == (NINE, [b"late"], True)
        write(tmp_path, TEN, b"c")
        batch = tail.take()
        assert batch is not None
        assert (batch.lines(), batch.is_late) == ([b"c"], False)


async def test_a_successor_that_does_not_follow_waits_for_the_file_before(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"1")
    heads: list[bytes] = []
    answers = [1000.0, 0.0]

    def patience(head: bytes) -> float:
        heads.append(head)
        return answers[len(heads) - 1]

    with Tail(tmp_path, patience=patience) as tail:
        assert await everything(tail) == [(NINE, b"1")]
        write(tmp_path, TEN, b"3")
        assert await everything(tail) == []
        assert await everything(tail) == []
        assert heads == [b"3\n"]
        write(tmp_path, NINE, b"2")
        assert await everything(tail) == [(NINE, b"2"), (TEN, b"3")]
        assert heads == [b"3\n", b"3\n"]


@pytest.mark.parametrize(
    ("is_from_oldest", "expected"), [(True, [(NINE, b"1"), (TEN, b"2")]), (False, [(TEN, b"2")])]
)
async def test_where_there_was_no_file_it_may_begin_at_the_oldest_that_appears(
    tmp_path: Path, is_from_oldest: bool, expected: list[tuple[str, bytes]]
) -> None:
    with Tail(tmp_path, is_from_oldest=is_from_oldest) as tail:
        assert await everything(tail) == []
        write(tmp_path, NINE, b"1")
        write(tmp_path, TEN, b"2")
        assert await everything(tail) == expected


async def test_the_wait_for_the_file_before_ends(tmp_path: Path, autojump_clock: MockClock) -> None:
    write(tmp_path, NINE, b"1")
    with Tail(tmp_path, patience=lambda _: 0.1) as tail:
        await everything(tail)
        write(tmp_path, TEN, b"3")
        assert await everything(tail) == []
        began = trio.current_time()
        await tail.wait()
        assert trio.current_time() == began + 0.1
        assert await everything(tail) == [(TEN, b"3")]


async def test_a_torn_last_line_that_never_ends_is_counted_when_its_file_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "LATE_SECONDS", 0.0)
    write(tmp_path, NINE, b"a\ntorn", end=b"")
    write(tmp_path, TEN, b"b")
    lost: list[tuple[str, str, int]] = []
    with Tail(tmp_path, Hour("20260505", 9), lost=lambda *what: lost.append(what)) as tail:
        assert await everything(tail) == [(NINE, b"a"), (TEN, b"b")]
        assert tail.take() is None
        assert (tail.torn, tail.unreadable) == (1, 1)
        assert lost == [("never ended", NINE, 2)]
        assert tail.bytes_read == 8 + 4  # the torn bytes were looked at twice


async def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = write(tmp_path, NINE, b"one", b"two")
    with Tail(tmp_path) as tail:
        await everything(tail)
        os.truncate(path, 0)
        assert await everything(tail) == []
        write(tmp_path, NINE, b"new")
        assert await everything(tail) == [(NINE, b"new")]
        assert tail.truncations == 1


async def test_a_recreated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = write(tmp_path, NINE, b"one", b"two")
    with Tail(tmp_path) as tail:
        await everything(tail)
        path.unlink()
        write(tmp_path, NINE, b"one", b"three")
        assert await everything(tail) == [(NINE, b"one"), (NINE, b"three")]
        assert tail.recreations == 1


async def test_a_file_moved_over_the_current_one_is_read_after_its_last_lines(tmp_path: Path) -> None:
    path = write(tmp_path, NINE, b"one")
    with Tail(tmp_path) as tail:
        await everything(tail)
        write(tmp_path, NINE, b"two")
        (tmp_path / "new").write_bytes(b"three\n")
        (tmp_path / "new").rename(path)
        assert await everything(tail) == [(NINE, b"two"), (NINE, b"three")]


async def test_a_vanished_file_is_read_to_its_end_and_its_successor_follows(tmp_path: Path) -> None:
    path = write(tmp_path, NINE, b"one")
    with Tail(tmp_path) as tail:
        await everything(tail)
        write(tmp_path, NINE, b"two")
        path.unlink()
        assert await everything(tail) == [(NINE, b"two")]
        write(tmp_path, TEN, b"three")
        assert await next_lines(tail, 1) == [b"three"]


async def test_a_pruned_date_directory_is_no_trouble(tmp_path: Path) -> None:
    path = write(tmp_path, NINE, b"one")
    with Tail(tmp_path) as tail:
        await everything(tail)
        path.unlink()
        path.parent.rmdir()
        assert await everything(tail) == []
        write(tmp_path, "20260506/0", b"two")
        assert await next_lines(tail, 1) == [b"two"]


async def test_directories_that_appear_later_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "POLL_SECONDS", 1000.0)
    directory = tmp_path / "node_fills_by_block" / "hourly"
    with Tail(directory) as tail, trio.fail_after(30):
        assert tail.take() is None
        directory.parent.mkdir()
        await tail.wait()
        assert tail.take() is None
        directory.mkdir()
        await tail.wait()
        assert tail.take() is None
        write(directory, NINE, b"one")
        assert await next_lines(tail, 1) == [b"one"]


async def test_lost_events_are_made_good_by_the_listing(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"one")
    with Tail(tmp_path) as tail:
        await everything(tail)
        write(tmp_path, TEN, b"two")
        assert tail.take() is None  # nobody told us
        tail.watch.note(flags.Q_OVERFLOW)
        batch = tail.take()
        assert batch is not None
        assert batch.lines() == [b"two"]


async def test_a_line_without_end_is_dropped_up_to_its_newline_and_counted(tmp_path: Path) -> None:
    with Tail(tmp_path, longest_line_bytes=200_000) as tail:
        path = write(tmp_path, NINE, b"one")
        assert await everything(tail) == [(NINE, b"one")]
        for _ in range(5):
            with path.open("ab") as writer:
                writer.write(b"x" * 90_000)
            assert await everything(tail) == []
        write(tmp_path, NINE, b"xxx", b"two")
        assert await everything(tail) == [(NINE, b"two")]
        assert tail.unreadable == 1


async def test_it_starts_at_the_byte_given_or_with_the_first_file_after_it(tmp_path: Path) -> None:
    write(tmp_path, NINE, b"one", b"two")
    write(tmp_path, TEN, b"three")
    with Tail(tmp_path, Hour("20260505", 9), 4) as tail:
        assert await everything(tail) == [(NINE, b"two"), (TEN, b"three")]
    with Tail(tmp_path, Hour("20260504", 23), 4) as tail:
        assert [line for _, line in await everything(tail)] == [b"one", b"two", b"three"]
    with Tail(tmp_path) as tail:
        assert await everything(tail) == [(TEN, b"three")]


async def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for file in (NINE, TEN, "20260506/0"):
        write(tmp_path, file, b"x")
    write(tmp_path, "20260506/1", end=b"")
    with Tail(tmp_path, Hour("20260505", 9)) as tail:
        await everything(tail)
        assert len(os.listdir("/proc/self/fd")) > before
    assert len(os.listdir("/proc/self/fd")) == before
