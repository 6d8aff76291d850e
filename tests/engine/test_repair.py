"""A snapshot for doubtful markets: how it meets what came meanwhile, and when it is of no use."""

from __future__ import annotations

import pytest

from hyperstream.hub.directory import BookVariant
from hyperstream.wire.node_blocks import (
    HeightGap,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
)

from .handmade import diffs, new, remove, repair_snapshot, snapshot_row
from .world import World, open_market


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(diffs(1, new(1), new(2, symbol="ETH")))
    return world


def test_markets_that_are_not_under_repair_are_left_alone(world: World) -> None:
    follower = world.follow(open_market(world, "ETH").book_stream(BookVariant(5)))
    follower.take()
    book = open_market(world, "ETH").book
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1)]), ("ETH", "B", [])))
    assert open_market(world, "ETH").book is book
    assert follower.take() == []


def test_a_market_the_snapshot_lacks_is_empty_then(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*repair_snapshot(2))
    assert open_market(world, "BTC").book.order_count == 0
    assert world.engine.statistics().doubtful == {}


def test_a_market_doubted_during_a_repair_is_repaired_by_the_next(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(diffs(3, remove(78, symbol="ETH")))
    world.request_repairs()
    assert len(world.requests) == 1
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1)]), ("ETH", "B", [snapshot_row(2)])))
    assert list(world.engine.statistics().doubtful) == ["ETH"]
    world.request_repairs()
    assert world.requests[1].symbols == {"ETH"}
    world.apply(*repair_snapshot(3, ("ETH", "B", [snapshot_row(2)])))
    assert world.engine.statistics().doubtful == {}


def test_a_snapshot_that_breaks_off_leaves_things_as_they_were(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    book = open_market(world, "BTC").book
    world.apply(*repair_snapshot(2, ("BTC", "B", []), is_complete=False))
    assert open_market(world, "BTC").book is book
    assert list(world.engine.statistics().doubtful) == ["BTC"]
    world.request_repairs()
    assert len(world.requests) == 1, "the source asks again by itself"
    world.apply(diffs(3, new(3)), *repair_snapshot(3, ("BTC", "B", [snapshot_row(1), snapshot_row(3)])))
    assert world.engine.statistics().doubtful == {}
    assert open_market(world, "BTC").book.order_count == 2


def test_a_full_snapshot_that_breaks_off_leaves_things_as_they_were(world: World) -> None:
    world.apply(
        SnapshotBegun(5, is_full=True), SnapshotOrders("BTC", "B", []), SnapshotEnded(5, False, "gone")
    )
    assert world.engine.height == 1
    assert open_market(world, "BTC").book.order_count == 1


def test_a_snapshot_nobody_asked_for_is_passed_over(world: World) -> None:
    world.apply(*repair_snapshot(1, ("BTC", "B", [])))
    assert open_market(world, "BTC").book.order_count == 1


def test_a_snapshot_older_than_the_kept_diffs_is_refused(world: World) -> None:
    world.apply(diffs(2, remove(77), new(3)))
    world.request_repairs()
    world.apply(*repair_snapshot(1, ("BTC", "B", [snapshot_row(1)])))
    assert list(world.engine.statistics().doubtful) == ["BTC"]
    assert world.engine.counts["repairs abandoned"] == 1
    world.request_repairs()
    assert len(world.requests) == 2


@pytest.mark.parametrize(("height", "is_repaired"), [(2, False), (3, False), (4, True)])
def test_a_gap_during_a_repair_needs_a_snapshot_from_after_it(
    world: World, height: int, is_repaired: bool
) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(HeightGap("diffs", 3, 4, "lost"), diffs(5, new(5)))
    world.apply(*repair_snapshot(height, ("BTC", "B", [snapshot_row(1)])))
    assert ("BTC" not in world.engine.statistics().doubtful) == is_repaired
    assert "ETH" in world.engine.statistics().doubtful
    world.request_repairs()
    assert world.requests[-1].symbols == ({"ETH"} if is_repaired else {"BTC", "ETH"})


def test_a_gap_after_the_snapshot_came_but_before_it_was_used(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*repair_snapshot(4, ("BTC", "B", [snapshot_row(1)])))
    world.apply(HeightGap("diffs", 3, 6, "lost"), diffs(7, new(7)))
    assert set(world.engine.statistics().doubtful) == {"BTC", "ETH"}
    assert world.engine.counts["repairs abandoned"] == 1


def test_kept_diffs_that_contradict_the_snapshot_leave_the_market_doubtful(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(diffs(3, remove(78)))
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1)])))
    assert world.engine.statistics().doubtful["BTC"].startswith("bad snapshot: ")
    assert world.engine.counts["markets repaired"] == 0


def test_an_unreadable_order_of_a_snapshot_leaves_the_market_doubtful(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1), snapshot_row(3, "many")])))
    assert "many" in world.engine.statistics().doubtful["BTC"]
    assert open_market(world, "BTC").book.order_count == 1


def test_an_order_of_a_snapshot_whose_attributes_cannot_be_read_rests_without_them(world: World) -> None:
    """A book is prices, sizes and order ids: what else a node says of an order does not make it wrong."""
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1), snapshot_row(3, cloid=7)])))
    assert "BTC" not in world.engine.statistics().doubtful
    first, second = open_market(world, "BTC").book.bids.orders()
    assert (first.oid, second.oid) == (1, 3)
    assert first.attributes is not None
    assert second.attributes is None
    assert world.engine.counts["orders of snapshots without attributes"] == 1


def test_a_repair_that_keeps_too_much_begins_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperstream.engine.repair.MAX_KEPT_DIFFS", 3)
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(diffs(3, *(new(oid) for oid in range(10, 14))))
    assert world.engine.counts["repairs abandoned"] == 1
    world.request_repairs()
    assert [request.after_height for request in world.requests] == [2, 3]


def test_the_best_prices_after_a_repair_are_told_even_if_they_were_told_before_it(world: World) -> None:
    follower = world.follow(open_market(world, "BTC").bbo_stream())
    follower.take()
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1), snapshot_row(3, price="101.0")])))
    assert follower.take()[-1].bbo.bid.price == "101.0"
    world.apply(diffs(3, remove(3, price="101.0")))
    (event,) = follower.take()
    assert event.bbo.bid.price == "100.0"
