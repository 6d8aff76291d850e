"""One price of one side of a book."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperstream.market.order import Order


class Level:
    """The orders resting at one price, oldest first, and the sum of their sizes.

    ``key`` orders levels alike on both sides, best greatest: the price in 10^-8 units for
    bids, minus the price for asks. ``price`` is the venue's own spelling. ``orders`` is the
    queue: a dictionary keeps insertion order and finds an order by oid at once.
    ``protobuf_bytes`` and ``json_bytes`` are the level as it was last encoded, None after a change; they
    are filled by ``wire``.
    """

    __slots__ = ("json_bytes", "key", "orders", "price", "protobuf_bytes", "size_e8")

    def __init__(self, key: int, price: str) -> None:
        self.key = key
        self.price = price
        self.size_e8 = 0
        self.orders: dict[int, Order] = {}
        self.protobuf_bytes: bytes | None = None
        self.json_bytes: bytes | None = None

    @property
    def order_count(self) -> int:
        """How many orders rest here."""
        return len(self.orders)

    def __repr__(self) -> str:
        return f"<Level {self.price} size_e8={self.size_e8} orders={len(self.orders)}>"


class Bucket:
    """Several neighbouring prices of one side, summed: a level of an aggregated book."""

    __slots__ = ("json_bytes", "key", "order_count", "price", "protobuf_bytes", "size_e8")

    def __init__(self, key: int, price: str) -> None:
        self.key = key
        self.price = price
        self.size_e8 = 0
        self.order_count = 0
        self.protobuf_bytes: bytes | None = None
        self.json_bytes: bytes | None = None

    def __repr__(self) -> str:
        return f"<Bucket {self.price} size_e8={self.size_e8} orders={self.order_count}>"


AnyLevel = Level | Bucket
