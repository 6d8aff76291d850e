"""The resting orders of a market as a subscriber rebuilds them: a chunked snapshot, then changes.

No clock and no I/O. Orders are kept as the messages they came in, in the node's priority
order within each price.
"""

from collections import Counter

from attrs import define, field

from hyperstream.cli.client_book import Outcome
from hyperstream.market.decimals import DecimalCache
from hyperstream.v1 import common_pb2, orderbook_pb2

MAX_EMPTIED = 10_000
_decimal = DecimalCache()
_Queue = dict[int, orderbook_pb2.Order]  # by oid, in priority order


@define(eq=False)
class ClientOrders:
    """One market's orders by price and oid.

    ``is_current`` is False until the last chunk of a snapshot came, and again after a hole.
    ``contradictions`` counts changes that did not fit what was held (an unknown oid, an
    order that rests already); a server that keeps its promises never causes one. An order
    updated to size 0 has left the book and is dropped at once; its removal, told later,
    finds it in ``_emptied``.
    """

    symbol: str
    epoch: int = 0
    sequence: int = 0
    height: int = 0
    block_time_ns: int = 0
    publish_time_ns: int = 0
    is_doubtful: bool = False
    is_current: bool = False
    holes: int = 0
    ignored: int = 0
    contradictions: int = 0
    users: Counter[str] = field(factory=Counter)
    _orders: dict[int, orderbook_pb2.Order] = field(factory=dict)
    _bids: dict[int, _Queue] = field(factory=dict)
    _asks: dict[int, _Queue] = field(factory=dict)
    _emptied: set[int] = field(factory=set)
    _next_chunk: int = 0

    def __len__(self) -> int:
        return len(self._orders)

    def apply_snapshot(self, snapshot: orderbook_pb2.OrdersSnapshot) -> Outcome:
        """Take a chunk: chunk 0 empties the market, the last one makes it current."""
        if snapshot.chunk == 0:
            self.is_current = False
            self._next_chunk = 0
            for held in (self._orders, self._bids, self._asks, self.users, self._emptied):
                held.clear()
        elif snapshot.chunk != self._next_chunk or snapshot.sequence != self.sequence:
            self.holes += 1
            self.is_current = False
            return Outcome.HOLE
        self._next_chunk = snapshot.chunk + 1
        self._take_head(snapshot)
        for order in snapshot.orders:
            self._add(order, 0)
        if snapshot.last_chunk:
            self.is_current = True
        return Outcome.SNAPSHOT

    def apply_delta(self, delta: orderbook_pb2.OrdersDelta) -> Outcome:
        """Apply a block's changes if they continue where the market stands; else report a hole."""
        if not self.is_current:
            self.ignored += 1
            return Outcome.IGNORED
        if delta.epoch != self.epoch or delta.previous_sequence != self.sequence:
            self.holes += 1
            self.is_current = False
            return Outcome.HOLE
        self._take_head(delta)
        for change in delta.changes:
            self._apply(change)
        return Outcome.DELTA

    def expect_snapshot(self) -> None:
        """Take what is held as old from now on."""
        self.is_current = False

    def best_queue(self, side: common_pb2.Side) -> list[orderbook_pb2.Order]:
        """Return the orders at the best price of a side, first in the queue first."""
        if side == common_pb2.SIDE_BID:
            return list(self._bids[max(self._bids)].values()) if self._bids else []
        return list(self._asks[min(self._asks)].values()) if self._asks else []

    def find(self, oid: int) -> orderbook_pb2.Order | None:
        """Return a resting order."""
        return self._orders.get(oid)

    def _apply(self, change: orderbook_pb2.OrderChange) -> None:
        order = change.order
        held = self._orders.get(order.oid)
        if change.kind == orderbook_pb2.ORDER_CHANGE_KIND_ADDED:
            if held is not None:
                self.contradictions += 1
                self._remove(held)
            self._add(order, change.insert_before_oid)
        elif held is None:
            if order.oid not in self._emptied:
                self.contradictions += 1
            elif change.kind == orderbook_pb2.ORDER_CHANGE_KIND_REMOVED:
                self._emptied.discard(order.oid)
        elif change.kind == orderbook_pb2.ORDER_CHANGE_KIND_REMOVED:
            self._remove(held)
        elif change.kind == orderbook_pb2.ORDER_CHANGE_KIND_UPDATED:
            held.size = order.size
            if not _decimal[order.size]:
                self._remove(held)
                self._note_emptied(order.oid)
        elif change.kind == orderbook_pb2.ORDER_CHANGE_KIND_ATTRIBUTES:
            size = held.size
            held.CopyFrom(order)
            held.size = size

    def _note_emptied(self, oid: int) -> None:
        if len(self._emptied) >= MAX_EMPTIED:
            self._emptied.clear()
        self._emptied.add(oid)

    def _levels(self, side: common_pb2.Side) -> dict[int, _Queue]:
        return self._bids if side == common_pb2.SIDE_BID else self._asks

    def _add(self, order: orderbook_pb2.Order, before_oid: int) -> None:
        levels = self._levels(order.side)
        price = _decimal[order.price]
        queue = levels.setdefault(price, {})
        if before_oid in queue:
            reordered: _Queue = {}
            for oid, waiting in queue.items():
                if oid == before_oid:
                    reordered[order.oid] = order
                reordered[oid] = waiting
            levels[price] = reordered
        else:
            if before_oid:
                self.contradictions += 1
            queue[order.oid] = order
        self._orders[order.oid] = order
        self.users[order.user] += 1

    def _remove(self, order: orderbook_pb2.Order) -> None:
        del self._orders[order.oid]
        levels = self._levels(order.side)
        price = _decimal[order.price]
        del levels[price][order.oid]
        if not levels[price]:
            del levels[price]
        self.users[order.user] -= 1
        if not self.users[order.user]:
            del self.users[order.user]

    def _take_head(self, event: orderbook_pb2.OrdersSnapshot | orderbook_pb2.OrdersDelta) -> None:
        self.epoch = event.epoch
        self.sequence = event.sequence
        self.height = event.height
        self.block_time_ns = event.block_time_ns
        self.publish_time_ns = event.publish_time_ns
        self.is_doubtful = event.doubtful
