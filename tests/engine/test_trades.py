"""Trades: one event for each market and block, none twice, and a loss is told."""

from __future__ import annotations

import pytest

from hyperstream.market.updates import ResumePoint
from hyperstream.v1 import common_pb2
from hyperstream.wire.node_blocks import (
    FillBlock,
    HeightGap,
)

from .handmade import diffs, fills, head, new
from .rebuilt import kinds
from .world import World, open_market


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
