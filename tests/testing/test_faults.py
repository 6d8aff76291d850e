"""Every fault does to the files what its docstring says, and a naive reader sees it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperstream.errors import ConfigurationError
from hyperstream.testing import (
    BY_NAME,
    Divergence,
    FakeNode,
    GarbageLine,
    LateLines,
    MissingBlock,
    RecreatedFile,
    RepeatedHeights,
    Rollover,
    Stall,
    TornLine,
    Truncation,
    VanishedFile,
    parse_fault,
)

MakeNode = Callable[..., FakeNode]
MakeReader = Callable[..., Any]

STATUSES, DIFFS, FILLS = "node_order_statuses", "node_raw_book_diffs", "node_fills"
FIRST = 985_000_001


def _heights(reader: Any, stem: str) -> list[int]:
    return [line["block_number"] for line in reader.envelopes(stem)]


def _steps(node: FakeNode, count: int) -> None:
    for _ in range(count):
        node.step()


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
@pytest.mark.parametrize("pieces", [2, 3])
def test_a_torn_line_is_whole_again_blocks_later(
    pieces: int, layout: str, make_node: MakeNode, reader: MakeReader
) -> None:
    node = make_node(faults=[TornLine(at=FIRST + 1, pieces=pieces)], layout=layout)
    _steps(node, 2)
    assert not reader(layout).raw(STATUSES).endswith(b"\n")
    _steps(node, pieces - 2)
    assert not reader(layout).raw(STATUSES).endswith(b"\n")
    node.step()
    assert reader(layout).raw(STATUSES).endswith(b"\n")
    assert sorted(set(_heights(reader(layout), STATUSES))) == list(range(FIRST, FIRST + pieces + 1))


def test_a_stall_passes_time_but_skips_no_height(make_node: MakeNode) -> None:
    node = make_node(faults=[Stall(at=FIRST, seconds=7)])
    one, two = node.step(), node.step()
    assert (one.stall_seconds, two.height) == (7, FIRST + 1)
    assert 7e9 < two.block_time_ns - one.block_time_ns < 7.2e9


def test_late_lines_come_later_and_in_order(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[LateLines(at=FIRST + 1, blocks=3)])
    _steps(node, 4)
    assert _heights(reader(), STATUSES) == [FIRST]
    assert _heights(reader(), DIFFS) == list(range(FIRST, FIRST + 4))
    node.step()
    assert _heights(reader(), STATUSES) == list(range(FIRST, FIRST + 5))


def test_settle_writes_what_is_held_back(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[LateLines(at=FIRST, blocks=9)])
    node.step()
    node.settle()
    assert _heights(reader(), STATUSES) == [FIRST]


def test_repeated_heights_are_the_same_bytes_again(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[RepeatedHeights(at=FIRST + 3, blocks=2)])
    _steps(node, 5)
    order = [0, 1, 2, 3, 2, 3, 4]
    for stem in (STATUSES, DIFFS, FILLS):
        assert _heights(reader(), stem) == [FIRST + each for each in order]
        lines = reader().raw(stem).splitlines()
        assert lines[2:4] == lines[4:6]


@pytest.mark.parametrize("stem", [None, DIFFS])
def test_a_missing_block_is_in_no_file_or_not_in_one(
    stem: str | None, make_node: MakeNode, reader: MakeReader
) -> None:
    node = make_node(faults=[MissingBlock(at=FIRST + 1, stem=stem)])
    _steps(node, 3)
    for each in (STATUSES, DIFFS, FILLS):
        gone = stem in (None, each)
        assert _heights(reader(), each) == [FIRST, *([] if gone else [FIRST + 1]), FIRST + 2]


@pytest.mark.parametrize(("to", "name"), [("hour", "20260505/18"), ("day", "20260506/0")])
@pytest.mark.parametrize("straggler", [False, True])
def test_a_rollover_goes_on_in_a_new_file_and_loses_nothing(
    straggler: bool, to: str, name: str, make_node: MakeNode, reader: MakeReader
) -> None:
    node = make_node(faults=[Rollover(at=FIRST + 1, to=to, straggler=straggler)])
    _steps(node, 2)
    for stem in (STATUSES, DIFFS, FILLS):
        assert reader().raw(stem).endswith(b"\n") is not straggler
    node.step()
    for stem in (STATUSES, DIFFS, FILLS):
        old, new = reader().files(stem)
        assert str(old).endswith("20260505/17")
        assert str(new).endswith(name)
        assert _heights(reader(), stem) == [FIRST, FIRST + 1, FIRST + 2]
        assert reader().envelopes(stem)[2]["local_time"] > reader().envelopes(stem)[1]["local_time"]


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_truncated_file_shrinks_and_grows_on(keep: float, make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[Truncation(at=FIRST + 3, stem=STATUSES, keep=keep)])
    _steps(node, 3)
    (path,) = reader().files(STATUSES)
    before, inode = path.stat().st_size, path.stat().st_ino
    node.step()
    assert path.stat().st_size < before
    assert (path.stat().st_size == 0) is (keep == 0)
    _steps(node, 2)
    assert path.stat().st_ino == inode
    assert _heights(reader(), STATUSES)[-1] == FIRST + 5
    assert _heights(reader(), DIFFS) == list(range(FIRST, FIRST + 6))


def test_a_recreated_file_is_another_inode(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[RecreatedFile(at=FIRST + 1)])
    node.step()
    (path,) = reader().files(DIFFS)
    with path.open("rb") as held:  # keeps the old inode from being used again
        _steps(node, 2)
        assert os.fstat(held.fileno()).st_ino != path.stat().st_ino
        assert held.read().count(b"\n") == 2
    assert _heights(reader(), DIFFS) == [FIRST + 2]


def test_a_vanished_file_is_one_of_a_past_hour(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[Rollover(at=FIRST), VanishedFile(at=FIRST + 1)])
    _steps(node, 3)
    for stem in (STATUSES, DIFFS, FILLS):
        assert _heights(reader(), stem) == [FIRST + 1, FIRST + 2]


def test_a_garbage_line_is_complete_and_not_json(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(faults=[GarbageLine(at=FIRST + 1)])
    _steps(node, 3)
    assert len(reader().raw(STATUSES).splitlines()) == 4
    assert _heights(reader(), STATUSES) == [FIRST, FIRST + 1, FIRST + 2]


@pytest.mark.parametrize("kind", ["unknown_remove", "unknown_update", "impossible_size", "dropped_diff"])
def test_a_divergence_spoils_the_named_market_only(
    kind: str, tmp_path: Path, make_node: MakeNode, reader: MakeReader
) -> None:
    node = make_node(seed=3, faults=[Divergence(at=FIRST + 2, kind=kind)])
    node.write_snapshot(tmp_path / "snapshot.json")
    blocks = [node.step() for _ in range(3)]
    assert [bool(block.diverged) for block in blocks] == [False, False, True]
    diffs = len(reader().envelopes(DIFFS)[2]["events"])
    assert diffs - blocks[2].diffs == 0
    replayed = reader()
    replayed.load(tmp_path / "snapshot.json")
    if kind == "impossible_size":
        bad = replayed.events(DIFFS)[-1]
        assert bad["coin"] == blocks[2].diverged[0]
        assert bad["raw_book_diff"]["update"]["newSz"] != "0.0"
        return
    replayed.apply_all()
    assert (replayed.unknown > 0) is kind.startswith("unknown")
    for symbol in node.symbols:
        wrong = kind == "dropped_diff" and symbol in blocks[2].diverged
        assert (replayed.book(symbol) == node.truth(symbol)) is not wrong


def test_an_injected_fault_strikes_the_next_block_only(make_node: MakeNode) -> None:
    node = make_node()
    fault = GarbageLine()
    node.inject(fault)
    assert [node.step().faults, node.step().faults] == [(fault,), ()]


def test_a_chance_per_block_is_seeded_and_leaves_the_flow_alone(tmp_path: Path) -> None:
    def run(name: str, faults: list[Any]) -> tuple[list[Any], Any]:
        node = FakeNode(tmp_path / name, start_time_ns=1_778_000_000_000_000_000, faults=faults)
        return [node.step().faults for _ in range(60)], node.truth("BTC")

    first, second = run("a", [TornLine(probability=0.2)]), run("b", [TornLine(probability=0.2)])
    assert first == second
    assert 3 < sum(map(len, first[0])) < 25
    assert run("c", [])[1] == first[1]


def test_all_faults_together_lose_nothing_that_they_do_not_promise_to(
    tmp_path: Path, make_node: MakeNode, reader: MakeReader
) -> None:
    kinds: list[Any] = [TornLine, LateLines, Stall, GarbageLine, RepeatedHeights, Rollover]
    faults: list[Any] = [kind(probability=0.15) for kind in kinds]
    faults += [TornLine(stem=None, probability=0.1), Rollover(straggler=True, probability=0.1)]
    node = make_node(faults=faults)
    _steps(node, 120)
    node.close()
    for stem in (STATUSES, DIFFS, FILLS):
        assert sorted(set(_heights(reader(), stem))) == list(range(FIRST, FIRST + 120))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fault_is_written_as_text(name: str) -> None:
    assert parse_fault(f"{name}:0.25") == BY_NAME[name](probability=0.25)
    assert parse_fault(f"{name}@985000010") == BY_NAME[name](at=985_000_010)


@pytest.mark.parametrize(
    "text", ["torn", "nonsense:1", "torn:2", "torn:-1", "torn@soon", "", ":", "torn:0.1:2"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_fault(text)
