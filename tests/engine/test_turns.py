"""Followed markets come first, subscriber by subscriber, and each subscriber gets one message a block."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from hyperstream.engine.engine import Engine
from hyperstream.engine.turns import MOST_TURNS, Turns
from hyperstream.hub.directory import BookVariant
from hyperstream.hub.topic import Topic
from hyperstream.market.aggregation import Aggregation
from hyperstream.v1 import orderbook_pb2
from hyperstream.wire.node_blocks import DiffBlock

from .handmade import diffs, head, new
from .world import Follower, World

SYMBOLS = [f"M{number}" for number in range(8)]


def line_block(height: int, *events: dict[str, object]) -> DiffBlock:
    """The block as a by-block file holds it."""
    line = b'{"local_time":"","block_time":"","block_number":1,"events":' + orjson.dumps(events) + b"}"
    return DiffBlock(*head(height), None, line=line)


AGGREGATIONS = [Aggregation(figures) for figures in (2, 3, 4, 5)]


def book_of(world: World, symbol: str, depth: int = 20, aggregation: Aggregation | None = None) -> Topic:
    market = world.engine.market(symbol)
    assert market is not None
    return market.book_stream(BookVariant(depth, aggregation))


def aggregated_books(world: World) -> list[Topic]:
    return [book_of(world, symbol, aggregation=each) for symbol in SYMBOLS for each in AGGREGATIONS]


class Reader:
    """A subscriber that keeps up; ``messages`` are written to it, ``written`` lists all readers' in turn."""

    def __init__(self, world: World, name: str, topics: list[str] | list[Topic], written: list[str]) -> None:
        self.messages: list[orderbook_pb2.SubscribeOrderbookResponse] = []
        self.written = written
        self.follower: Follower = world.follow(
            *(book_of(world, topic) if isinstance(topic, str) else topic for topic in topics)
        )
        self.follower.take()

        def write(body: bytes) -> bool:
            self.messages.append(orderbook_pb2.SubscribeOrderbookResponse.FromString(body))
            written.append(name)
            return True

        subscription = self.follower.subscription
        subscription.write = write
        subscription.is_idle = True

    def symbols(self) -> list[list[str]]:
        """What each message was about."""
        return [[event.delta.symbol for event in message.events] for message in self.messages]


def settle(world: World, *readers: Reader) -> None:
    """A first block: whoever just came has caught up after it."""
    world.apply(diffs(1, *(new(100 + oid, symbol=symbol) for oid, symbol in enumerate(SYMBOLS))))
    for reader in readers:
        assert len(reader.messages) == 1
        reader.messages.clear()
        reader.written.clear()


def test_each_subscriber_gets_one_message_with_all_its_markets() -> None:
    world, written = World(), list[str]()
    one = Reader(world, "one", SYMBOLS[:2], written)
    every = Reader(world, "every", SYMBOLS, written)
    settle(world, one, every)
    world.apply(line_block(2, *(new(oid, symbol=symbol) for oid, symbol in enumerate(reversed(SYMBOLS)))))
    assert [sorted(names) for names in one.symbols()] == [SYMBOLS[:2]]
    assert [sorted(names) for names in every.symbols()] == [SYMBOLS]
    assert written == ["one", "every"]


@pytest.mark.parametrize("make", [line_block, diffs])
def test_a_subscriber_is_written_to_before_the_markets_of_others_are_applied(
    make: Callable[..., DiffBlock],
) -> None:
    world, written = World(), list[str]()
    readers = [Reader(world, symbol, [symbol], written) for symbol in SYMBOLS[:3]]
    settle(world, *readers)
    looked = (*SYMBOLS[:3], "REST")
    world.engine.market("REST")
    resting: list[list[int]] = []

    def write(_body: bytes) -> bool:
        resting.append([world.engine.markets[symbol].book.order_count for symbol in looked])
        return True

    for reader in readers:
        reader.follower.subscription.write = write
    world.apply(make(2, new(9, symbol="REST"), *(new(oid, symbol=SYMBOLS[oid]) for oid in range(3))))
    assert resting == [[2, 1, 1, 0], [2, 2, 1, 0], [2, 2, 2, 0]]
    assert world.engine.markets["REST"].book.order_count == 1


def test_whoever_cannot_be_written_to_waits_for_the_end_of_the_block() -> None:
    world, written = World(), list[str]()
    slow = Reader(world, "slow", SYMBOLS[:1], written)
    fast = Reader(world, "fast", SYMBOLS[1:2], written)
    settle(world, slow, fast)
    slow.follower.subscription.is_idle = False
    world.apply(line_block(2, new(1, symbol=SYMBOLS[0]), new(2, symbol=SYMBOLS[1])))
    assert written == ["fast"]
    assert [event.delta.symbol for event in slow.follower.take()] == [SYMBOLS[0]]
    assert len(fast.messages) == 1


def note_published(world: World, reader: Reader, topics: list[Topic]) -> list[int]:
    """How much had been published of these topics, each time the reader was written to."""
    published: list[int] = []

    def write(_body: bytes) -> bool:
        published.append(sum(topic.published for topic in topics))
        return True

    reader.follower.subscription.write = write
    return published


def a_change_of_everything(height: int) -> DiffBlock:
    return line_block(
        height, *(new(1_000 * height + oid, symbol=symbol) for oid, symbol in enumerate(SYMBOLS))
    )


def test_every_aggregation_of_a_book_comes_after_the_message_of_who_follows_the_plain_one() -> None:
    world, written = World(), list[str]()
    aggregated = aggregated_books(world)
    modest = [Reader(world, symbol, [symbol], written) for symbol in SYMBOLS]
    greedy = Reader(world, "greedy", aggregated, written)
    settle(world, *modest, greedy)
    before = sum(topic.published for topic in aggregated)
    published = [note_published(world, reader, aggregated) for reader in modest]
    world.apply(a_change_of_everything(2))
    assert published == [[before]] * len(modest)
    assert [len(message.events) for message in greedy.messages] == [len(aggregated)]


@pytest.mark.parametrize("who", ["slow", "gone"])
def test_what_nobody_follows_who_keeps_up_is_published_when_the_others_have_been_written_to(who: str) -> None:
    world, written = World(), list[str]()
    aggregated = aggregated_books(world)
    modest = Reader(world, "modest", SYMBOLS, written)
    other = world.follow(*aggregated)
    settle(world, modest)
    assert len(other.take()) == len(aggregated)
    if who == "gone":
        other.subscription.finish()
    before = sum(topic.published for topic in aggregated)
    published = note_published(world, modest, aggregated)
    world.apply(a_change_of_everything(2), a_change_of_everything(3))
    assert published == [before, before + len(aggregated)]
    assert len(other.take()) == (0 if who == "gone" else 2 * len(aggregated))


def test_a_large_wish_does_not_put_the_small_ones_together() -> None:
    world = World()
    small = [world.follow(book_of(world, symbol)).subscription for symbol in SYMBOLS]
    large = world.follow(*aggregated_books(world)).subscription
    assert [turn.subscribers for turn in turns_of(world.engine).turns] == [
        *((each,) for each in small),
        (large,),
    ]


def test_whoever_asks_for_more_still_gets_one_message_a_block() -> None:
    world, written = World(), list[str]()
    one = Reader(world, "one", SYMBOLS[:1], written)
    settle(world, one)
    world.apply(a_change_of_everything(2))
    subscription = one.follower.subscription
    subscription.attach(book_of(world, SYMBOLS[0], aggregation=AGGREGATIONS[0]))
    while subscription.take() is not None:
        pass
    one.messages.clear()
    world.apply(a_change_of_everything(3), a_change_of_everything(4))
    assert one.symbols() == [[SYMBOLS[0]] * 2] * 2


def test_an_aggregation_is_the_same_for_those_who_keep_up_and_for_the_others() -> None:
    world, written = World(), list[str]()
    fast = Reader(world, "fast", [book_of(world, "BTC", 20, AGGREGATIONS[0])], written)
    slow = world.follow(book_of(world, "BTC", 10, AGGREGATIONS[0]))
    settle(world)
    slow.take()
    fast.messages.clear()
    heights = range(2, 6)
    world.apply(
        *(
            line_block(height, new(height, symbol="BTC", price=f"{100 + height}.0"), new(50 + height))
            for height in heights
        )
    )
    received = [event.delta for message in fast.messages for event in message.events]
    assert [delta.height for delta in received] == list(heights)
    assert [(delta.height, delta.bids, delta.asks) for delta in received] == [
        (event.delta.height, event.delta.bids, event.delta.asks) for event in slow.take()
    ]


def test_the_publish_time_is_that_of_the_turn() -> None:
    world, written = World(), list[str]()
    readers = [Reader(world, symbol, [symbol], written) for symbol in SYMBOLS[:2]]
    settle(world, *readers)
    ticks = iter(range(1, 100))
    world.clock = lambda: next(ticks)
    world.apply(line_block(2, new(1, symbol=SYMBOLS[0]), new(2, symbol=SYMBOLS[1])))
    first, second = (reader.messages[0].events[0].delta.publish_time_ns for reader in readers)
    assert first < second


def turns_of(engine: Engine) -> Turns:
    turns = Turns(engine._markets)
    turns.update()
    return turns


def test_turns_hold_every_followed_market_once_and_are_not_many() -> None:
    world = World()
    for number in range(40):
        world.follow(book_of(world, f"A{number}"), book_of(world, f"A{number + 1}"))
    world.engine.market("UNFOLLOWED")
    turns = turns_of(world.engine).turns
    symbols = [symbol for turn in turns for symbol in turn.symbols]
    assert sorted(symbols) == sorted(f"A{number}" for number in range(41))
    assert 1 < len(turns) <= MOST_TURNS
    assert sum(len(turn.subscribers) for turn in turns) == 40


def test_a_subscriber_is_named_after_its_last_market() -> None:
    world = World()
    for symbols in (SYMBOLS, SYMBOLS[:3], SYMBOLS[2:4], SYMBOLS[:1]):
        world.follow(*(book_of(world, symbol) for symbol in symbols))
    applied: set[str] = set()
    for turn in turns_of(world.engine).turns:
        applied |= turn.symbols
        for subscriber in turn.subscribers:
            assert {topic.name.symbol for topic in subscriber.cursors} <= applied


def test_who_comes_and_goes_changes_the_turns() -> None:
    world = World()
    turns = turns_of(world.engine)
    assert not turns.turns
    first = world.follow(book_of(world, "BTC"))
    turns.update()
    assert [turn.subscribers for turn in turns.turns] == [(first.subscription,)]
    second = world.follow(book_of(world, "BTC"))
    turns.update()
    assert [turn.subscribers for turn in turns.turns] == [(first.subscription, second.subscription)]
    first.subscription.finish()
    turns.update()
    assert [turn.subscribers for turn in turns.turns] == [(second.subscription,)]


def test_a_line_that_is_broken_inside_counts_as_missing_and_nothing_of_it_is_applied() -> None:
    world = World()
    follower = world.follow(book_of(world, "BTC"))
    follower.take()
    world.apply(line_block(1, new(1)))
    assert [event.WhichOneof("event") for event in follower.take()] == ["delta"]
    broken = line_block(2, new(2), new(3, symbol="ETH"))
    broken.line = broken.line.replace(b'"oid":3', b'"oid":x')
    world.apply(broken)
    assert [event.WhichOneof("event") for event in follower.take()] == ["gap"]
    assert world.engine.counts["unreadable diffs"] == 1
    assert world.engine.counts["missing blocks of diffs"] == 1
    assert world.engine.height == 2
    world.request_repairs()
    assert [request.symbols for request in world.requests] == [{"BTC", "ETH"} & set(world.engine.markets)]
    assert world.requests[0].after_height == 2


def test_a_broken_line_that_nobody_follows_counts_as_missing_too() -> None:
    world = World()
    world.apply(line_block(1, new(1)))
    broken = line_block(2, new(2))
    broken.line = broken.line.replace(b'"oid":2', b'"oid":x')
    world.apply(broken, line_block(3, new(3)))
    assert world.engine.counts["unreadable diffs"] == 1
    assert world.engine.markets["BTC"].is_doubtful
    assert world.engine.height == 3
