"""Playing a recording: the same bytes in the same order, in its pace, from every form a recording has."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from hyperstream.errors import ConfigurationError, FormatError
from hyperstream.testing import FakeNode, Rollover
from hyperstream.testing.player import Player
from hyperstream.testing.recording import STEMS, RecordedBlock, Recording

START_TIME_NS = 1_778_002_753_000_000_000
BLOCKS = 12


def record(directory: Path, layout: str = "by_block", blocks: int = BLOCKS) -> FakeNode:
    """Let a fake node write a recording and its snapshot."""
    node = FakeNode(directory, layout=layout, markets=["BTC", "@107"], start_time_ns=START_TIME_NS)
    node.write_snapshot(directory / "snapshot.json")
    for _ in range(blocks):
        node.step()
    node.close()
    return node


def contents(directory: Path) -> dict[str, bytes]:
    """Return the node files below a directory by their path in it."""
    paths = [path for path in sorted(directory.rglob("hourly/*/*")) if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def zip_all(directory: Path) -> None:
    for path in [path for path in directory.rglob("*") if path.is_file()]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def split_hours(directory: Path, first: str, second: str) -> None:
    """Cut each hourly file of a recording into two."""
    for path in [path for path in directory.rglob("hourly/*/*") if path.is_file()]:
        lines = path.read_bytes().splitlines(keepends=True)
        path.unlink()
        (path.parent / first).write_bytes(b"".join(lines[:5]))
        (path.parent / second).write_bytes(b"".join(lines[5:]))


def rewrite(directory: Path, change: Callable[[bytes], bytes]) -> None:
    """Put other contents into each hourly file of a recording."""
    for path in directory.rglob("hourly/*/*"):
        path.write_bytes(change(path.read_bytes()))


def spell_otherwise(data: bytes) -> bytes:
    """The same lines with blanks and another order of keys, as json.dumps has them."""
    rows = [json.loads(line) for line in data.splitlines()]
    return "".join(json.dumps(dict(sorted(row.items()))) + "\n" for row in rows).encode()


def the_file(directory: Path, pattern: str) -> Path:
    """Return the only file that matches."""
    (path,) = directory.glob(pattern)
    return path


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    directory = tmp_path / "recorded"
    directory.mkdir()
    return directory


@pytest.fixture
def played(tmp_path: Path) -> Path:
    return tmp_path / "played"


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_what_is_played_is_what_was_recorded(layout: str, recorded: Path, played: Path) -> None:
    node = record(recorded, layout)
    player = Player(Recording.find(recorded), played, speed=0)
    await player.run()
    assert contents(played) == contents(recorded)
    assert player.height == node.height
    assert player.events == node.lines_written
    assert player.bytes_read == player.recording.size_bytes
    assert player.unreadable_lines == 0


async def test_a_gzipped_recording_plays_the_same(recorded: Path, played: Path) -> None:
    node = record(recorded)
    expected = contents(recorded)
    zip_all(recorded)
    recording = Recording.find(recorded)
    await Player(recording, played, speed=0).run()
    assert contents(played) == expected
    assert recording.unpack_snapshot(played / "snapshot.json")
    assert (played / "snapshot.json").read_bytes().startswith(f"[{node.height - BLOCKS},".encode())


async def test_blocks_come_in_the_recordings_pace(
    recorded: Path, played: Path, autojump_clock: MockClock
) -> None:
    record(recorded)
    at: list[tuple[int, float]] = []

    def note(block: RecordedBlock) -> None:
        at.append((block.block_time_ns, trio.current_time()))

    await Player(Recording.find(recorded), played, speed=2.0, on_block=note).run()
    first_time_ns, first_at = at[0]
    assert len(at) == BLOCKS
    for block_time_ns, written_at in at:
        assert written_at - first_at == pytest.approx((block_time_ns - first_time_ns) / 2e9)


async def test_speed_zero_does_not_wait(recorded: Path, played: Path, mock_clock: MockClock) -> None:
    """The clock stands still: anything that waited for it would never end."""
    record(recorded)
    player = Player(Recording.find(recorded), played, speed=0)
    with trio.fail_after(30):
        await player.run()
    assert player.blocks == BLOCKS


async def test_a_block_is_on_disk_when_it_is_told_and_fills_come_before_diffs(
    recorded: Path, played: Path
) -> None:
    record(recorded)
    seen: list[int] = []

    def look(block: RecordedBlock) -> None:
        written = contents(played)
        for piece in block.pieces:
            path = f"{STEMS[piece.source]}_by_block/{piece.name}"
            assert written[path].endswith(piece.body)
        assert [piece.source for piece in block.pieces] == ["fills", "diffs", "statuses"]
        seen.append(block.height)

    await Player(Recording.find(recorded), played, speed=0, on_block=look).run()
    assert seen == sorted(seen)
    assert len(seen) == BLOCKS


async def test_hours_are_played_in_order_into_their_own_files(recorded: Path, played: Path) -> None:
    node = record(recorded, blocks=3)
    node.inject(Rollover())
    for _ in range(3):
        node.step()
    node.close()
    heights: list[int] = []
    player = Player(
        Recording.find(recorded), played, speed=0, on_block=lambda block: heights.append(block.height)
    )
    await player.run()
    assert contents(played) == contents(recorded)
    assert len(contents(played)) == 6
    assert heights == list(range(node.height - 5, node.height + 1))


async def test_hours_are_compared_as_numbers(recorded: Path, played: Path) -> None:
    record(recorded)
    split_hours(recorded, "9", "10")
    heights: list[int] = []
    await Player(Recording.find(recorded), played, 0, lambda block: heights.append(block.height)).run()
    assert heights == sorted(heights)
    assert len(heights) == BLOCKS


async def test_unreadable_lines_are_played_and_counted(recorded: Path, played: Path) -> None:
    record(recorded)
    path = the_file(recorded, "node_raw_book_diffs_by_block/hourly/*/*")
    path.write_bytes(path.read_bytes() + b"garbage\n")
    player = Player(Recording.find(recorded), played, speed=0)
    await player.run()
    assert contents(played) == contents(recorded)
    assert player.unreadable_lines == 1
    assert player.problem.startswith(f"{path}: no events")


async def test_a_last_line_torn_while_it_was_copied_is_told_and_counts_for_nothing(
    recorded: Path, played: Path
) -> None:
    node = record(recorded)
    path = the_file(recorded, "node_raw_book_diffs_by_block/hourly/*/*")
    path.write_bytes(path.read_bytes()[:-30])
    player = Player(Recording.find(recorded), played, speed=0)
    await player.run()
    assert player.heights == {"fills": node.height, "diffs": node.height - 1, "statuses": node.height}
    assert player.unreadable_lines == 1
    assert player.problem == f"{path}: its last line is torn: it was copied while the node wrote"
    assert contents(played) == contents(recorded)


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_a_last_line_that_lacks_only_its_end_is_given_one(
    layout: str, recorded: Path, played: Path
) -> None:
    record(recorded, layout)
    expected = contents(recorded)
    rewrite(recorded, lambda data: data.removesuffix(b"\n"))
    player = Player(Recording.find(recorded), played, speed=0)
    await player.run()
    assert contents(played) == expected
    assert player.unreadable_lines == 0


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_lines_that_another_program_spelled_are_played_as_a_node_spells_them(
    layout: str, recorded: Path, played: Path
) -> None:
    record(recorded, layout)
    expected = contents(recorded)
    rewrite(recorded, spell_otherwise)
    player = Player(Recording.find(recorded), played, speed=0)
    await player.run()
    assert contents(played) == expected
    assert player.unreadable_lines == 0


async def test_a_line_longer_than_any_daemon_takes_is_left_out_and_told(
    recorded: Path, played: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(recorded)
    expected = contents(recorded)
    longest = max(len(line) for data in expected.values() for line in data.splitlines(keepends=True))
    monkeypatch.setattr("hyperstream.testing.recording.LONGEST_LINE_BYTES", longest + 1)
    path = the_file(recorded, "node_fills_by_block/hourly/*/*")
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(first + b"\n" + b"x" * (3 * longest) + b"\n" + rest)
    player = Player(Recording.find(recorded), played, speed=0)
    await player.run()
    assert contents(played) == expected
    assert player.unreadable_lines == 1
    assert str(path) in player.problem


async def test_a_torn_archive_is_told_with_its_name(recorded: Path, played: Path) -> None:
    record(recorded)
    zip_all(recorded)
    path = the_file(recorded, "node_fills_by_block/hourly/*/*.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match="cannot be unzipped to its end"):
        await Player(Recording.find(recorded), played, speed=0).run()


async def test_playing_can_be_stopped_in_the_middle(recorded: Path, played: Path) -> None:
    """Every file is closed again; an open one would be a ResourceWarning, and so a failure."""
    record(recorded)
    with trio.CancelScope() as scope:

        def stop(block: RecordedBlock) -> None:
            if player.blocks == 4:
                scope.cancel(reason="the test has seen enough")

        player = Player(Recording.find(recorded), played, speed=0, on_block=stop)
        await player.run()
    assert player.blocks == 4


# -- finding --------------------------------------------------------------------------------


def test_layouts_are_found_beside_each_other_and_in_folders(recorded: Path) -> None:
    for layout in ("by_block", "streaming"):
        (recorded / layout).mkdir()
        record(recorded / layout, layout)
    found = Recording.find(recorded)
    assert (found.layout, found.other_layouts) == ("by_block", ("streaming",))
    assert Recording.find(recorded, layout="streaming").layout == "streaming"
    assert Recording.find(recorded / "streaming").layout == "streaming"


def test_a_plain_file_beside_its_archive_is_played_once(recorded: Path) -> None:
    record(recorded)
    path = the_file(recorded, "node_fills_by_block/hourly/*/*")
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    (file,) = Recording.find(recorded).files["fills"]
    assert file.path == path


def test_a_snapshot_is_found_there_or_one_folder_up_or_not_at_all(recorded: Path, tmp_path: Path) -> None:
    record(recorded)
    snapshot = recorded / "snapshot.json"
    assert Recording.find(recorded).snapshot == snapshot
    outside = snapshot.rename(tmp_path / "snapshot_985.json")
    assert Recording.find(recorded).snapshot == outside
    other = outside.rename(tmp_path / "books.json")
    assert Recording.find(recorded).snapshot == other
    assert Recording.find(recorded, snapshot=other).snapshot == other
    other.unlink()
    recording = Recording.find(recorded)
    assert recording.snapshot is None
    assert not recording.unpack_snapshot(tmp_path / "x")


def test_what_cannot_be_found_is_said(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such directory"):
        Recording.find(tmp_path / "nowhere")
    with pytest.raises(
        ConfigurationError, match="no recorded book diffs; expected node_raw_book_diffs_by_block"
    ):
        Recording.find(recorded)
    record(recorded)
    with pytest.raises(ConfigurationError, match="node_raw_book_diffs_streaming"):
        Recording.find(recorded, layout="streaming")
    with pytest.raises(ConfigurationError, match="there is no such snapshot file"):
        Recording.find(recorded, snapshot=tmp_path / "none.json")


def test_what_is_there_instead_of_a_recording_is_said(recorded: Path, tmp_path: Path) -> None:
    deep = recorded / "hl" / "data"
    deep.mkdir(parents=True)
    record(deep)
    with pytest.raises(ConfigurationError, match=f"there are some in {deep}$"):
        Recording.find(recorded)
    diffs = deep / "node_raw_book_diffs_by_block"
    (file,) = diffs.glob("hourly/*/*")
    file.rename(file.with_suffix(".lz4"))
    with pytest.raises(
        ConfigurationError, match=r"\.lz4 is neither plain nor \.gz: unpack such files first$"
    ):
        Recording.find(deep)
    diffs.rename(deep / "node_raw_book_diffs")
    with pytest.raises(ConfigurationError, match="do not say which block they belong to"):
        Recording.find(deep)


def test_a_recording_without_fills_or_statuses_is_still_one(recorded: Path) -> None:
    record(recorded)
    shutil.rmtree(recorded / "node_fills_by_block")
    shutil.rmtree(recorded / "node_order_statuses_by_block")
    assert set(Recording.find(recorded).files) == {"diffs"}


def test_a_torn_snapshot_archive_is_told(recorded: Path, tmp_path: Path) -> None:
    record(recorded)
    zip_all(recorded)
    path = recorded / "snapshot.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match=r"snapshot\.json\.gz: cannot be unzipped"):
        Recording.find(recorded).unpack_snapshot(tmp_path / "x")


@pytest.mark.parametrize("is_zipped", [False, True], ids=["plain", "zipped"])
def test_a_json_file_beside_a_recording_that_holds_no_list_is_no_snapshot(
    is_zipped: bool, recorded: Path
) -> None:
    record(recorded)
    (recorded / "snapshot.json").rename(recorded / "start.json")
    (recorded / "about.json").write_text('{"recorded": "on monday"}')
    if is_zipped:
        zip_all(recorded)
    assert Recording.find(recorded).snapshot == recorded / ("start.json.gz" if is_zipped else "start.json")
