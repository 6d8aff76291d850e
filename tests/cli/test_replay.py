"""``hyperstream replay``: recorded files through the real daemon, in this process and as a program."""

import gzip
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.narration import State, Summary
from hyperstream.cli.replay import Replay
from hyperstream.config import GrpcSettings, HttpSettings, Settings, WebSocketSettings
from hyperstream.testing import FakeNode
from hyperstream.testing.recording import Recording
from tests.processes import printing
from tests.recorded import BTC, needs_recording

BLOCKS = 25
MARKETS = ("BTC", "@107", "xyz:XYZ100")
TIMEOUT_SECONDS = 60


def record(
    directory: Path, layout: str = "by_block", *, with_snapshot: bool = True, snapshot_after: int = 0
) -> FakeNode:
    """Let a fake node write a recording; its truth is that of the last block."""
    directory.mkdir(exist_ok=True)
    node = FakeNode(directory, layout=layout, markets=MARKETS, start_time_ns=1_778_002_753_000_000_000)
    for number in range(BLOCKS + 1):
        if number:
            node.step()
        if with_snapshot and number == snapshot_after:
            node.write_snapshot(directory / "snapshot.json")
    node.close()
    return node


def zip_all(directory: Path) -> None:
    for path in [path for path in directory.rglob("*") if path.is_file()]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def lose_a_block(directory: Path) -> None:
    """Take one line of diffs out of a recording."""
    (path,) = directory.glob("node_raw_book_diffs_by_block/hourly/*/*")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5] + lines[6:]))


def split_into_hours(directory: Path) -> None:
    """Put each block of a recording into an hourly file of its own, over more than one day."""
    for path in list(directory.rglob("hourly/*/*")):
        lines = path.read_bytes().splitlines(keepends=True)
        path.unlink()
        heights = [json.loads(line)["block_number"] for line in lines]
        for line, height in zip(lines, heights, strict=True):
            day, hour = divmod(height % 1000, 24)
            file = path.parent.parent / f"2026050{5 + day}" / str(hour)
            file.parent.mkdir(exist_ok=True)
            with file.open("ab") as opened:
                opened.write(line)


def keep_lines(directory: Path, pattern: str, kept: slice) -> None:
    """Leave only some lines in files of a recording."""
    for path in directory.glob(f"{pattern}/hourly/*/*"):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[kept]))


def run_command(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run ``hyperstream replay --json`` to its end: exit code, what it printed, what it logged."""
    result = CliRunner().invoke(main, ["replay", "--json", *arguments])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


@define(eq=False)
class Listener:
    """A narrator that remembers."""

    progress_seconds: float = 0.01
    address: str = ""
    notes: list[str] = field(factory=list)
    states: list[State] = field(factory=list)
    end: Summary | None = None

    def listening(self, address: str, recording: str) -> None:
        self.address = address

    def progress(self, state: State) -> None:
        self.states.append(state)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def summary(self, summary: Summary) -> None:
        self.end = summary


def make_replay(
    directory: Path, narrator: Listener, *, speed: float = 0.0, is_strict: bool = False
) -> Replay:
    return Replay(
        recording=Recording.find(directory),
        speed=speed,
        is_held=False,
        is_strict=is_strict,
        settings=Settings(
            grpc=GrpcSettings(listen="127.0.0.1:0"),
            websocket=WebSocketSettings(listen="127.0.0.1:0"),
            http=HttpSettings(listen="127.0.0.1:0"),
        ),
        narrator=narrator,
    )


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
@pytest.mark.parametrize("is_zipped", [False, True], ids=["plain", "zipped"])
async def test_the_books_at_the_end_are_the_nodes(layout: str, is_zipped: bool, tmp_path: Path) -> None:
    node = record(tmp_path / "recorded", layout)
    if is_zipped:
        zip_all(tmp_path / "recorded")
    narrator = Listener()
    with trio.fail_after(TIMEOUT_SECONDS):
        assert await make_replay(tmp_path / "recorded", narrator, is_strict=True).run() == 0
    assert narrator.end is not None
    assert narrator.end.is_sound
    assert narrator.end.blocks == BLOCKS
    assert narrator.end.height == node.height
    assert narrator.end.events == node.lines_written
    found = {market.symbol: market for market in narrator.end.markets}
    assert set(found) == set(MARKETS)
    for symbol in MARKETS:
        truth = node.truth(symbol)
        assert found[symbol].best_bid == truth.bids[0][0]
        assert found[symbol].best_ask == truth.asks[0][0]
        assert found[symbol].orders == sum(level[2] for level in (*truth.bids, *truth.asks))


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_hours_that_are_played_faster_than_they_are_found_are_all_read(
    layout: str, tmp_path: Path
) -> None:
    node = record(tmp_path / "recorded", layout)
    split_into_hours(tmp_path / "recorded")
    narrator = Listener()
    with trio.fail_after(TIMEOUT_SECONDS):
        assert await make_replay(tmp_path / "recorded", narrator, is_strict=True).run() == 0
    assert narrator.end is not None
    assert narrator.end.height == node.height
    assert not [cause for cause in narrator.end.counts if cause.startswith("missing")]


async def test_a_lost_block_is_said_loudly_and_fails_only_when_strict(tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    lose_a_block(tmp_path / "recorded")
    for is_strict, code in ((False, 0), (True, 1)):
        narrator = Listener()
        with trio.fail_after(TIMEOUT_SECONDS):
            replay = make_replay(tmp_path / "recorded", narrator, is_strict=is_strict)
            assert await replay.run() == code
        assert narrator.end is not None
        assert narrator.end.is_caught_up
        assert {market.symbol for market in narrator.end.doubtful} == set(MARKETS)
        assert "DOUBTFUL" in narrator.end.verdict


async def test_without_a_snapshot_books_begin_empty_and_it_says_so(tmp_path: Path) -> None:
    record(tmp_path / "recorded", with_snapshot=False)
    narrator = Listener()
    with trio.fail_after(TIMEOUT_SECONDS):
        assert await make_replay(tmp_path / "recorded", narrator).run() == 0
    assert any("no snapshot" in note for note in narrator.notes)
    assert narrator.end is not None
    assert narrator.end.is_caught_up


async def test_what_a_recording_lacks_is_said_before_it_is_missed(tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    shutil.rmtree(tmp_path / "recorded" / "node_fills_by_block")
    shutil.rmtree(tmp_path / "recorded" / "node_order_statuses_by_block")
    narrator = Listener()
    with trio.fail_after(TIMEOUT_SECONDS):
        assert await make_replay(tmp_path / "recorded", narrator, is_strict=True).run() == 0
    assert narrator.notes == [
        "no fills in the recording: there are no trades",
        "no statuses in the recording: orders have no attributes",
    ]


@pytest.mark.parametrize("content", [b"not a snapshot", b"[985000000,[[", b""], ids=["text", "torn", "empty"])
def test_a_snapshot_that_cannot_be_used_is_told_and_exits_with_1(content: bytes, tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    snapshot = tmp_path / "recorded" / "snapshot.json"
    snapshot.write_bytes(content)
    code, _, logged = run_command(str(tmp_path / "recorded"), "--speed", "0")
    assert code == 1
    assert str(snapshot) in logged
    assert "Traceback" not in logged


def test_a_recording_of_which_nothing_can_be_read_is_not_called_sound(tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    for path in (tmp_path / "recorded").rglob("hourly/*/*"):
        path.write_bytes(path.read_bytes().replace(b'"block_number"', b'"height"'))
    code, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0")
    assert code == 1
    assert told[-1]["is_sound"] is False
    assert told[-1]["verdict"].startswith("Nothing was played: ")
    assert "block_number" in told[-1]["verdict"]


def test_a_recording_torn_at_its_end_ends_at_once_and_says_so(tmp_path: Path) -> None:
    node = record(tmp_path / "recorded")
    for path in (tmp_path / "recorded").rglob("hourly/*/*"):
        path.write_bytes(path.read_bytes()[:-30])
    code, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0", "--strict")
    assert code == 0
    assert told[-1]["height"] == node.height - 1
    assert told[-1]["unreadable_lines"] == 3
    assert "torn" in told[-1]["problem"]


@pytest.mark.parametrize("is_zipped", [False, True], ids=["plain", "zipped"])
def test_a_snapshot_without_a_height_takes_it_from_the_name_it_was_recorded_under(
    is_zipped: bool, tmp_path: Path
) -> None:
    node = record(tmp_path / "recorded")
    snapshot = tmp_path / "recorded" / "snapshot.json"
    height, markets = json.loads(snapshot.read_bytes())
    snapshot.unlink()
    named = snapshot.with_name(f"snapshot_{height}.json")
    named.write_text(json.dumps(markets, separators=(",", ":")))
    if is_zipped:
        named.with_name(f"{named.name}.gz").write_bytes(gzip.compress(named.read_bytes()))
        named.unlink()
    code, told, logged = run_command(str(tmp_path / "recorded"), "--speed", "0", "--strict")
    assert code == 0, logged
    assert told[-1]["height"] == node.height


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_a_source_that_ends_before_the_snapshot_is_not_waited_for(layout: str, tmp_path: Path) -> None:
    node = record(tmp_path / "recorded", layout, snapshot_after=BLOCKS // 2)
    keep_lines(tmp_path / "recorded", "node_fills_*", slice(0, 2))
    code, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0", "--strict")
    assert code == 0
    assert told[-1]["height"] == node.height


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_a_snapshot_from_after_the_recording_is_told_at_once(layout: str, tmp_path: Path) -> None:
    node = record(tmp_path / "recorded", layout, snapshot_after=BLOCKS)
    code, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0")
    assert code == 1
    assert told[-1]["is_sound"] is False
    assert told[-1]["verdict"] == (
        f"Nothing was applied: the snapshot stands at block {node.height}, the recording ends with "
        f"{node.height}. Take a snapshot from before its last block."
    )


def test_a_streaming_recording_that_begins_long_after_its_snapshot_is_told_of(tmp_path: Path) -> None:
    record(tmp_path / "recorded", "streaming")
    keep_lines(tmp_path / "recorded", "node_raw_book_diffs_*", slice(-20, None))
    _, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0")
    (note,) = [each["text"] for each in told if each["type"] == "note"]
    assert "record from before the snapshot on" in note


def test_a_streaming_hour_that_ends_in_a_torn_line_makes_the_books_doubtful(tmp_path: Path) -> None:
    """Nothing of it is in the next hour, and heights do not show that it is missing."""
    record(tmp_path / "recorded", "streaming")
    (path,) = (tmp_path / "recorded").glob("node_raw_book_diffs_streaming/hourly/*/*")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2])[:-30])
    path.with_name("18").write_bytes(b"".join(lines[-2:]))
    code, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0", "--strict")
    assert code == 1
    assert {market["symbol"] for market in told[-1]["markets"] if market["doubt"]} == set(MARKETS)


async def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "recorded")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with trio.fail_after(TIMEOUT_SECONDS):
        await make_replay(tmp_path / "recorded", Listener()).run()
    assert list(temporary.iterdir()) == []


def test_the_command_tells_everything_as_json(tmp_path: Path) -> None:
    node = record(tmp_path / "recorded")
    code, told, logged = run_command(str(tmp_path / "recorded"), "--speed", "0", "--strict")
    assert code == 0, logged
    assert told[0]["type"] == "listening"
    assert told[0]["address"].startswith("127.0.0.1:")
    assert told[-1]["type"] == "summary"
    assert told[-1]["is_sound"] is True
    assert told[-1]["height"] == node.height


def test_the_command_exits_with_1_for_a_doubtful_book_when_strict(tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    lose_a_block(tmp_path / "recorded")
    code, told, _ = run_command(str(tmp_path / "recorded"), "--speed", "0", "--strict")
    assert code == 1
    assert "DOUBTFUL" in told[-1]["verdict"]


def test_held_it_serves_on_until_it_is_interrupted(tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    directory = str(tmp_path / "recorded")
    with printing("replay", directory, "--speed", "0", "--hold") as (process, lines):
        assert any("Serving on" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 0


def test_interrupted_before_the_end_it_drains(tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    directory = str(tmp_path / "recorded")
    with printing("replay", directory, "--speed", "0.001", "--json") as (process, lines):
        assert json.loads(next(lines))["type"] == "listening"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "there is no such directory"),
        (["."], "no recorded book diffs"),
        ([".", "--speed", "-1"], "-1"),
        ([".", "--listen", "50051"], "must be HOST:PORT"),
        ([".", "--set", "log.level=loud"], "log.level must be one of"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, told, logged = run_command(*arguments)
    assert code == 2
    assert told == []
    assert expected in logged


@needs_recording
@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_a_recording_of_the_real_node_ends_in_sound_books(layout: str) -> None:
    code, told, logged = run_command(str(BTC), "--layout", layout, "--speed", "0", "--strict")
    assert code == 0, logged
    assert told[-1]["is_sound"] is True
