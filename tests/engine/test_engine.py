"""Markets, topics, trades and time: what the engine promises besides right books."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.engine.live_market import LINGER_NS
from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import BookVariant
from hyperstream.market.aggregation import Aggregation
from hyperstream.market.updates import ResumePoint
from hyperstream.v1 import common_pb2
from hyperstream.wire.node_blocks import (
    Instrument,
    InstrumentsListed,
    NodeItem,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
)
from hyperstream.wire.protobuf.formats import TRADES

from .handmade import diffs, fills, new, remove, snapshot_row, status, statuses, update
from .rebuilt import RebuiltBook, kinds
from .world import SECOND_NS, WITH_STATUSES, World, open_market


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(diffs(1, new(1)))
    return world


# --- blocks ---


def test_repeated_blocks_are_not_applied_twice(world: World) -> None:
    again = diffs(2, new(2))
    world.apply(again, again, diffs(1, new(1)), again)
    assert open_market(world).book.order_count == 2
    assert world.engine.counts["repeated block"] == 3
    assert world.engine.height == 2
    assert world.engine.statistics().doubtful == {}


def test_a_continuation_goes_on_with_its_block(world: World) -> None:
    follower, rebuilt = world.follow(open_market(world).book_stream(BookVariant(5))), RebuiltBook()
    world.apply(diffs(2, new(2)), diffs(2, new(3), is_continuation=True))
    rebuilt.apply(follower.take())
    assert rebuilt.levels("bids") == [("100.0", "3.0", 3)]
    world.apply(diffs(1, new(9), is_continuation=True))
    assert world.engine.counts["repeated block"] == 1


def test_where_each_source_stands_is_told(world: World) -> None:
    world.apply(diffs(2, new(2)), statuses(1, status(1)), fills(3, 1))
    positions = world.engine.statistics().positions
    assert {name: position.height for name, position in positions.items()} == {
        "diffs": 2,
        "statuses": 1,
        "fills": 3,
    }


def test_updates_carry_the_four_times_of_their_block(world: World) -> None:
    follower = world.follow(open_market(world).bbo_stream())
    follower.take()
    world.time_ns = 7 * SECOND_NS
    world.apply(diffs(2, new(2)))
    bbo = follower.take()[0].bbo
    times = (bbo.block_time_ns, bbo.node_time_ns, bbo.read_time_ns, bbo.publish_time_ns)
    assert (bbo.height, *times) == (2, 20, 21, 22, 7 * SECOND_NS)


def test_nothing_is_published_of_a_market_that_did_not_change(world: World) -> None:
    follower = world.follow(open_market(world).book_stream(BookVariant(5)))
    follower.take()
    world.apply(diffs(2, new(2, symbol="ETH")), diffs(3))
    assert follower.take() == []


def test_nothing_is_published_of_levels_below_the_depth(world: World) -> None:
    follower = world.follow(open_market(world).book_stream(BookVariant(1)))
    follower.take()
    world.apply(diffs(2, new(2, price="99.0")))
    assert follower.take() == []
    world.apply(diffs(3, remove(1)))
    (event,) = follower.take()
    assert [(level.price, level.size) for level in event.delta.bids] == [("99.0", "1.0"), ("100.0", "0")]


# --- readiness and loading ---


async def test_the_engine_is_ready_when_all_books_were_loaded(autojump_clock: MockClock) -> None:
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.engine.wait_ready, name="waits for books")
        await wait_all_tasks_blocked()
        world.apply(SnapshotBegun(5, is_full=True), SnapshotOrders("BTC", "B", [snapshot_row(1)]))
        assert not world.engine.statistics().is_ready
        world.apply(SnapshotEnded(5))
        with trio.fail_after(30):
            await world.engine.wait_ready()
    assert world.engine.is_ready
    assert world.engine.height == 5
    world.apply(diffs(5, new(9)), diffs(6, remove(1)))
    assert open_market(world).book.order_count == 0


def test_followers_of_books_that_are_loaded_anew_are_told_and_get_snapshots(world: World) -> None:
    market = open_market(world)
    variants = [BookVariant(5), BookVariant(5, Aggregation(2))]
    followers = [world.follow(market.book_stream(variant)) for variant in variants]
    rebuilt = [RebuiltBook(), RebuiltBook()]
    for follower, book in zip(followers, rebuilt, strict=True):
        book.apply(follower.take())
    world.apply(
        SnapshotBegun(5, is_full=True), SnapshotOrders("BTC", "B", [snapshot_row(7, "4.0")]), SnapshotEnded(5)
    )
    world.apply(diffs(6, new(8, "1.0"), new(9, "1.0", price="50.0")))
    for follower, book in zip(followers, rebuilt, strict=True):
        events = follower.take()
        assert kinds(events)[:2] == ["gap", "snapshot"]
        book.apply(events)
        assert book.levels("bids") == [("100.0", "5.0", 2), ("50.0", "1.0", 1)]


def test_only_wanted_markets_are_kept() -> None:
    world = World(wanted=frozenset({"ETH"}))
    world.apply(
        SnapshotBegun(1, is_full=True),
        SnapshotOrders("BTC", "B", [snapshot_row(1)]),
        SnapshotOrders("ETH", "B", [snapshot_row(2)]),
        SnapshotEnded(1),
        diffs(2, new(3), new(4, symbol="ETH")),
        fills(2, 1),
        InstrumentsListed((Instrument("BTC", 0, 5), Instrument("ETH", 1, 4))),
    )
    assert list(world.engine.markets) == ["ETH"]
    assert world.engine.find_symbol("BTC") is None
    assert world.engine.find_id(0) is None
    assert open_market(world, "ETH").book.order_count == 2


async def test_run_applies_items_until_the_channel_is_closed_and_empty() -> None:
    world = World()
    send, receive = trio.open_memory_channel[NodeItem](5)
    with send:
        for height in range(1, 4):
            send.send_nowait(diffs(height, new(height)))
    with trio.fail_after(30):
        await world.engine.run(receive)
    assert world.engine.statistics().orders == 3


# --- markets ---


def test_a_market_that_appears_later_reaches_its_followers(world: World) -> None:
    appeared: list[str] = []
    follower = world.follow(open_market(world).book_stream(BookVariant(5)))

    def follow(market: Any) -> None:
        appeared.append(market.symbol)
        follower.subscription.attach(market.book_stream(BookVariant(5)))

    world.engine.follow_new_markets(follow)
    follower.take()
    world.apply(diffs(2, new(2, "3.0", symbol="NEW")))
    (event,) = follower.take()
    assert event.snapshot.symbol == "NEW"
    assert [level.size for level in event.snapshot.bids] == ["3.0"]
    world.apply(diffs(3, update(2, "3.0", "2.0", symbol="NEW")))
    assert kinds(follower.take()) == ["delta"]
    world.engine.unfollow_new_markets(follow)
    world.engine.unfollow_new_markets(follow)
    world.apply(diffs(4, new(3, symbol="OTHER")))
    assert appeared == ["NEW"]


def test_a_markets_id_is_in_all_that_is_sent_once_it_is_known(world: World) -> None:
    market = open_market(world)
    topic = market.book_stream(BookVariant(5))
    (first,) = world.follow(topic).take()
    assert not first.snapshot.HasField("market_id")
    world.apply(InstrumentsListed((Instrument("BTC", 0, 5),)))
    (second,) = world.follow(topic).take()
    assert second.snapshot.HasField("market_id")
    assert world.engine.find_id(0) is market
    follower = world.follow(topic)
    follower.take()
    world.apply(diffs(2, new(2)))
    assert follower.take()[0].delta.HasField("market_id")
    world.apply(InstrumentsListed((Instrument("BTC", 3, 5),)))
    assert world.follow(topic).take()[0].snapshot.market_id == 3
    assert world.engine.find_id(3) is market


# --- time ---


async def test_tick_gives_up_on_late_statuses_and_asks_for_repairs(autojump_clock: MockClock) -> None:
    world = World(WITH_STATUSES)
    world.clock = lambda: int(trio.current_time() * SECOND_NS)
    follower = world.follow(open_market(world).orders_stream())
    follower.take()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.engine.tick, name="engine clock")
        world.apply(diffs(1, new(1), remove(77)))
        await trio.sleep(0.15)
        assert [request.symbols for request in world.requests] == [{"BTC"}]
        await trio.sleep(4.8)
        assert kinds(follower.take()) == ["gap"]
        await trio.sleep(0.2)
        assert kinds(follower.take()) == ["delta"]
        nursery.cancel_scope.cancel(reason="the test is over")


async def test_unused_topics_retire_after_the_linger_and_resuming_then_restarts(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.clock = lambda: int(trio.current_time() * SECOND_NS)
    world.apply(diffs(1, new(1)))
    market = open_market(world)
    variant = BookVariant(5, Aggregation(2))
    topics = [market.book_stream(variant), market.bbo_stream(), market.orders_stream()]
    followers = [world.follow(topic) for topic in topics]
    trades = world.follow(market.trades_stream())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.engine.tick, name="engine clock")
        await trio.sleep(100)
        assert [market.book_stream(variant), market.bbo_stream(), market.orders_stream()] == topics
        for follower in (*followers, trades):
            follower.take()
            follower.subscription.finish()
        point = ResumePoint("BTC", topics[0].epoch, topics[0].sequence)
        await trio.sleep(LINGER_NS / SECOND_NS - 5)
        world.apply(diffs(2, new(2)))
        resumed = world.follow(market.book_stream(variant), resume=point)
        assert kinds(resumed.take()) == ["delta"], "until then a resume point is good"
        resumed.subscription.finish()
        await trio.sleep(LINGER_NS / SECOND_NS + 5)
        assert not market.has_topics
        assert market.book.journal is None
        nursery.cancel_scope.cancel(reason="the test is over")
    late = world.follow(market.book_stream(variant), resume=point)
    gap, snapshot = late.take()
    assert gap.gap.reason == common_pb2.GAP_REASON_RESTART
    assert [level.size for level in snapshot.snapshot.bids] == ["2.0"]


def test_topics_are_spelled_as_they_were_opened(world: World) -> None:
    assert open_market(world).trades_stream().wire_format is TRADES


# --- one slow subscriber ---


def test_a_subscriber_that_takes_nothing_does_not_disturb_the_others(world: World) -> None:
    topic = open_market(world).book_stream(BookVariant(5))
    slow = world.follow(topic, contract=Contract.RESYNC)
    quick, rebuilt = world.follow(topic), RebuiltBook()
    for height in range(2, 300):
        world.apply(diffs(height, update(1, f"{height - 1}.0", f"{height}.0")))
        rebuilt.apply(quick.take())
        assert rebuilt.levels("bids") == [("100.0", f"{height}.0", 1)]
    behind = RebuiltBook()
    behind.apply(slow.take())
    assert behind.levels("bids") == rebuilt.levels("bids")
