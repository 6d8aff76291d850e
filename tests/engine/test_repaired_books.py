"""After a repair books and orders equal the node's, whatever was lost and whenever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.decimals import format_e8
from hyperstream.testing import FakeNode
from hyperstream.testing.faults import DIVERGENCES, Divergence
from hyperstream.testing.load import Load
from hyperstream.wire.node_blocks import (
    HeightGap,
)
from tests.market.flows import Event, blocks
from tests.market.naive import NaiveBook, queue_of

from .handmade import diffs, new, remove, repair_snapshot, snapshot_row, status, statuses
from .node_files import NodeFiles, snapshot_items
from .rebuilt import RebuiltOrders
from .test_from_files import check_books
from .world import WITH_STATUSES, Follower, World, open_market


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(diffs(1, new(1), new(2, symbol="ETH")))
    return world


def test_orders_of_kept_diffs_keep_their_attributes_and_get_those_that_come_later() -> None:
    world = World(WITH_STATUSES)
    world.apply(diffs(1, new(1)), statuses(1, status(1)))
    world.apply(diffs(2, remove(77)), statuses(2))
    follower, rebuilt = world.follow(open_market(world, "BTC").orders_stream()), RebuiltOrders()
    rebuilt.apply(follower.take())
    world.request_repairs()
    world.apply(diffs(3, new(3)), statuses(3, status(3)), diffs(4, new(4)))
    world.apply(*repair_snapshot(2, ("BTC", "B", [snapshot_row(1)])))
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
            world.apply(
                *repair_snapshot(snapshot_at, *(("BTC", side, as_rows(rows)) for side, rows in sides))
            )
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
