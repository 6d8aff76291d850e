"""Trades: one event for each market and block, none twice, and a loss is told."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from hyperstream.hub.delivery import Contract
from hyperstream.market.updates import ResumePoint
from hyperstream.v1 import common_pb2
from hyperstream.wire.node_blocks import (
    FillBlock,
    HeightGap,
    NodeItem,
    SourceStarted,
)
from hyperstream.wire.protobuf.formats import TRADES

from .handmade import USER, diffs, fill, fills, head, new
from .rebuilt import kinds
from .world import PLENTY, RESPONSES, SECOND_NS, World, open_market


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(diffs(1, new(1)))
    return world


def test_the_trades_of_a_block_are_one_event_per_market(world: World) -> None:
    follower = world.follow(open_market(world).trades_stream(), open_market(world, "ETH").trades_stream())
    block = fills(2, 1, 2)
    block.events.extend(fills(2, 3, symbol="ETH").events)
    world.apply(block)
    btc, eth = follower.take()
    assert [trade.trade_id for trade in btc.trades.trades] == [1, 2]
    assert [trade.trade_id for trade in eth.trades.trades] == [3]
    assert (btc.trades.height, btc.trades.sequence, eth.trades.sequence) == (2, 1, 1)


def test_repeated_fills_are_not_published_twice(world: World) -> None:
    follower = world.follow(open_market(world).trades_stream())
    world.apply(fills(2, 1), fills(2, 1), fills(2, 2, is_continuation=True), fills(1, 3))
    told = [trade.trade_id for event in follower.take() for trade in event.trades.trades]
    assert told == [1, 2]
    assert world.engine.counts["repeated fills"] == 2


def test_a_fill_that_cannot_be_read_is_counted_and_the_others_are_published(world: World) -> None:
    follower = world.follow(open_market(world).trades_stream())
    block = fills(2, 1)
    block.events.extend([["0x1"], ["0x1", {"coin": "BTC", "tid": 9}]])
    world.apply(block)
    assert [trade.trade_id for trade in follower.take()[0].trades.trades] == [1]
    assert world.engine.counts["unreadable fill"] == 2


def test_fills_are_read_only_if_somebody_follows_and_are_missing_if_broken(
    world: World,
) -> None:
    line = (
        b'{"local_time":"","block_time":"","block_number":1,"events":[["0x1",{"tid":x}],["0x2",{"tid":x}]]}'
    )
    world.apply(FillBlock(*head(2), None, line=line))
    assert world.engine.statistics().trades == 1
    assert "unreadable fills" not in world.engine.counts
    follower = world.follow(open_market(world).trades_stream())
    world.apply(FillBlock(*head(3), None, line=line))
    assert [(event.gap.reason, event.gap.symbol) for event in follower.take()] == [
        (common_pb2.GAP_REASON_SOURCE_GAP, "BTC")
    ]
    assert world.engine.counts["unreadable fills"] == 1


def test_lost_fills_are_told_to_those_who_follow_trades_and_to_those_who_resume_from_before(
    world: World,
) -> None:
    market = open_market(world)
    topic = market.trades_stream()
    follower = world.follow(topic)
    bbo = world.follow(market.bbo_stream())
    bbo.take()
    world.apply(fills(2, 1))
    point = ResumePoint("BTC", topic.epoch, topic.sequence)
    world.apply(HeightGap("fills", 3, 4, "lost"))
    assert kinds(follower.take()) == ["trades", "gap"]
    assert bbo.take() == []
    resumed = world.follow(topic, resume=point)
    world.apply(fills(5, 2))
    events = resumed.take()
    assert kinds(events) == ["gap", "trades"]
    assert events[0].gap.reason == common_pb2.GAP_REASON_SOURCE_GAP
    assert "3 to 4" in events[0].gap.detail


def test_trades_resumed_after_a_restart_miss_nothing_that_comes_then(world: World) -> None:
    """Topics without snapshots have nothing to wait for, so they begin at once."""
    topic = open_market(world).trades_stream()
    follower = world.follow(topic, resume=ResumePoint("BTC", 1, 1))
    world.apply(fills(2, 1))
    gap, trades = follower.take()
    assert gap.gap.reason == common_pb2.GAP_REASON_RESTART
    assert [trade.trade_id for trade in trades.trades.trades] == [1]


def test_who_follows_every_market_gets_the_trades_of_the_very_first_one() -> None:
    """A block's fills are read before its diffs, which make the market known otherwise."""
    world = World()
    world.apply(diffs(1))
    subscription = world.hub.subscribe(Contract.LOSSLESS, TRADES, lambda: None, PLENTY)
    world.engine.follow_new_markets(lambda market: subscription.attach(market.trades_stream(), None))
    world.apply(fills(2, 1), diffs(2, new(1)))
    message = subscription.take()
    assert message is not None
    (event,) = RESPONSES[TRADES].FromString(message).events
    assert [trade.trade_id for trade in event.trades.trades] == [1]


def part(height: int, *events: list[Any], is_continuation: bool = False) -> FillBlock:
    return FillBlock(*head(height), events=list(events), is_continuation=is_continuation)


@pytest.fixture
def streaming() -> World:
    world = World(SourceStarted("streaming", frozenset({"diffs", "fills"})))
    world.apply(diffs(1, new(1)))
    return world


@pytest.mark.parametrize("sides", ["BA", "AB"])
def test_a_trade_whose_fills_come_in_two_parts_of_a_block_is_one_trade(streaming: World, sides: str) -> None:
    follower = streaming.follow(open_market(streaming).trades_stream())
    first, second = (fill(2, side, crossed=side == "A") for side in sides)
    streaming.apply(part(2, fill(1, "B"), fill(1, "A", crossed=True), first))
    assert [trade.trade_id for event in follower.take() for trade in event.trades.trades] == [1]
    streaming.apply(part(2, second, is_continuation=True))
    (event,) = follower.take()
    (trade,) = event.trades.trades
    assert (trade.trade_id, trade.side) == (2, common_pb2.SIDE_ASK)
    assert (trade.buyer_oid, trade.seller_oid) == (4, 5)
    assert trade.buyer == trade.seller == USER
    streaming.apply(fills(3, 3))
    assert [trade.trade_id for event in follower.take() for trade in event.trades.trades] == [3]


@pytest.mark.parametrize("end", ["later block", "time", "gap", "end of the source"])
async def test_a_fill_without_its_other_half_is_a_trade_of_one_side(streaming: World, end: str) -> None:
    """Outcome markets have such trades; what ends the wait for the other half is told after them."""
    follower = streaming.follow(open_market(streaming).trades_stream())
    streaming.apply(part(2, fill(7, "B", crossed=True)))
    streaming.time_ns += 2 * SECOND_NS
    streaming.give_up_waiting()
    assert follower.take() == []
    if end == "later block":
        streaming.apply(fills(3, 8))
    elif end == "time":
        streaming.time_ns += 2 * SECOND_NS
        streaming.give_up_waiting()
    elif end == "gap":
        streaming.apply(HeightGap("fills", 3, 4, "lost"))
    else:
        send, receive = trio.open_memory_channel[NodeItem](1)
        send.close()
        await streaming.engine.run(receive)
    (trade,) = follower.take()[0].trades.trades
    assert (trade.trade_id, trade.buyer, trade.seller) == (7, USER, "")


def test_where_a_block_is_a_line_nothing_waits_for_another_half(world: World) -> None:
    follower = world.follow(open_market(world).trades_stream())
    world.apply(part(2, fill(7, "B", crossed=True)))
    assert kinds(follower.take()) == ["trades"]
