"""When the node's files lose or contradict something: told in band, repaired, equal again."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import trio

from hyperstream.testing import Divergence, Fault, MissingBlock, Rollover, Truncation
from hyperstream.testing.lines import DIFFS

from .client import Stream, body, kind
from .contract import number
from .program import PATIENCE_SECONDS
from .stage import MARKETS, Stage, in_thread, staged
from .truth import View, judge

SILENT_BLOCKS = 130  # the streaming layout writes nothing for an empty block: only many are a loss
VIEWS = (View(), View(depth=5))


async def until_told(stage: Stage, stream: Stream) -> None:
    """Go on until the subscriber is told that a book is doubtful."""
    reason = number("GAP_REASON_SOURCE_GAP")
    with trio.fail_after(PATIENCE_SECONDS):
        while not any(gap.reason == reason for gap in stream.of_kind("gap")):
            stage.step()
            await trio.sleep(0.005)


async def until_repaired(stage: Stage) -> None:
    """Go on until no market is doubtful: the node's next snapshot has to be newer than the last."""
    live = number("MARKET_STATE_LIVE")
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            stage.step()
            markets = (await in_thread(lambda: stage.client.call("GetMarkets"))).markets
            if all(market.state == live for market in markets):
                return
            assert all(market.doubt for market in markets if market.state != live)
            await trio.sleep(0.005)


async def told_and_repaired(stage: Stage, *trouble: Fault, is_unread: bool = False) -> set[str]:
    """Let the trouble happen between quiet blocks; returns the symbols that were doubtful.

    With ``is_unread`` the daemon stands still meanwhile, so that it has read nothing of these blocks.
    """
    streams = {view: stage.client.follow("SubscribeOrderbook", **view.request()) for view in VIEWS}
    await stage.steps(20)
    await stage.caught_up()
    with stage.daemon.paused() if is_unread else nullcontext():
        for fault in trouble:
            stage.step(fault)
    await until_told(stage, streams[VIEWS[0]])
    await until_repaired(stage)
    await stage.steps(20)
    await stage.caught_up()
    told = set()
    for view, stream in streams.items():
        await in_thread(stream.wait_heights, stage.truth.last_changes(view))
        verdict = judge(stream, stage.truth, view)
        assert verdict.gaps[number("GAP_REASON_SOURCE_GAP")] > 0
        assert verdict.gaps[number("GAP_REASON_RESYNC")] > 0
        told |= check_what_was_told(stream)
    return told


def check_what_was_told(stream: Stream) -> set[str]:
    """Every market is told doubtful before its first doubtful event, and gets a snapshot when repaired."""
    source, resync = number("GAP_REASON_SOURCE_GAP"), number("GAP_REASON_RESYNC")
    doubtful: set[str] = set()
    waiting: set[str] = set()
    told = set()
    for event in stream.events:
        update = body(event)
        if kind(event) == "gap":
            assert update.detail
            if update.reason == source:
                doubtful.add(update.symbol)
                told.add(update.symbol)
            elif update.reason == resync:
                doubtful.discard(update.symbol)
                waiting.add(update.symbol)
        elif kind(event) == "snapshot":
            waiting.discard(update.symbol)
        assert kind(event) == "gap" or update.symbol not in waiting
        assert kind(event) == "gap" or update.doubtful == (update.symbol in doubtful)
    assert (doubtful, waiting) == (set(), set())
    return told


async def test_a_missing_block_makes_every_market_doubtful_until_it_is_repaired(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert await told_and_repaired(stage, MissingBlock()) >= set(MARKETS)


async def test_blocks_missing_from_the_streaming_layout_are_told_and_repaired(tmp_path: Path) -> None:
    async with staged(tmp_path, "streaming") as stage:
        missing = [MissingBlock(stem=DIFFS)] * SILENT_BLOCKS
        assert await told_and_repaired(stage, *missing) >= set(MARKETS)


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_each_contradiction_makes_one_market_doubtful_until_it_is_repaired(
    tmp_path: Path, layout: str
) -> None:
    async with staged(tmp_path, layout, seed=4) as stage:
        for what in ("unknown_remove", "unknown_update", "impossible_size"):
            assert len(await told_and_repaired(stage, Divergence(kind=what))) == 1, what


async def test_a_block_cut_off_before_it_was_read_is_told_and_repaired(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        cut = Truncation(stem=DIFFS)
        assert await told_and_repaired(stage, cut, is_unread=True) >= set(MARKETS)


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_stragglers_after_a_rollover_are_applied_or_told(tmp_path: Path, layout: str) -> None:
    async with staged(tmp_path, layout) as stage:
        view = View()
        stream = stage.client.follow("SubscribeOrderbook", **view.request())
        for _ in range(3):
            await stage.steps(10)
            stage.step(Rollover(straggler=True))
        await stage.steps(10)
        await until_repaired(stage)
        await stage.steps(10)
        await stage.caught_up()
        await in_thread(stream.wait_heights, stage.truth.last_changes(view))
        assert judge(stream, stage.truth, view).compared > 100
