"""Waiting orders in the engine: what makes them doubtful, and how a repair meets the statuses."""

from __future__ import annotations

from typing import Any

import pytest

from hyperstream.engine.order_level import MOST_GIVEN_UP
from hyperstream.hub.delivery import Contract
from hyperstream.v1 import common_pb2, stop_order_pb2
from hyperstream.wire.node_blocks import (
    HeightGap,
    NodeItem,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
    StatusBlock,
)
from hyperstream.wire.protobuf.stop_orders import STOP_ORDERS

from .handmade import USER, diffs, new, remove, status, statuses
from .world import PLENTY, SECOND_NS, WITH_STATUSES, WITHOUT_STATUSES, World

TRIGGER: dict[str, Any] = {
    "isTrigger": True, "triggerCondition": "Price above 110", "triggerPx": "110.0", "tif": None,
    "orderType": "Take Profit Limit",
}  # fmt: skip


def stop(oid: int, name: str = "open", **more: Any) -> str:
    return status(oid, name, **TRIGGER | more)


def row(oid: int, **more: Any) -> tuple[str, dict[str, Any]]:
    order = {
        "coin": "BTC", "side": "A", "limitPx": "100.0", "sz": "1.0", "oid": oid,
        "timestamp": 1_778_002_753_024,
        "children": [], "isPositionTpsl": False, "reduceOnly": True, "origSz": "1.0", "cloid": None,
    }  # fmt: skip
    return USER, order | TRIGGER | more


def snapshot(height: int, *rows: Any, is_full: bool = False, has_triggers: bool = True) -> list[NodeItem]:
    return [
        SnapshotBegun(height, is_full),
        SnapshotOrders("BTC", "B", [], list(rows)),
        SnapshotOrders("BTC", "A", [], list(rows)),
        SnapshotEnded(height, has_triggers=has_triggers),
    ]


class Follower:
    """A subscriber of BTC's waiting orders. ``oids`` is what it holds, ``told`` the kinds of its events."""

    def __init__(self, world: World) -> None:
        self.subscription = world.hub.subscribe(Contract.LOSSLESS, STOP_ORDERS, lambda: None, PLENTY)
        market = world.engine.market("BTC")
        assert market is not None
        self.subscription.attach(market.stops.stream(STOP_ORDERS))
        self.oids: set[int] = set()
        self.told: list[str] = []
        self.is_complete = False
        self.take()

    def take(self) -> list[str]:
        """Take what there is; returns what kinds of events it was, removals by their status."""
        told = []
        while (message := self.subscription.take()) is not None:
            for event in stop_order_pb2.SubscribeStopOrdersResponse.FromString(message).events:
                kind = event.WhichOneof("event")
                if kind == "gap":
                    told.append(common_pb2.GapReason.Name(event.gap.reason).removeprefix("GAP_REASON_"))
                elif kind == "snapshot":
                    self.oids = {order.oid for order in event.snapshot.orders}
                    self.is_complete = event.snapshot.complete
                    told.append("snapshot")
                else:
                    told += [self._change(change) for change in event.delta.changes]
        self.told += told
        return told

    def _change(self, change: stop_order_pb2.StopOrderChange) -> str:
        if change.kind == stop_order_pb2.STOP_ORDER_CHANGE_KIND_ADDED:
            self.oids.add(change.order.oid)
            return "added"
        self.oids.remove(change.order.oid)
        return change.status


@pytest.fixture
def world() -> World:
    """An engine that loaded a snapshot of height 10 with one waiting order."""
    world = World(WITH_STATUSES)
    world.apply(*snapshot(10, row(1), is_full=True))
    return world


def test_orders_begin_to_wait_and_end_with_the_nodes_word(world: World) -> None:
    follower = Follower(world)
    assert (follower.oids, follower.is_complete) == ({1}, True)
    world.apply(statuses(11, stop(2), stop(3), stop(1, "triggered"), status(9)))
    assert follower.take() == ["added", "added", "triggered"]
    world.apply(statuses(12, stop(1, "minTradeNtlRejected"), stop(3, "siblingFilledCanceled")))
    assert follower.take() == ["siblingFilledCanceled"]
    world.apply(statuses(13, stop(2, "reduceOnlyRejected"), stop(4), stop(4, "canceled")))
    assert follower.take() == ["reduceOnlyRejected", "added", "canceled"]
    assert follower.oids == set()


def test_children_wait_once_their_parent_is_filled_whether_or_not_the_node_tells_of_them(
    world: World,
) -> None:
    follower = Follower(world)
    child = row(21)[1]
    parent: dict[str, Any] = {"children": [child, row(22)[1]]}
    world.apply(statuses(11, status(20, **parent)))
    assert follower.take() == []
    world.apply(statuses(12, status(20, "filled", **parent), stop(21)))
    assert follower.take() == ["added", "added", "added"]  # what its own status says replaces the parent's
    assert follower.oids == {1, 21, 22}
    world.apply(statuses(13, stop(23), stop(23, "triggered"), status(24, "filled", children=[row(23)[1]])))
    assert follower.take() == ["added", "triggered"]


def test_telling_what_waits_makes_no_stream_of_it(world: World) -> None:
    stops = world.engine.markets["BTC"].stops
    told = stops.now(STOP_ORDERS)
    assert ([order.oid for order in told.orders], told.epoch, told.sequence) == ([1], 0, 0)
    assert not stops.topics
    follower = Follower(world)
    world.apply(statuses(11, stop(2)))
    assert follower.take() == ["added"]
    told = stops.now(STOP_ORDERS)
    assert ([order.oid for order in told.orders], told.sequence) == ([1, 2], 1)


def test_a_waiting_order_is_never_in_the_book(world: World) -> None:
    world.apply(diffs(11), statuses(11, stop(2)))
    market = world.engine.markets["BTC"]
    assert market.book.order_count == 0
    assert len(market.stops.orders) == 2


def test_missing_statuses_make_only_waiting_orders_doubtful_until_a_snapshot_repairs_them(
    world: World,
) -> None:
    world.apply(diffs(11, new(50)), statuses(11, stop(2)))
    follower = Follower(world)
    world.apply(HeightGap("statuses", 12, 13, "lost"))
    assert follower.take() == ["SOURCE_GAP"]
    assert not world.engine.markets["BTC"].doubt
    world.request_repairs()
    [request] = world.requests
    assert (request.symbols, request.after_height) == (frozenset({"BTC"}), 11)
    world.apply(statuses(14, stop(4)), statuses(15, stop(4, "canceled"), stop(5)))
    book = world.engine.markets["BTC"].book
    world.apply(*snapshot(14, row(1), row(4)))
    assert follower.take() == ["added", "canceled", "added", "RESYNC", "snapshot"]
    assert follower.oids == {1, 5}
    assert world.engine.markets["BTC"].book is book
    world.request_repairs()
    assert len(world.requests) == 1


def test_a_repair_waits_for_the_statuses_of_the_snapshots_block(world: World) -> None:
    follower = Follower(world)
    world.apply(HeightGap("statuses", 11, 11, "lost"))
    world.request_repairs()
    world.apply(*snapshot(13, row(1), row(3)))
    world.apply(statuses(12, stop(3)))
    assert follower.take() == ["SOURCE_GAP", "added"]
    world.apply(statuses(13, stop(1, "canceled")), statuses(14, stop(3, "triggered")))
    assert follower.take() == ["canceled", "RESYNC", "snapshot"]
    assert follower.oids == {1}  # as the snapshot has it


def test_a_snapshot_older_than_a_loss_is_of_no_use(world: World) -> None:
    follower = Follower(world)
    world.apply(HeightGap("statuses", 11, 11, "lost"))
    world.request_repairs()
    world.apply(statuses(12), HeightGap("statuses", 13, 15, "lost"), statuses(16))
    world.apply(*snapshot(14, row(1)))
    assert follower.take() == ["SOURCE_GAP"]
    world.request_repairs()
    assert len(world.requests) == 2
    world.apply(*snapshot(16, row(1), row(2)))
    assert follower.take() == ["RESYNC", "snapshot"]
    assert follower.oids == {1, 2}


def test_a_doubtful_book_makes_its_waiting_orders_doubtful_and_both_are_repaired(world: World) -> None:
    follower = Follower(world)
    world.apply(statuses(11), diffs(11, remove(77)))
    assert follower.take() == ["SOURCE_GAP"]
    world.request_repairs()
    world.apply(*snapshot(11, row(1)))
    assert follower.take() == ["RESYNC", "snapshot"]
    market = world.engine.markets["BTC"]
    assert not market.doubt
    assert not market.stops.doubt


def test_statuses_that_cannot_be_read_make_all_waiting_orders_doubtful(world: World) -> None:
    follower = Follower(world)
    broken = statuses(11, stop(2)).lines[0].replace(b'"tif":null', b'"tif":nul')
    torn = statuses(11)
    world.apply(
        StatusBlock(11, torn.block_time_ns, torn.node_time_ns, torn.read_time_ns, torn.position, [broken])
    )
    assert follower.take() == ["SOURCE_GAP"]
    assert world.engine.counts["unreadable trigger orders"] == 1


@pytest.mark.parametrize("has_triggers", [True, False])
def test_a_list_is_complete_only_if_the_snapshot_had_trigger_orders(has_triggers: bool) -> None:
    world = World(WITH_STATUSES)
    world.apply(*snapshot(10, is_full=True, has_triggers=has_triggers))
    world.apply(statuses(11, stop(2), stop(7, symbol="ETH")))
    assert Follower(world).is_complete == has_triggers
    assert world.engine.markets["ETH"].stops.is_complete == has_triggers


def test_a_trigger_order_of_a_snapshot_that_cannot_be_read_leaves_the_list_incomplete() -> None:
    world = World(WITH_STATUSES)
    world.apply(*snapshot(10, row(1), row(2, triggerPx="soon"), is_full=True))
    follower = Follower(world)
    assert (follower.oids, follower.is_complete) == ({1}, False)


def test_without_order_statuses_no_list_is_complete_and_the_first_ones_make_it_doubtful() -> None:
    world = World(WITHOUT_STATUSES)
    world.apply(*snapshot(10, row(1), is_full=True))
    follower = Follower(world)
    assert (follower.oids, follower.is_complete) == ({1}, False)
    world.apply(WITH_STATUSES)
    assert follower.take() == ["SOURCE_GAP"]
    world.request_repairs()
    world.apply(statuses(14), *snapshot(12, row(2)))
    assert follower.take() == ["RESYNC", "snapshot"]
    assert (follower.oids, follower.is_complete) == ({2}, True)


def test_lists_are_doubtful_once_when_statuses_have_stopped_to_come(world: World) -> None:
    market = world.engine.market("BTC")
    assert market is not None
    market.orders_stream()
    follower = Follower(world)
    for height in range(11, 13 + MOST_GIVEN_UP):
        world.apply(diffs(height, new(height)))
        world.time_ns += 10 * SECOND_NS
        world.give_up_waiting()
    assert follower.take() == ["SOURCE_GAP"]
    world.request_repairs()
    world.apply(*snapshot(20, row(1), row(2)))
    assert follower.take() == []
    world.apply(*[statuses(height) for height in range(11, 21)])
    assert follower.take() == ["RESYNC", "snapshot"]
    world.give_up_waiting()
    assert follower.take() == []
    assert follower.oids == {1, 2}


def test_statuses_of_passed_blocks_change_nothing(world: World) -> None:
    world.apply(statuses(11, stop(2)))
    follower = Follower(world)
    world.apply(statuses(11, stop(3)), statuses(9, stop(4)))
    assert follower.take() == []
    world.apply(statuses(11, stop(3), is_continuation=True))
    assert follower.take() == ["added"]
