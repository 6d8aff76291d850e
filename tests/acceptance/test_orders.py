"""Every resting order, with its place in the queue and its attributes, equals the node's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperstream.testing import Divergence, LateLines, RepeatedHeights, Rollover, TornLine, TrueOrder
from hyperstream.testing.lines import DIFFS, STATUSES

from .client import Stream, body, kind
from .contract import number
from .rebuilt_orders import RebuiltOrders, described, truly_described
from .stage import Stage, in_thread, staged, wait_height
from .test_repair import until_repaired, until_told
from .truth import View

SYMBOLS = ("BTC", "xyz:XYZ100")
LAYOUTS = ("by_block", "streaming")
Orders = tuple[list[TrueOrder], list[TrueOrder]]
Truths = dict[tuple[str, int], Orders]


def step(stage: Stage, truths: Truths, *faults: Any) -> None:
    stage.step(*faults)
    for symbol in SYMBOLS:
        truths[symbol, stage.node.height] = stage.node.orders(symbol)


async def wait_orders(stage: Stage, stream: Stream) -> None:
    """Wait until the orders stream has come as far as the node."""
    await stage.caught_up()
    last = stage.truth.last_changes(View())
    await in_thread(stream.wait_heights, {symbol: last[symbol] for symbol in SYMBOLS})


def whole(stream: Stream) -> set[str]:
    """The symbols of which a snapshot has come to its end."""
    return {chunk.symbol for chunk in stream.of_kind("snapshot") if chunk.last_chunk}


def highest(stream: Stream) -> int:
    """The height of the highest change that came."""
    return max(stream.heights.values(), default=0)


def compare(stream: Stream, truths: Truths) -> tuple[int, dict[str, RebuiltOrders]]:
    """Rebuild and compare at every height; returns how often it was equal."""
    compared = 0
    rebuilt = {symbol: RebuiltOrders() for symbol in SYMBOLS}
    events = [event for event in stream.events if kind(event) in ("snapshot", "delta")]
    lasts = {(body(event).symbol, body(event).height): index for index, event in enumerate(events)}
    for index, event in enumerate(events):
        update = body(event)
        orders = rebuilt[update.symbol]
        (orders.take_chunk if kind(event) == "snapshot" else orders.take_delta)(update)
        where = update.symbol, update.height
        if update.doubtful or not orders.is_whole or lasts[where] != index or where not in truths:
            continue
        for received, true in zip(orders.orders(), truths[where], strict=True):
            pairs = zip(true, received, strict=False)
            assert [described(one) for one in received] == [truly_described(*pair) for pair in pairs], where
            assert len(received) == len(true), where
        compared += 1
    return compared, rebuilt


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_every_order_equals_the_nodes_after_every_block(tmp_path: Path, layout: str) -> None:
    async with staged(tmp_path, layout, settings={"grpc.snapshot_chunk_orders": 40}) as stage:
        truths: Truths = {(symbol, stage.node.height): stage.node.orders(symbol) for symbol in SYMBOLS}
        stream = stage.client.follow("SubscribeOrders", SYMBOLS)
        for trouble in (
            (TornLine(stem=STATUSES, pieces=3),),
            (LateLines(stem=STATUSES, blocks=5),),
            (TornLine(stem=DIFFS),),
            (LateLines(stem=DIFFS, blocks=3),),
            (Rollover(),),
            (RepeatedHeights(blocks=4),),
        ):
            for _ in range(15):
                step(stage, truths)
            step(stage, truths, *trouble)
            await stage.caught_up()
        for _ in range(40):
            step(stage, truths)
        await wait_orders(stage, stream)
        compared, rebuilt = compare(stream, truths)
        assert compared > 150
        late_comer = stage.client.follow("SubscribeOrders", SYMBOLS)
        await in_thread(late_comer.wait_for, lambda: len(whole(late_comer)) == len(SYMBOLS), "a snapshot")
        assert compare(late_comer, truths)[0] == len(SYMBOLS)
        assert not stream.of_kind("gap")
        chunks = [told for told in stream.of_kind("snapshot") if told.symbol == "BTC"]
        assert len(chunks) > 1
        statuses = {status for orders in rebuilt.values() for status, _ in orders.removals}
        assert {"canceled", "filled"} <= statuses


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_attributes_follow_when_a_blocks_statuses_come_too_late(tmp_path: Path, layout: str) -> None:
    async with staged(tmp_path, layout, settings={"node.status_wait_seconds": 0}) as stage:
        stream = stage.client.follow("SubscribeOrders", SYMBOLS)
        attributes = number("ORDER_CHANGE_KIND_ATTRIBUTES")
        added = number("ORDER_CHANGE_KIND_ADDED")
        for _ in range(10):
            stage.node.inject(LateLines(stem=STATUSES, blocks=3))
            before = stage.node.height
            await stage.steps(3)
            await wait_height(stage.client, stage.node.height)
            await in_thread(stream.wait_for, lambda h=before: highest(stream) > h, "what waited too long")
            await stage.steps(3)
            await stage.caught_up()
        truths: Truths = {}
        step(stage, truths)
        await wait_orders(stage, stream)
        await in_thread(stream.wait_for, lambda: highest(stream) == stage.node.height, "the last block")
        changes = [change for delta in stream.of_kind("delta") for change in delta.changes]
        assert any(change.kind == added and not change.order.has_attributes for change in changes)
        assert sum(change.kind == attributes for change in changes) > 10
        assert compare(stream, truths)[0] >= 1


async def test_orders_are_told_doubtful_and_begin_anew_after_a_repair(tmp_path: Path) -> None:
    async with staged(tmp_path, seed=4) as stage:
        levels = stage.client.follow("SubscribeOrderbook")
        stream = stage.client.follow("SubscribeOrders", SYMBOLS)
        truths: Truths = {}
        while not any(gap.symbol in SYMBOLS for gap in stream.of_kind("gap")):
            step(stage, truths, Divergence(kind="unknown_remove"))
            await until_told(stage, levels)
            await until_repaired(stage)
        for _ in range(20):
            step(stage, truths)
        await wait_orders(stage, stream)
        assert compare(stream, truths)[0] > 5
        reasons = [gap.reason for gap in stream.of_kind("gap")]
        assert reasons == [number("GAP_REASON_SOURCE_GAP"), number("GAP_REASON_RESYNC")] * (len(reasons) // 2)
