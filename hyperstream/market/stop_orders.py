"""Stop and take-profit orders that wait for their price: not in the book until they are triggered.

The venue keeps them beside the book. They come by ``open`` (placed by themselves, or as children whose
parent was filled) and go with whatever status they get next: ``triggered``, ``canceled``, ``…Rejected``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from attrs import define, field, frozen

from hyperstream.market.updates import Update


class TriggerCondition(Enum):
    """On which side of its trigger price the mark price triggers an order."""

    UNKNOWN = 0
    ABOVE = 1
    BELOW = 2

    @classmethod
    def parse(cls, text: str) -> TriggerCondition:
        """Read the node's words: ``"Price above 76717"``, ``"Price below 77409"``; UNKNOWN for others."""
        if text.startswith("Price above "):
            return cls.ABOVE
        if text.startswith("Price below "):
            return cls.BELOW
        return cls.UNKNOWN


@define
class StopOrder:
    """An order that waits for its trigger price; nothing of it changes while it waits.

    Prices and sizes are the node's decimal strings; the time is in ns. The size of a position's TP/SL is
    ``"0.0"``: it takes whatever the position is by then. ``tif`` and ``cloid`` are empty where the node
    wrote null. ``protobuf_bytes`` belongs to ``wire.protobuf``.
    """

    oid: int
    user: str
    is_bid: bool
    trigger_price: str
    trigger_condition: TriggerCondition
    limit_price: str
    size: str
    order_type: str
    reduce_only: bool
    is_position_tpsl: bool
    tif: str
    cloid: str
    placed_time_ns: int
    protobuf_bytes: bytes | None = field(default=None, eq=False, repr=False)


@frozen
class StopChange:
    """An order waits now (``status`` is empty), or does so no more: ``status`` is the node's word for why."""

    order: StopOrder
    status: str = ""


class StopOrders:
    """The waiting orders of one market, by oid. With ``keep_changes`` it notes what becomes of them."""

    __slots__ = ("_changes", "_orders")

    def __init__(self, orders: Iterable[StopOrder] = ()) -> None:
        self._orders = {order.oid: order for order in orders}
        self._changes: list[StopChange] | None = None

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, oid: int) -> bool:
        return oid in self._orders

    def orders(self) -> list[StopOrder]:
        """All that wait, those told first before the others."""
        return list(self._orders.values())

    def add(self, order: StopOrder) -> None:
        """The order waits from now on; one with the same oid is replaced, and comes last."""
        oid = order.oid
        known = self._orders.pop(oid, None)
        self._orders[oid] = order
        changes = self._changes
        if changes is None or known == order:
            return
        if known is not None and changes and changes[-1] == StopChange(known):
            changes.pop()
        changes.append(StopChange(order))

    def remove(self, oid: int, status: str) -> None:
        """The order waits no more, for this reason; fine if it did not."""
        order = self._orders.pop(oid, None)
        if order is not None and self._changes is not None:
            self._changes.append(StopChange(order, status))

    def keep_changes(self, is_kept: bool) -> None:
        """Whether to note changes from now on; what was noted is forgotten."""
        self._changes = [] if is_kept else None

    def take_changes(self) -> list[StopChange]:
        """What was noted since it was last asked, in the order in which it happened."""
        changes = self._changes
        if not changes:
            return []
        self._changes = []
        return changes


@define(eq=False)
class StopOrdersChunk(Update):
    """A part of a market's waiting orders. ``is_complete``: no other orders wait than those told."""

    orders: Sequence[StopOrder]
    chunk: int
    is_last: bool
    is_complete: bool


@define(eq=False)
class StopOrdersDelta(Update):
    """What became of a market's waiting orders in one block, in the node's order."""

    changes: Sequence[StopChange]
    is_complete: bool
