"""Prices, bars and indicators of the node's own books, at the end of each block."""

from __future__ import annotations

from typing import Any

from hyperstream.config import PriceSettings
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.hub.delivery import Contract
from hyperstream.market.price_updates import SeriesName
from hyperstream.market.venues import NODE
from hyperstream.wire.node_blocks import HeightGap
from hyperstream.wire.protobuf.prices import PRICES
from tests.engine.handmade import diffs, fills, new, remove
from tests.engine.world import World

from .price_world import PLENTY, indicator, prices, read


class NodeWorld(World):
    """The engine of the node's books with a prices engine beside it."""

    def __init__(self, *, is_loaded: bool = True, **settings: Any) -> None:
        super().__init__()
        if is_loaded:
            self.load()
        self.prices = PriceEngine(
            self.hub,
            PRICES,
            lambda: self.time_ns,
            PriceSettings(**settings),
            {NODE},
            self.refuse,
            self.engine,
        )
        self.subscription = self.hub.subscribe(Contract.CONFLATE, PRICES, lambda: None, PLENTY)

    def load(self) -> None:
        """The first block: one market."""
        self.apply(diffs(1, new(1, "5.0", price="100.0"), new(2, "4.0", side="A", price="101.0")))

    def refuse(self, _demand: object) -> None:
        raise AssertionError("what is wanted of the node is no feed's business")

    def follow_prices(self, *names: SeriesName) -> None:
        for name in names:
            for topic in self.prices.open(name):
                self.subscription.attach(topic)

    def take(self) -> list[Any]:
        self.prices.flush()
        events = []
        while (message := self.subscription.take()) is not None:
            events += read(message)
        return events


def node(text: str) -> SeriesName:
    return indicator(text, "BTC", NODE)


def test_a_newcomer_sees_the_book_as_it_stands() -> None:
    world = NodeWorld()
    world.follow_prices(prices(symbol="BTC", venue=NODE), node("spread"), node("book_imbalance"))
    events = world.take()
    (price,) = [event.price for event in events if event.HasField("price")]
    assert (price.bid_price, price.bid_size, price.ask_price, price.ask_size) == (
        "100.0",
        "5.0",
        "101.0",
        "4.0",
    )
    values = [event.indicator.values[0].value for event in events if event.indicator.values]
    assert values == [1.0, (5 - 4) / (5 + 4)]


def test_each_block_is_looked_at_once_when_it_has_been_applied() -> None:
    world = NodeWorld()
    world.follow_prices(node("spread"), node("book_imbalance:2"), prices(symbol="BTC", venue=NODE))
    world.take()
    world.apply(diffs(2, remove(1, price="100.0"), new(3, "1.0", price="99.0"), new(4, "2.0", price="99.5")))
    events = world.take()
    values = {event.indicator.key: event.indicator.values[0].value for event in events if event.indicator.key}
    assert values["node/BTC/ticks/spread()"] == 1.5
    key = next(key for key in values if "book_imbalance" in key)
    assert values[key] == (3 - 4) / (3 + 4)
    computations = world.prices.computations()
    assert computations["node/BTC/ticks/spread()"] == 2  # when it came, and at the block
    world.apply(diffs(3, new(9, "1.0", price="50.0")))  # far from the best: no quote
    world.prices.flush()
    assert world.prices.computations()["node/BTC/ticks/spread()"] == 2


def test_trades_are_paired_for_whoever_wants_them() -> None:
    world = NodeWorld()
    world.follow_prices(node("sma:2"))
    world.take()
    world.apply(fills(2, 7, 8))
    (event,) = world.take()
    assert event.indicator.values[0].value == 100.0


def test_without_batches_a_block_is_still_one_message() -> None:
    world = NodeWorld(flush_seconds=0.0)
    world.follow_prices(prices(symbol="BTC", venue=NODE), node("spread"), node("book_imbalance:2"))
    world.take()
    messages: list[bytes] = []

    def write(body: bytes) -> bool:
        messages.append(body)
        return True

    world.subscription.write, world.subscription.is_idle = write, True
    world.apply(diffs(2, new(3, "1.0", price="100.5")))
    assert len(messages) == 1
    assert len(read(messages[0])) == 3


def test_doubt_and_missing_fills_are_gaps() -> None:
    world = NodeWorld()
    world.follow_prices(node("spread"), node("sma:2"))
    world.take()
    world.apply(diffs(2, remove(99, price="100.0"), {"coin": "BTC", "garbage": 1}))
    world.apply(HeightGap("fills", 3, 4, "a file was skipped"))
    gaps = {event.gap.symbol: event.gap.detail for event in world.take() if event.HasField("gap")}
    assert set(gaps) == {"node/BTC/ticks/spread()", "node/BTC/ticks/sma(timeperiod=2)"}
    assert "missing blocks" in gaps["node/BTC/ticks/sma(timeperiod=2)"]


def test_nobody_listens_any_more_when_the_last_has_gone() -> None:
    world = NodeWorld(linger_seconds=0.0)

    def is_listened_to() -> bool:
        return world.engine.markets["BTC"].listener is not None

    assert not is_listened_to()
    world.follow_prices(prices(symbol="BTC", venue=NODE), node("book_imbalance:3"))
    assert is_listened_to()
    assert world.engine.markets["BTC"].book.is_watched
    for topic in list(world.subscription.cursors):
        world.subscription.detach(topic)
    world.time_ns += 1
    world.prices.retire()
    assert not is_listened_to()
    assert not world.engine.markets["BTC"].has_topics


def test_what_was_asked_for_before_the_books_were_loaded_comes_when_they_are() -> None:
    world = NodeWorld(is_loaded=False)
    assert world.prices.locate(NODE, "BTC") == NODE
    world.follow_prices(prices(symbol="BTC", venue=NODE), node("spread"), node("sma:2"))
    assert not [event for event in world.take() if event.HasField("price")]
    world.load()
    world.apply(diffs(2, new(3, "1.0", price="100.5")), fills(2, 7, 8))
    events = world.take()
    assert [event.price.bid_price for event in events if event.HasField("price")] == ["100.5"]
    values = {event.indicator.key: [value.value for value in event.indicator.values] for event in events}
    assert values["node/BTC/ticks/spread()"] == [0.5]
    assert values["node/BTC/ticks/sma(timeperiod=2)"] == [100.0]


def test_what_was_asked_for_of_no_market_is_refused_once_the_books_are_loaded() -> None:
    world = NodeWorld(is_loaded=False)
    world.follow_prices(prices(symbol="BCT", venue=NODE), node("spread"))
    assert not world.take()[1:]
    world.load()
    errors = {event.error.key: event.error.reason for event in world.take() if event.HasField("error")}
    assert errors == {"node/BCT": "the node has no market 'BCT'"}
    assert world.prices.statistics().series == 1


def test_the_nodes_markets_are_listed() -> None:
    world = NodeWorld()
    reports = {report.name: report for report in world.prices.venues()}
    assert reports[NODE].is_listed
    assert [(each.symbol, each.kind) for each in reports[NODE].instruments] == [("BTC", "perp")]
    assert world.prices.locate("", "BTC") == NODE
