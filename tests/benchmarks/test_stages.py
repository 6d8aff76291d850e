"""The clocks round the daemon's stages tell of each block what was spent until its last turn ended."""

from __future__ import annotations

from pathlib import Path

from attrs import define

from benchmarks.stages import STAGES, StageClock, install, stage_sums
from hyperstream.engine.book_level import BookLevel
from hyperstream.engine.turns import Turn
from hyperstream.sources.node.streaming_events import StreamingEventReader
from hyperstream.wire.diffs import DiffApplier


@define
class Block:
    """What a clock looks at."""

    height: int
    node_time_ns: int
    read_time_ns: int


class Books:
    """Three stages and the end of a turn; two turns a block, and something after them."""

    def read(self) -> tuple[int, int]:
        return 1, 2

    def change(self) -> None:
        """Do nothing."""

    def end(self) -> str:
        return "ended"

    def apply(self, block: Block) -> int:
        if block.height == 3:
            self.change()  # nobody follows anything
            return 0
        for _ in self.read():
            self.change()
            assert self.end() == "ended"
        self.change()
        return block.height


def clocked() -> tuple[StageClock, type[Books]]:
    class Clocked(Books):
        """Methods of its own, to be wrapped."""

    clock = StageClock()
    clock.wrap(Clocked, "read", "parsed")
    clock.wrap(Clocked, "change", "applied")
    clock.wrap(Clocked, "end", "written")
    clock.note_turns(Clocked, "end")
    clock.note_blocks(Clocked, "apply")
    return clock, Clocked


def test_a_block_is_noted_with_what_was_spent_until_its_last_turn(tmp_path: Path) -> None:
    clock, books = clocked()
    assert books().apply(Block(1, 100, 350)) == 1
    ((height, seen, parsed, applied, encoded, written),) = clock.blocks
    assert (height, seen, encoded) == (1, 250, 0)
    assert parsed > 0
    assert applied > 0
    assert written > 0
    assert set(clock.sums.values()) == {0}
    clock.write(tmp_path / "stages")
    rows = stage_sums(tmp_path / "stages", {1})
    assert [row["stage"] for row in rows] == list(STAGES)
    assert rows[0]["p50_ms"] == rows[0]["p99_ms"] == 250 / 1e6


def test_blocks_that_nobody_follows_and_others_than_asked_for_are_left_out(tmp_path: Path) -> None:
    clock, books = clocked()
    for height in (1, 2, 3):
        books().apply(Block(height, 0, height))
    assert [block[0] for block in clock.blocks] == [1, 2]
    clock.write(tmp_path / "stages")
    assert stage_sums(tmp_path / "stages", {2})[0]["p50_ms"] == 2 / 1e6
    assert stage_sums(tmp_path / "nothing", {2})[0]["p50_ms"] == 0


def test_the_clocks_fit_the_daemons_own_methods() -> None:
    places = (
        (StreamingEventReader, "feed"), (BookLevel, "_read"), (DiffApplier, "apply"), (Turn, "publish"),
        (BookLevel, "apply"), (Turn, "end"),
    )  # fmt: skip
    before = [getattr(owner, name) for owner, name in places]
    try:
        install()
        assert all(
            getattr(owner, name) is not method for (owner, name), method in zip(places, before, strict=True)
        )
    finally:
        for (owner, name), method in zip(places, before, strict=True):
            setattr(owner, name, method)
