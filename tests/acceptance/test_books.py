"""Every book rebuilt by a foreign client equals the node's after every block, whatever the files do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperstream.testing import LateLines, RecreatedFile, RepeatedHeights, Rollover, TornLine, VanishedFile
from hyperstream.testing.lines import DIFFS, FILLS, STATUSES

from .client import Stream
from .stage import MARKETS, Stage, in_thread, staged
from .truth import View, judge

VIEWS = (
    View(),
    View(depth=5),
    View(depth=20, significant_figures=3),
    View(significant_figures=5, mantissa=2),
)
LAYOUTS = ("by_block", "streaming")


async def troubled_blocks(stage: Stage) -> None:
    """Some hundreds of blocks; every few of them the files do something that must not matter."""
    await stage.steps(20)
    for stem in (STATUSES, DIFFS, FILLS):
        stage.step(TornLine(stem=stem, pieces=3))
        await stage.steps(5)
        stage.step(LateLines(stem=stem, blocks=4))
        await stage.steps(8)
    await stage.caught_up()
    stage.step(RepeatedHeights(blocks=5))
    await stage.steps(10)
    stage.step(Rollover(to="hour"))
    await stage.steps(20)
    stage.step(TornLine(stem=DIFFS), Rollover(to="hour"))
    await stage.steps(20)
    stage.step(Rollover(to="day"))
    await stage.steps(20)
    await stage.caught_up()
    stage.step(VanishedFile())
    await stage.steps(10)
    for stem in (DIFFS, STATUSES):
        await stage.caught_up()
        stage.step(RecreatedFile(stem=stem))
        await stage.steps(10)
    await stage.caught_up()
    truncate(stage)
    await stage.steps(10)
    stage.step(RepeatedHeights(blocks=2), TornLine(stem=STATUSES, pieces=2))
    await stage.steps(50)


def truncate(stage: Stage) -> None:
    """Cut the current files to nothing, all their blocks having been read."""
    for directory in stage.node.data_dir.iterdir():
        newest = max(directory.glob("hourly/*/*"), key=lambda path: (path.parent.name, int(path.name)))
        os.truncate(newest, 0)


async def wait_last_changes(stage: Stage, streams: dict[View, Stream]) -> None:
    for view, stream in streams.items():
        await in_thread(stream.wait_heights, stage.truth.last_changes(view))


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_every_book_equals_the_nodes_after_every_block(tmp_path: Path, layout: str) -> None:
    async with staged(tmp_path, layout) as stage:
        streams = {view: stage.client.follow("SubscribeOrderbook", **view.request()) for view in VIEWS}
        await troubled_blocks(stage)
        await stage.caught_up()
        await wait_last_changes(stage, streams)
        for view, stream in streams.items():
            verdict = judge(stream, stage.truth, view)
            assert (verdict.doubtful, dict(verdict.gaps)) == (0, {}), stage.daemon.told()
            assert set(verdict.books) >= set(MARKETS)
            changes = sum(len(stage.truth.changes(symbol, view)) for symbol in MARKETS)
            assert verdict.compared >= changes > 100
