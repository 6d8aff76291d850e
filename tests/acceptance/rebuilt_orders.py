"""Every resting order of a market as a subscriber rebuilds it, strictly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hyperstream.testing import TrueOrder

from .contract import number

SILENT_USERS = ("0x" + "f" * 40, "0x" + "fe" * 20)  # the venue's own: their orders never have a status


class RebuiltOrders:
    """The queues of one market's prices, from the chunks of a snapshot and the changes after it."""

    def __init__(self) -> None:
        self.epoch = 0
        self.sequence = 0
        self.height = 0
        self.removals: list[tuple[str, str]] = []  # status and what was left
        self._chunks: list[Any] = []
        self._queues: dict[tuple[int, str], list[Any]] = {}

    @property
    def is_whole(self) -> bool:
        """Whether a snapshot's last chunk has come."""
        return bool(self.epoch) and not self._chunks

    def take_chunk(self, chunk: Any) -> None:
        """A part of a snapshot."""
        assert chunk.chunk == len(self._chunks), chunk.symbol
        self._chunks.append(chunk)
        assert len({(one.epoch, one.sequence, one.height) for one in self._chunks}) == 1
        if chunk.last_chunk:
            self._queues = {}
            for one in self._chunks:
                for order in one.orders:
                    self._queue(order).append(order)
            assert [order for one in self._chunks for order in one.orders] == [
                order for side in self.orders() for order in side
            ]
            self._chunks = []
        self.epoch, self.sequence, self.height = chunk.epoch, chunk.sequence, chunk.height

    def take_delta(self, delta: Any) -> None:
        """The changes of a block."""
        where = f"{delta.symbol} at {delta.height}, sequence {delta.sequence}"
        assert self.is_whole, where
        assert (delta.epoch, delta.previous_sequence) == (self.epoch, self.sequence), where
        assert delta.sequence == self.sequence + 1, where
        for change in delta.changes:
            self._take(change, where)
        self.sequence, self.height = delta.sequence, delta.height

    def _take(self, change: Any, where: str) -> None:
        queue = self._queue(change.order)
        place = next((i for i, order in enumerate(queue) if order.oid == change.order.oid), None)
        if change.kind == number("ORDER_CHANGE_KIND_ADDED"):
            assert place is None, f"{where}: adds order {change.order.oid} twice"
            place = len(queue)
            if change.insert_before_oid:
                place = [order.oid for order in queue].index(change.insert_before_oid)
            queue.insert(place, change.order)
            return
        assert place is not None, f"{where}: order {change.order.oid} is not there"
        if change.kind == number("ORDER_CHANGE_KIND_REMOVED"):
            self.removals.append((change.status, change.order.size))
            del queue[place]
        elif change.kind == number("ORDER_CHANGE_KIND_UPDATED"):
            queue[place].size = change.order.size
        else:
            assert change.kind == number("ORDER_CHANGE_KIND_ATTRIBUTES"), where
            assert change.order.has_attributes, where
            queue[place] = change.order

    def _queue(self, order: Any) -> list[Any]:
        return self._queues.setdefault((order.side, order.price), [])

    def orders(self) -> tuple[list[Any], list[Any]]:
        """Bids and asks in priority order."""
        sides = []
        for side, sign in ((number("SIDE_BID"), -1), (number("SIDE_ASK"), 1)):
            prices = [price for of, price in self._queues if of == side]
            prices.sort(key=lambda price, sign=sign: sign * Decimal(price))  # type: ignore[misc]
            sides.append([order for price in prices for order in self._queues[side, price]])
        return sides[0], sides[1]


def described(order: Any) -> tuple[Any, ...]:
    """A received order, comparable with ``truly_described``."""
    if not order.has_attributes:
        assert order.user in SILENT_USERS, order
        return order.oid, order.user, order.price, order.size
    return (
        order.oid,
        order.user,
        order.price,
        order.size,
        order.original_size,
        order.placed_time_ns,
        order.order_type,
        order.tif,
        order.reduce_only,
        order.cloid,
        order.trigger_condition,
        order.is_position_tpsl,
    )


def truly_described(order: TrueOrder, received: Any) -> tuple[Any, ...]:
    """The node's own order, as far as the received one can tell it."""
    if not received.has_attributes:
        return order.oid, order.user, order.price, order.size
    return (
        order.oid,
        order.user,
        order.price,
        order.size,
        order.original_size,
        order.timestamp * 1_000_000,
        order.order_type,
        order.tif or "",
        order.reduce_only,
        order.cloid or "",
        order.trigger_condition.replace("N/A", ""),
        order.is_position_tpsl,
    )
