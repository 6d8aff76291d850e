"""A book as anyone would write it in ten minutes: lists, no caches. The oracle of the real one."""

from __future__ import annotations

from typing import Any

from hyperstream.market.book import Book
from hyperstream.market.decimals import parse_e8


class NaiveBook:
    """Orders in one list per side, in the order of arrival."""

    def __init__(self) -> None:
        self.orders: dict[str, list[list[Any]]] = {"B": [], "A": []}  # [oid, user, price_e8, size_e8]

    def find(self, oid: int) -> tuple[str, int] | None:
        for side, orders in self.orders.items():
            for index, order in enumerate(orders):
                if order[0] == oid:
                    return side, index
        return None

    def apply(self, event: dict[str, Any]) -> None:
        """Apply a diff that is known to be right."""
        side, change, oid = event["side"], event["raw_book_diff"], event["oid"]
        orders = self.orders[side]
        if change == "remove":
            self.orders[side] = [order for order in orders if order[0] != oid]
        elif "new" in change:
            row = [oid, event["user"], parse_e8(event["px"]), parse_e8(change["new"]["sz"])]
            anchor = change["new"].get("insertBefore")
            place = next((i for i, order in enumerate(orders) if order[0] == anchor), len(orders))
            orders.insert(place, row)
        else:
            size_e8 = parse_e8(change["update"]["newSz"])
            for order in orders:
                if order[0] == oid:
                    order[3] = size_e8

    def queue(self, side: str) -> list[tuple[int, str, int, int]]:
        """The resting orders of a side: best price first, oldest first within a price."""
        sign = -1 if side == "B" else 1
        rows = [order for order in self.orders[side] if order[3]]
        rows.sort(key=lambda order: sign * order[2])  # stable: arrival order within a price
        return [(order[0], order[1], order[2], order[3]) for order in rows]

    def levels(self, side: str) -> list[tuple[int, int, int]]:
        """(price_e8, size_e8, order count), best first."""
        levels: dict[int, tuple[int, int]] = {}
        for _, _, price, size in self.queue(side):
            total, count = levels.get(price, (0, 0))
            levels[price] = total + size, count + 1
        return [(price, size, count) for price, (size, count) in levels.items()]


def queue_of(book: Book, side: str) -> list[tuple[int, str, int, int]]:
    """The same of a real book."""
    orders = (book.bids if side == "B" else book.asks).orders()
    return [(order.oid, order.user, abs(order.level.key), order.size_e8) for order in orders]


def levels_of(book: Book, side: str) -> list[tuple[int, int, int]]:
    """The same of a real book."""
    levels = (book.bids if side == "B" else book.asks).best_first()
    return [(abs(level.key), level.size_e8, level.order_count) for level in levels]
