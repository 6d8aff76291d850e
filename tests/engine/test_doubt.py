"""Only what contradicts is doubted, is told in band, and a repair is asked for once."""

from __future__ import annotations

import pytest

from hyperstream.hub.directory import BookVariant
from hyperstream.market.decimals import format_e8
from hyperstream.v1 import common_pb2
from hyperstream.wire.node_blocks import (
    HeightGap,
)
from tests.market.flows import Event
from tests.market.naive import NaiveBook, queue_of

from .handmade import change, diffs, new, remove, repair_snapshot, snapshot_row, update
from .rebuilt import RebuiltBook, kinds
from .world import World, open_market

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
    world.apply(*repair_snapshot(height, ("BTC", "B", rows), ("BTC", "A", [])))
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
