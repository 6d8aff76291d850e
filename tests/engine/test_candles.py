"""Candle topics: the one that forms is told first, then after each block that traded, and gaps are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from hyperstream.engine.candles import CandleKeeper, MarketCandles
from hyperstream.engine.live_market import LINGER_NS
from hyperstream.hub.delivery import Contract
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic
from hyperstream.wire.diff_lines import read_diff
from hyperstream.wire.json.candles import CandleFormat
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, Position

from .handmade import diffs, fill, fills, head, new
from .world import PLENTY, World

FORMAT = CandleFormat(bytes, tells=True)
TRADED_MS = 1_778_002_753_024
MINUTE_MS = 60_000
MONTH_BEGAN = -(4 * 24 * 60 + 17 * 60 + 39)  # minutes before 2026-05-05 17:39


def traded(height: int, *minutes_later: int) -> FillBlock:
    """A block with a trade for each of these minutes."""
    events: list[list[Any]] = []
    for number, minutes in enumerate(minutes_later):
        for side in "BA":
            user, told = fill(height * 100 + number, side, crossed=side == "A")
            events.append([user, told | {"time": TRADED_MS + minutes * MINUTE_MS}])
    return FillBlock(*head(height), events=events)


class CandleFollower:
    """A subscriber of candles."""

    def __init__(self, world: World, topic: Topic) -> None:
        self.subscription: Subscription = world.hub.subscribe(Contract.LOSSLESS, FORMAT, lambda: None, PLENTY)
        self.subscription.attach(topic, None)
        self.world = world

    def messages(self) -> Iterator[bytes]:
        """What came since the last call."""
        self.world.hub.flush()
        while (message := self.subscription.take()) is not None:
            yield message

    def take(self) -> list[tuple[int, int]]:
        """Since the last call: when candles began, in minutes after the first, and their trades."""
        told = []
        for message in self.messages():
            for part in message.split(b'{"channel":"candle","data":')[1:]:
                candle = orjson.loads(part[: part.index(b"}") + 1])
                told.append(((candle["t"] - TRADED_MS // MINUTE_MS * MINUTE_MS) // MINUTE_MS, candle["n"]))
        return told


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(diffs(1, new(1)))
    CandleKeeper(100).follow(world.engine)
    return world


def candles_of(world: World, symbol: str = "BTC") -> MarketCandles:
    market = world.engine.market(symbol)
    assert market is not None
    assert isinstance(market.candles, MarketCandles)
    return market.candles


def follow(world: World, interval: str = "1m") -> CandleFollower:
    return CandleFollower(world, candles_of(world).stream(interval, FORMAT))


def test_a_candle_is_told_after_each_block_that_traded(world: World) -> None:
    follower = follow(world)
    assert follower.take() == []
    world.apply(traded(2, 0))
    assert follower.take() == [(0, 1)]
    world.apply(diffs(3, new(2)), traded(3, 0, 0), traded(4, 0))
    assert follower.take() == [(0, 3), (0, 4)]


def test_a_candle_that_ended_within_a_block_is_told_before_the_next(world: World) -> None:
    follower = follow(world)
    world.apply(traded(2, 0))
    assert follower.take() == [(0, 1)]
    world.apply(traded(3, 0, 1))
    assert follower.take() == [(0, 2), (1, 1)]


def test_a_candle_that_was_told_as_it_ended_is_not_told_again(world: World) -> None:
    """Whoever keeps up would be told that the next one merged it, though it missed nothing."""
    follower = follow(world)
    world.apply(traded(2, 0))
    assert follower.take() == [(0, 1)]
    world.apply(traded(3, 1))
    assert follower.take() == [(1, 1)]
    world.apply(traded(4, 3))
    assert follower.take() == [(3, 1)]


def test_who_comes_later_begins_with_the_candle_that_forms(world: World) -> None:
    first = follow(world)
    world.apply(traded(2, 0, 0))
    assert first.take() == [(0, 2)]
    later = follow(world)
    assert later.take() == [(0, 2)]
    world.apply(traded(3, 0))
    assert later.take() == [(0, 3)]
    assert first.take() == [(0, 3)]


def test_an_interval_first_asked_for_late_has_what_was_traded_before(world: World) -> None:
    head_of_block = (2, (TRADED_MS + MINUTE_MS) * 1_000_000, 0, 0, Position(2, "20260505/17", 2))
    world.apply(traded(2, 0, 1), DiffBlock(*head_of_block, diffs=[read_diff(new(2))]))
    assert follow(world, "1M").take() == [(MONTH_BEGAN, 2)]
    assert follow(world, "1m").take() == [(1, 1)]


def test_markets_that_appear_later_have_candles_too(world: World) -> None:
    world.apply(diffs(2, new(7, symbol="NEW")), fills(2, 1, symbol="NEW"))
    assert candles_of(world, "NEW").last_price_e8 == 100 * 10**8


def test_missing_trades_are_a_gap_of_every_candle(world: World) -> None:
    followers = [follow(world, interval) for interval in ("1m", "1h")]
    world.apply(traded(2, 0))
    for follower in followers:
        follower.take()
    candles_of(world).tell_gap("a file was unreadable")
    for follower in followers:
        (gap,) = (orjson.loads(message) for message in follower.messages())
        assert gap["channel"] == "gap"
        assert gap["data"]["detail"] == "a file was unreadable"


def test_intervals_that_nobody_follows_are_dropped_after_a_while(world: World) -> None:
    candles = candles_of(world)
    topic = candles.stream("1m", FORMAT)
    follower = CandleFollower(world, topic)
    candles.stream("1h", FORMAT)
    assert len(candles.topics) == 2
    now_ns = world.time_ns + LINGER_NS + 1
    candles.retire(now_ns)
    assert [interval for interval, _ in candles.topics] == ["1m"]
    follower.subscription.detach(topic)
    candles.retire(now_ns + LINGER_NS - 1)
    assert candles.topics
    candles.retire(now_ns + LINGER_NS)
    assert not candles.topics
