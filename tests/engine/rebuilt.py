"""What subscribers rebuild from the bytes they are sent, strictly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.testing import FakeNode
from hyperstream.testing.truth import TrueOrder
from hyperstream.v1 import common_pb2, orderbook_pb2


def kind_of(event: Any) -> str:
    return str(event.WhichOneof("event"))


def kinds(events: Iterable[Any]) -> list[str]:
    return [kind_of(event) for event in events]


Levels = list[tuple[str, str, int]]


class RebuiltBook:
    """The book of one market as a subscriber has it. Raises AssertionError at a hole."""

    def __init__(self) -> None:
        self.position: tuple[int, int] | None = None
        self.height = 0
        self.is_doubtful = False
        self.sides: dict[str, dict[int, Any]] = {"bids": {}, "asks": {}}
        self.gaps: list[Any] = []

    def apply(self, events: Iterable[Any]) -> None:
        for event in events:
            kind = kind_of(event)
            if kind == "gap":
                self.gaps.append(event.gap)
                continue
            update = getattr(event, kind)
            if kind == "snapshot":
                self.sides = {"bids": {}, "asks": {}}
            else:
                assert self.position == (update.epoch, update.sequence - 1)
                assert update.previous_sequence == update.sequence - 1
                assert update.height >= self.height
            self.position = (update.epoch, update.sequence)
            self.height, self.is_doubtful = update.height, update.doubtful
            for side, levels in (("bids", update.bids), ("asks", update.asks)):
                for level in levels:
                    price = parse_e8(level.price)
                    if level.size == "0":
                        assert price in self.sides[side], "a level is removed that the subscriber never had"
                        del self.sides[side][price]
                    else:
                        self.sides[side][price] = level

    def levels(self, side: str) -> Levels:
        ordered = sorted(self.sides[side].items(), reverse=side == "bids")
        return [(format_e8(price), level.size, level.order_count) for price, level in ordered]


class RebuiltOrders:
    """The order queues of one market as a subscriber has them. Raises AssertionError at a hole."""

    def __init__(self) -> None:
        self.position: tuple[int, int] | None = None
        self.is_whole = False
        self.queues: dict[tuple[int, int], list[orderbook_pb2.Order]] = {}
        self.removed: dict[int, str] = {}
        self.gaps: list[Any] = []
        self._chunk = -1

    def apply(self, events: Iterable[Any]) -> None:
        for event in events:
            kind = kind_of(event)
            if kind == "gap":
                self.gaps.append(event.gap)
            elif kind == "snapshot":
                self._snapshot(event.snapshot)
            else:
                self._delta(event.delta)

    def _snapshot(self, update: orderbook_pb2.OrdersSnapshot) -> None:
        if update.chunk == 0:
            self.queues, self.is_whole = {}, False
        else:
            assert self.position == (update.epoch, update.sequence)
            assert update.chunk == self._chunk + 1
        self._chunk = update.chunk
        self.position = (update.epoch, update.sequence)
        for order in update.orders:
            self._queue(order).append(order)
        self.is_whole = update.last_chunk

    def _delta(self, update: orderbook_pb2.OrdersDelta) -> None:
        assert self.is_whole
        assert self.position == (update.epoch, update.sequence - 1)
        self.position = (update.epoch, update.sequence)
        for change in update.changes:
            queue = self._queue(change.order)
            place = next((i for i, order in enumerate(queue) if order.oid == change.order.oid), None)
            if change.kind == orderbook_pb2.ORDER_CHANGE_KIND_ADDED:
                assert place is None
                place = len(queue)
                if change.insert_before_oid:
                    place = [order.oid for order in queue].index(change.insert_before_oid)
                queue.insert(place, change.order)
                continue
            assert place is not None, "a change of an order that the subscriber does not have"
            if change.kind == orderbook_pb2.ORDER_CHANGE_KIND_UPDATED:
                queue[place].size = change.order.size
            elif change.kind == orderbook_pb2.ORDER_CHANGE_KIND_REMOVED:
                del queue[place]
                self.removed[change.order.oid] = change.status
            else:
                assert change.order.has_attributes
                size = queue[place].size  # only attributes are new
                queue[place] = change.order
                queue[place].size = size

    def _queue(self, order: orderbook_pb2.Order) -> list[orderbook_pb2.Order]:
        return self.queues.setdefault((order.side, parse_e8(order.price)), [])

    def side(self, side: int) -> list[orderbook_pb2.Order]:
        """The resting orders of a side: best price first, oldest first within a price."""
        keys = sorted((key for key in self.queues if key[0] == side), reverse=side == common_pb2.SIDE_BID)
        return [order for key in keys for order in self.queues[key] if order.size != "0.0"]

    def check(self, node: FakeNode, symbol: str, *, with_attributes: bool) -> None:
        """Exactly the node's orders, in their order."""
        for side, truth in zip((common_pb2.SIDE_BID, common_pb2.SIDE_ASK), node.orders(symbol), strict=True):
            held = self.side(side)
            assert [as_row(order) for order in held] == [true_row(order) for order in truth]
            for order, true in zip(held, truth, strict=True):
                if with_attributes and order.has_attributes:
                    assert attributes_of(order) == true_attributes(true)


def as_row(order: orderbook_pb2.Order) -> tuple[object, ...]:
    return order.oid, order.user, order.price, order.size


def true_row(order: TrueOrder) -> tuple[object, ...]:
    return order.oid, order.user, order.price, order.size


def attributes_of(order: orderbook_pb2.Order) -> tuple[object, ...]:
    return (
        order.original_size,
        order.order_type,
        order.tif,
        order.cloid,
        order.reduce_only,
        order.trigger_condition,
        order.placed_time_ns,
        order.is_position_tpsl,
    )


def true_attributes(order: TrueOrder) -> tuple[object, ...]:
    return (
        order.original_size,
        order.order_type,
        order.tif or "",
        order.cloid or "",
        order.reduce_only,
        "" if order.trigger_condition == "N/A" else order.trigger_condition,
        order.timestamp * 1_000_000,
        order.is_position_tpsl,
    )
