"""One resting order, and what its status told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from hyperstream.market.level import Level


MAX_OID = 2**64 - 1


@frozen
class OrderAttributes:
    """What only an order's status tells; the book itself does not need it.

    Times are in ns, sizes in 10^-8 units. ``tif``, ``cloid`` and the triggers are empty when
    the node wrote null or ``"N/A"``.
    """

    placed_time_ns: int
    original_size_e8: int
    order_type: str
    tif: str
    reduce_only: bool
    cloid: str
    trigger_condition: str
    trigger_price: str
    is_position_tpsl: bool


class Order:
    """A resting order. Its size never changes in place: an update puts a new Order in its stead.

    So a list of orders is a consistent copy of a queue, however long it takes to send.
    ``attributes`` are filled in when the order's status arrives: as OrderAttributes, or as the
    bytes they are decoded from when somebody asks.
    """

    __slots__ = ("attributes", "level", "oid", "size_e8", "user")

    def __init__(
        self,
        oid: int,
        user: str,
        level: Level,
        size_e8: int,
        attributes: OrderAttributes | bytes | None = None,
    ) -> None:
        self.oid = oid
        self.user = user
        self.level = level
        self.size_e8 = size_e8
        self.attributes = attributes

    def __repr__(self) -> str:
        return f"<Order {self.oid} {self.size_e8} at {self.level!r}>"
