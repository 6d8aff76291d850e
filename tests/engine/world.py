"""An engine without a source, and subscribers of its topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from hyperstream.engine.engine import Engine
from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.topics import MarketFormats
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.updates import ResumePoint
from hyperstream.v1 import orderbook_pb2
from hyperstream.wire.node_blocks import (
    NodeItem,
    RepairRequest,
    SourceStarted,
)
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES

FORMATS = MarketFormats(ORDERBOOK, BBO, TRADES, ORDERS)
PLENTY = OutboxLimits(100_000, 1 << 30)
SECOND_NS = 1_000_000_000
WITH_STATUSES = SourceStarted("by_block", frozenset({"diffs", "statuses", "fills"}))
WITHOUT_STATUSES = SourceStarted("by_block", frozenset({"diffs", "fills"}))
RESPONSES: dict[object, Any] = {
    ORDERBOOK: orderbook_pb2.SubscribeOrderbookResponse,
    BBO: orderbook_pb2.SubscribeBboResponse,
    TRADES: orderbook_pb2.SubscribeTradesResponse,
    ORDERS: orderbook_pb2.SubscribeOrdersResponse,
}


class World:
    """An engine, its clock and what it asked its source for."""

    def __init__(self, started: SourceStarted = WITHOUT_STATUSES, **options: Any) -> None:
        self.time_ns = 1_000 * SECOND_NS
        self.clock: Callable[[], int] = lambda: self.time_ns
        self.requests: list[RepairRequest] = []
        self.hub = Hub(start_seconds=1)
        self.engine = Engine(self.hub, FORMATS, lambda: self.clock(), self.requests.append, **options)
        self.engine.apply(started)

    def apply(self, *items: NodeItem) -> None:
        for item in items:
            self.engine.apply(item)

    def request_repairs(self) -> None:
        """What a tick does after a contradiction."""
        self.engine._recovery.request_repairs()

    def give_up_waiting(self) -> None:
        """What a tick does about statuses that are overdue, and about fills without their other half."""
        self.engine._order_level.give_up_waiting(self.time_ns)
        self.engine._stop_level.note_delay(self.engine._order_level.has_given_up)
        self.engine._tape.give_up_waiting(self.time_ns)
        self.hub.flush()

    def follow(
        self, *topics: Topic, contract: Contract = Contract.LOSSLESS, resume: ResumePoint | None = None
    ) -> Follower:
        return Follower(self.hub, list(topics), contract, resume)


@define(eq=False)
class Follower:
    """A subscriber of some topics; ``take`` returns the events that came since it was last called."""

    hub: Hub
    topics: list[Topic]
    contract: Contract = Contract.LOSSLESS
    resume: ResumePoint | None = None
    wire_format: WireFormat = field(init=False)
    subscription: Subscription = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wire_format = self.topics[0].wire_format
        self.subscription = self.hub.subscribe(self.contract, self.wire_format, lambda: None, PLENTY)
        for topic in self.topics:
            self.subscription.attach(topic, self.resume)

    def take(self) -> list[Any]:
        events: list[Any] = []
        self.hub.flush()
        while (message := self.subscription.take()) is not None:
            events += RESPONSES[self.wire_format].FromString(message).events
        return events


def open_market(world: World, symbol: str = "BTC") -> LiveMarket:
    market = world.engine.market(symbol)
    assert market is not None
    return market
