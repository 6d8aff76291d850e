"""A node that stops writing is noticed; one that is slow, or merely quiet, is not."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from hyperstream.sources.node import stall
from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.stall import STALL_BLOCKS, STALL_SECONDS, StallWatch
from hyperstream.testing.faults import LateLines
from hyperstream.wire.node_blocks import DiffBlock, HeightGap, SnapshotEnded, StatusBlock
from tests.sources.node.receiver import node_in, receiving, settings_for

Look = tuple[float, int | None, int | None]


def looks(*each: Look) -> tuple[list[HeightGap], list[str]]:
    """What comes of looking at these times, with diffs and statuses at these heights."""
    told: list[str] = []
    watch = StallWatch(Complaints(lambda event, **_: told.append(event)))
    gaps = [watch.look(now, {"diffs": diffs, "statuses": statuses}) for now, diffs, statuses in each]
    return [gap for gap in gaps if gap is not None], told


def going_on(first: int, seconds: Iterable[int], diffs: int | None = None) -> list[Look]:
    """Fourteen blocks a second; diffs stand still if they are given."""
    return [(at, first + 14 * at if diffs is None else diffs, first + 14 * at) for at in seconds]


def test_a_node_that_writes_everything_is_not_told_of() -> None:
    assert looks(*going_on(100, range(60))) == ([], [])


def test_diffs_that_stop_while_statuses_go_on_are_a_gap_told_once() -> None:
    gaps, told = looks(*going_on(100, range(5)), *going_on(100, range(5, 60), diffs=156))
    assert [(gap.source, gap.first_missing) for gap in gaps] == [("diffs", 157)]
    assert gaps[0].last_missing > 156 + STALL_BLOCKS
    assert told == ["the node writes no diffs any more, but other sources; books are old until it does"]


def test_diffs_that_stop_again_are_told_again() -> None:
    again = [(60.0, 200, 940), *going_on(100, range(61, 90), diffs=200)]
    gaps, told = looks(*going_on(100, range(5)), *going_on(100, range(5, 60), diffs=156), *again)
    assert [gap.first_missing for gap in gaps] == [157, 201]
    assert len(told) == 2


def test_a_node_that_stops_altogether_is_told_once_and_no_gap() -> None:
    stopped: list[Look] = [(at, 156, 156) for at in range(5, 60)]
    gaps, told = looks(*going_on(100, range(5)), *stopped)
    assert gaps == []
    assert told == ["the node has written no block for a while; does it run, and is it in sync?"]


def test_statuses_ahead_by_little_or_not_for_long_are_no_gap() -> None:
    ahead: list[Look] = [(STALL_SECONDS * at, 100, 100 + min(at, STALL_BLOCKS)) for at in range(200)]
    burst: list[Look] = [(at, 100, 100 + 1000 * at) for at in range(int(STALL_SECONDS) - 1)]
    assert looks(*ahead)[0] == looks(*burst)[0] == []


def test_before_the_first_diffs_nothing_is_missing() -> None:
    assert looks(*((at, None, 100 + 14 * at) for at in range(60)))[0] == []


async def test_a_source_whose_diffs_stop_hands_on_the_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "STALL_SECONDS", 0.0)
    monkeypatch.setattr(stall, "STALL_BLOCKS", 2)
    monkeypatch.setattr("hyperstream.sources.node.source.LOOK_SECONDS", 0.001)
    node = node_in(tmp_path, "by_block")
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        node.step()
        await receiver.until_height(node.height, DiffBlock, StatusBlock)
        last = node.height
        node.inject(LateLines(stem="node_raw_book_diffs", blocks=1000))
        while not receiver.of(HeightGap):
            node.step()
            await receiver.until_height(node.height, StatusBlock)
        (gap,) = receiver.of(HeightGap)
        assert gap.source == "diffs"
        assert gap.first_missing >= last + 1
        node.settle()
        node.step()
        await receiver.until_height(node.height)
    receiver.check_truth(node)
