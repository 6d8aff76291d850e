"""The waiting orders of a market as a subscriber rebuilds them: a chunked snapshot, then changes.

No clock and no I/O. Orders are kept as the messages they came in.
"""

from __future__ import annotations

from attrs import define, field

from hyperstream.cli.client_book import Outcome
from hyperstream.v1 import stop_order_pb2

_REMOVED = stop_order_pb2.STOP_ORDER_CHANGE_KIND_REMOVED


@define(eq=False)
class ClientStops:
    """One market's waiting orders by oid.

    ``is_current`` is False until the last chunk of a snapshot came, and again after a hole. ``is_complete``
    is what the server says of its list.
    """

    symbol: str
    epoch: int = 0
    sequence: int = 0
    height: int = 0
    block_time_ns: int = 0
    is_doubtful: bool = False
    is_complete: bool = True
    is_current: bool = False
    orders: dict[int, stop_order_pb2.StopOrder] = field(factory=dict)
    _next_chunk: int = 0

    def apply_snapshot(self, snapshot: stop_order_pb2.StopOrdersSnapshot) -> Outcome:
        """Take a chunk: chunk 0 empties the list, the last one makes it current."""
        if snapshot.chunk == 0:
            self.is_current = False
            self.orders.clear()
        elif snapshot.chunk != self._next_chunk or snapshot.sequence != self.sequence:
            self.is_current = False
            return Outcome.HOLE
        self._next_chunk = snapshot.chunk + 1
        self._take_head(snapshot)
        self.orders.update((order.oid, order) for order in snapshot.orders)
        self.is_current = snapshot.last_chunk
        return Outcome.SNAPSHOT

    def apply_delta(self, delta: stop_order_pb2.StopOrdersDelta) -> Outcome:
        """Apply a block's changes if they continue where the list stands; else report a hole."""
        if not self.is_current:
            return Outcome.IGNORED
        if delta.epoch != self.epoch or delta.previous_sequence != self.sequence:
            self.is_current = False
            return Outcome.HOLE
        self._take_head(delta)
        for change in delta.changes:
            if change.kind == _REMOVED:
                self.orders.pop(change.order.oid, None)
            else:
                self.orders[change.order.oid] = change.order
        return Outcome.DELTA

    def expect_snapshot(self) -> None:
        """Take what is held as old from now on."""
        self.is_current = False

    def _take_head(self, event: stop_order_pb2.StopOrdersSnapshot | stop_order_pb2.StopOrdersDelta) -> None:
        self.epoch = event.epoch
        self.sequence = event.sequence
        self.height = event.height
        self.block_time_ns = event.block_time_ns
        self.is_doubtful = event.doubtful
        self.is_complete = event.complete
