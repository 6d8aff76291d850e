"""Doubt and repair: only what contradicts is doubted, and a snapshot makes it the node's truth again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.hub.directory import BookVariant
from hyperstream.market.decimals import format_e8
from hyperstream.testing import FakeNode
from hyperstream.testing.faults import DIVERGENCES, Divergence
from hyperstream.testing.load import Load
from hyperstream.v1 import common_pb2
from hyperstream.wire.node_blocks import (
    HeightGap,
    NodeItem,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
)
from tests.market.flows import Event, blocks
from tests.market.naive import NaiveBook, queue_of

from .handmade import change, diffs, new, remove, snapshot_row, status, statuses, update
from .node_files import NodeFiles, snapshot_items
from .rebuilt import RebuiltBook, RebuiltOrders, kinds
from .test_from_files import check_books
from .world import WITH_STATUSES, Follower, World, open_market

CONTRADICTIONS = {
    "unknown order removed": ("unknown order", remove(77)),
    "unknown order updated": ("unknown order", update(77, "1.0", "0.5")),
    "size mismatch": ("size mismatch", update(1, "9.0", "0.5")),
    "duplicate order": ("duplicate order", new(1)),
    "crossed book": ("crossed book", new(5, side="A", price="99.0")),
    "unknown anchor": ("unknown anchor", change(5, {"new": {"sz": "1.0", "insertBefore": 77}})),
    "impossible size": ("impossible size", change(5, {"new": {"sz": "0.0"}})),
    "unreadable": ("unreadable diff", change(5, {"new": {}})),
}


def snapshot(height: int, *markets: tuple[str, str, list[Any]], is_complete: bool = True) -> list[NodeItem]:
    return [
        SnapshotBegun(height, is_full=False),
        *(SnapshotOrders(symbol, side, rows) for symbol, side, rows in markets),
        SnapshotEnded(height, is_complete, "" if is_complete else "the file vanished"),
    ]


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(diffs(1, new(1), new(2, symbol="ETH")))
    return world


@pytest.mark.parametrize(("cause", "event"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_contradiction_makes_only_its_market_doubtful(world: World, cause: str, event: Event) -> None:
    followers = {symbol: world.follow(open_market(world, symbol).bbo_stream()) for symbol in ("BTC", "ETH")}
    for follower in followers.values():
        follower.take()
    world.apply(diffs(2, event, new(8, "2.0", symbol="ETH")))
    doubtful = world.engine.statistics().doubtful
    assert list(doubtful) == ["BTC"]
    assert doubtful["BTC"].startswith(f"{cause}: ")
    assert world.engine.counts[cause] >= 1
    (gap, *_) = followers["BTC"].take()
    assert gap.gap.reason == common_pb2.GAP_REASON_SOURCE_GAP
    assert gap.gap.detail == doubtful["BTC"]
    assert kinds(followers["ETH"].take()) == ["bbo"]


def test_a_gap_of_the_diffs_makes_all_markets_doubtful_and_is_told_once_in_band(world: World) -> None:
    topics = [
        topic
        for symbol in ("BTC", "ETH")
        for topic in (
            open_market(world, symbol).book_stream(BookVariant(5)),
            open_market(world, symbol).book_stream(BookVariant(5, snapshots_only=True)),
        )
    ]
    follower = world.follow(*topics)
    follower.take()
    world.apply(HeightGap("diffs", 2, 4, "the file goes on"), HeightGap("diffs", 6, 6, "again"))
    assert set(world.engine.statistics().doubtful) == {"BTC", "ETH"}
    events = follower.take()
    assert kinds(events) == ["gap"] * len(topics)
    assert all("2 to 4" in event.gap.detail for event in events)
    assert world.engine.counts["missing blocks of diffs"] == 4
    world.apply(diffs(7, new(9)))
    assert all(event.delta.doubtful or event.snapshot.doubtful for event in follower.take())


def test_a_gap_of_the_statuses_doubts_no_book(world: World) -> None:
    world.apply(HeightGap("statuses", 2, 2, "lost"))
    assert world.engine.statistics().doubtful == {}
    assert world.engine.counts["missing blocks of statuses"] == 1


def test_a_repair_is_requested_once_for_all_doubtful_markets(world: World) -> None:
    world.apply(diffs(2, remove(77), remove(78, symbol="ETH")))
    world.request_repairs()
    world.request_repairs()
    (request,) = world.requests
    assert request.symbols == {"BTC", "ETH"}
    assert request.after_height == 2
    assert "77" in request.reason
    assert "78" in request.reason


def test_nothing_is_requested_while_nothing_is_doubtful(world: World) -> None:
    world.request_repairs()
    assert world.requests == []


# Blocks 1 and 2 are applied when the repair is requested; the snapshot arrives when ``applied`` is.
@pytest.mark.parametrize("height", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("applied", [2, 3, 4])
def test_snapshot_and_kept_diffs_meet_whatever_the_snapshots_height(
    world: World, height: int, applied: int
) -> None:
    """Before, at or ahead of the engine's height."""
    flow: dict[int, list[Event]] = {
        3: [new(3, "3.0"), new(4, price="99.0")],
        4: [update(3, "3.0", "1.5")],
        5: [remove(4, price="99.0"), new(6, price="98.0")],
        6: [update(3, "1.5", "1.0")],
        7: [new(7, price="97.0")],
    }
    world.apply(diffs(2, remove(77)))
    follower, rebuilt = world.follow(open_market(world, "BTC").book_stream(BookVariant(10))), RebuiltBook()
    rebuilt.apply(follower.take())
    assert "BTC" in world.engine.statistics().doubtful
    world.request_repairs()
    truth = NaiveBook()
    for event in [new(1), *(event for block in flow for event in flow[block] if block <= height)]:
        truth.apply(event)
    rows = [snapshot_row(oid, f"{size / 1e8}", f"{price / 1e8}") for oid, _, price, size in truth.queue("B")]
    for block in range(3, applied + 1):
        world.apply(diffs(block, *flow[block]))
    world.apply(*snapshot(height, ("BTC", "B", rows), ("BTC", "A", [])))
    for block in range(applied + 1, 8):
        assert bool(world.engine.statistics().doubtful) == (height >= block)
        world.apply(diffs(block, *flow[block]))
    for block in range(height + 1, 8):
        for event in flow.get(block, []):
            truth.apply(event)
    market = open_market(world, "BTC")
    assert world.engine.statistics().doubtful == {}
    assert [row[0] for row in queue_of(market.book, "B")] == [row[0] for row in truth.queue("B")]
    rebuilt.apply(follower.take())
    assert rebuilt.levels("bids") == [
        (level.price, format_e8(level.size_e8), level.order_count) for level in market.book.bids.best_first()
    ]
    assert not rebuilt.is_doubtful
    assert rebuilt.gaps[-1].reason == common_pb2.GAP_REASON_RESYNC
    assert world.engine.counts["markets repaired"] == 1


def test_markets_that_are_not_under_repair_are_left_alone(world: World) -> None:
    follower = world.follow(open_market(world, "ETH").book_stream(BookVariant(5)))
    follower.take()
    book = open_market(world, "ETH").book
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*snapshot(2, ("BTC", "B", [snapshot_row(1)]), ("ETH", "B", [])))
    assert open_market(world, "ETH").book is book
    assert follower.take() == []


def test_a_market_the_snapshot_lacks_is_empty_then(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*snapshot(2))
    assert open_market(world, "BTC").book.order_count == 0
    assert world.engine.statistics().doubtful == {}


def test_a_market_doubted_during_a_repair_is_repaired_by_the_next(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(diffs(3, remove(78, symbol="ETH")))
    world.request_repairs()
    assert len(world.requests) == 1
    world.apply(*snapshot(2, ("BTC", "B", [snapshot_row(1)]), ("ETH", "B", [snapshot_row(2)])))
    assert list(world.engine.statistics().doubtful) == ["ETH"]
    world.request_repairs()
    assert world.requests[1].symbols == {"ETH"}
    world.apply(*snapshot(3, ("ETH", "B", [snapshot_row(2)])))
    assert world.engine.statistics().doubtful == {}


def test_a_snapshot_that_breaks_off_leaves_things_as_they_were(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    book = open_market(world, "BTC").book
    world.apply(*snapshot(2, ("BTC", "B", []), is_complete=False))
    assert open_market(world, "BTC").book is book
    assert list(world.engine.statistics().doubtful) == ["BTC"]
    world.request_repairs()
    assert len(world.requests) == 1, "the source asks again by itself"
    world.apply(diffs(3, new(3)), *snapshot(3, ("BTC", "B", [snapshot_row(1), snapshot_row(3)])))
    assert world.engine.statistics().doubtful == {}
    assert open_market(world, "BTC").book.order_count == 2


def test_a_full_snapshot_that_breaks_off_leaves_things_as_they_were(world: World) -> None:
    world.apply(
        SnapshotBegun(5, is_full=True), SnapshotOrders("BTC", "B", []), SnapshotEnded(5, False, "gone")
    )
    assert world.engine.height == 1
    assert open_market(world, "BTC").book.order_count == 1


def test_a_snapshot_nobody_asked_for_is_passed_over(world: World) -> None:
    world.apply(*snapshot(1, ("BTC", "B", [])))
    assert open_market(world, "BTC").book.order_count == 1


def test_a_snapshot_older_than_the_kept_diffs_is_refused(world: World) -> None:
    world.apply(diffs(2, remove(77), new(3)))
    world.request_repairs()
    world.apply(*snapshot(1, ("BTC", "B", [snapshot_row(1)])))
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
    world.apply(*snapshot(height, ("BTC", "B", [snapshot_row(1)])))
    assert ("BTC" not in world.engine.statistics().doubtful) == is_repaired
    assert "ETH" in world.engine.statistics().doubtful
    world.request_repairs()
    assert world.requests[-1].symbols == ({"ETH"} if is_repaired else {"BTC", "ETH"})


def test_a_gap_after_the_snapshot_came_but_before_it_was_used(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*snapshot(4, ("BTC", "B", [snapshot_row(1)])))
    world.apply(HeightGap("diffs", 3, 6, "lost"), diffs(7, new(7)))
    assert set(world.engine.statistics().doubtful) == {"BTC", "ETH"}
    assert world.engine.counts["repairs abandoned"] == 1


def test_kept_diffs_that_contradict_the_snapshot_leave_the_market_doubtful(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(diffs(3, remove(78)))
    world.apply(*snapshot(2, ("BTC", "B", [snapshot_row(1)])))
    assert world.engine.statistics().doubtful["BTC"].startswith("bad snapshot: ")
    assert world.engine.counts["markets repaired"] == 0


def test_an_unreadable_order_of_a_snapshot_leaves_the_market_doubtful(world: World) -> None:
    world.apply(diffs(2, remove(77)))
    world.request_repairs()
    world.apply(*snapshot(2, ("BTC", "B", [snapshot_row(1), snapshot_row(3, "many")])))
    assert "many" in world.engine.statistics().doubtful["BTC"]
    assert open_market(world, "BTC").book.order_count == 1


def test_a_repair_that_keeps_too_much_begins_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperstream.engine.repair.MAX_KEPT_EVENTS", 3)
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
    world.apply(*snapshot(2, ("BTC", "B", [snapshot_row(1), snapshot_row(3, price="101.0")])))
    assert follower.take()[-1].bbo.bid.price == "101.0"
    world.apply(diffs(3, remove(3, price="101.0")))
    (event,) = follower.take()
    assert event.bbo.bid.price == "100.0"


def test_orders_of_kept_diffs_keep_their_attributes_and_get_those_that_come_later() -> None:
    world = World(WITH_STATUSES)
    world.apply(diffs(1, new(1)), statuses(1, status(1)))
    world.apply(diffs(2, remove(77)), statuses(2))
    follower, rebuilt = world.follow(open_market(world, "BTC").orders_stream()), RebuiltOrders()
    rebuilt.apply(follower.take())
    world.request_repairs()
    world.apply(diffs(3, new(3)), statuses(3, status(3)), diffs(4, new(4)))
    world.apply(*snapshot(2, ("BTC", "B", [snapshot_row(1)])))
    world.apply(statuses(4, status(4)))
    rebuilt.apply(follower.take())
    assert [(order.oid, order.has_attributes) for order in rebuilt.side(1)] == [
        (1, True),
        (3, True),
        (4, True),
    ]


LOAD = Load(40, 60, 6, resting_orders=200, variety=0.5)


@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize("delay", [0, 3])
def test_books_and_orders_equal_the_nodes_truth_again_after_a_divergence(
    tmp_path: Path, kind: str, delay: int
) -> None:
    """The snapshot is taken ``delay`` blocks after the request and read three blocks later."""
    node = FakeNode(tmp_path / "data", seed=21, markets=["BTC", "ETH"], load=LOAD)
    world = World(WITH_STATUSES)
    node.write_snapshot(tmp_path / "snapshot.json")
    world.apply(*snapshot_items(tmp_path / "snapshot.json", is_full=True))
    files = NodeFiles(node.data_dir)
    followers: dict[str, tuple[Follower, RebuiltOrders]] = {
        symbol: (world.follow(open_market(world, symbol).orders_stream()), RebuiltOrders())
        for symbol in node.symbols
    }
    taken_at = None
    for step in range(80):
        if step == 10 or (taken_at is None and step > 10):
            node.inject(Divergence(kind=kind))
        node.step()
        world.apply(*files.items())
        world.request_repairs()
        if taken_at is None and world.requests and node.height >= world.requests[0].after_height + delay:
            taken_at = node.write_snapshot(tmp_path / "repair.json")
        if taken_at is not None and node.height == taken_at + 3:
            world.apply(*snapshot_items(tmp_path / "repair.json", is_full=False))
            break
    assert taken_at is not None
    repaired = world.requests[0].symbols
    assert world.engine.counts["markets repaired"] == len(repaired)
    for symbol in repaired:
        assert symbol not in world.engine.statistics().doubtful
    for _ in range(5):
        for symbol in repaired:
            follower, orders = followers[symbol]
            orders.apply(follower.take())
            orders.check(node, symbol, with_attributes=True)
        node.step()
        world.apply(*files.items())


def test_books_equal_the_nodes_truth_after_a_lost_block(tmp_path: Path) -> None:
    node = FakeNode(tmp_path / "data", seed=22, markets=["BTC", "ETH", "@107"], load=LOAD)
    world = World()
    node.write_snapshot(tmp_path / "snapshot.json")
    world.apply(*snapshot_items(tmp_path / "snapshot.json", is_full=True))
    files = NodeFiles(node.data_dir)
    node.step()
    lost = files.items()
    world.apply(HeightGap("diffs", node.height, node.height, "lost"))
    assert lost
    world.request_repairs()
    node.step()
    node.write_snapshot(tmp_path / "repair.json")
    world.apply(*files.items(), *snapshot_items(tmp_path / "repair.json", is_full=False))
    assert world.engine.statistics().doubtful == {}
    for _ in range(10):
        check_books(world, node)
        node.step()
        world.apply(*files.items())


@given(st.data(), blocks(max_blocks=16))
def test_a_repair_at_any_moment_ends_with_the_true_book(data: st.DataObject, flow: list[list[Event]]) -> None:
    """Diffs are lost until the book contradicts; the snapshot's height and its arrival are anything."""
    truth = NaiveBook()
    truths = []
    for events in flow:
        for event in events:
            truth.apply(event)
        truths.append({side: truth.queue(side) for side in "BA"})
    world = World()
    snapshot_at = arrives_at = 0
    for height, events in enumerate(flow, start=1):
        seen = list(events)
        if seen and not world.requests and data.draw(st.booleans(), "a diff is lost"):
            del seen[data.draw(st.integers(0, len(seen) - 1))]
        world.apply(diffs(height, *seen))
        if not world.requests:
            world.request_repairs()
            if world.requests:
                snapshot_at = data.draw(st.integers(height, len(flow)), "height of the snapshot")
                arrives_at = data.draw(st.integers(height, len(flow)), "height at which it arrives")
        if arrives_at == height:
            sides = truths[snapshot_at - 1].items()
            world.apply(*snapshot(snapshot_at, *(("BTC", side, as_rows(rows)) for side, rows in sides)))
        if world.requests:
            assert ("BTC" in world.engine.statistics().doubtful) == (height < max(snapshot_at, arrives_at))
            if height >= max(snapshot_at, arrives_at):
                for side, queue in truths[height - 1].items():
                    assert queue_of(open_market(world, "BTC").book, side) == queue


def as_rows(queue: list[tuple[int, str, int, int]]) -> list[tuple[str, dict[str, Any]]]:
    """A naive book's queue as a snapshot has it."""
    return [
        (user, snapshot_row(oid, format_e8(size), format_e8(price))[1]) for oid, user, price, size in queue
    ]
