"""The order-level book of one market.

The node's raw book diffs are the authority: nothing is matched here. Orders are found by
side, price and oid, so no index over all orders of a market is needed. A side that somebody looks at
keeps its prices in a plain sorted list with the best price last: nearly all changes happen near the
best price, where inserting moves only a few entries (docs/decisions/0001-sorted-levels.md).

Rules of the format (Hyperliquid's "L1 data schemas" and recorded files): ``new`` goes to the
back of its price's queue, or directly in front of ``insertBefore``; ``update`` keeps its place;
an update to size zero takes the order out of the level, and the ``remove`` that follows finds
nothing, which is no error.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from hyperstream.errors import HyperstreamError
from hyperstream.market.decimals import parse_e8
from hyperstream.market.level import Level
from hyperstream.market.order import Order

MAX_EMPTIED = 100_000


class BookFault(HyperstreamError):
    """A change contradicts the book: the book is no longer to be trusted.

    ``cause`` is a short constant for counters; the message tells the circumstances.
    """

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


class BookSide:
    """Bids or asks. ``sign`` is 1 for bids and -1 for asks; ``key = price_e8 * sign``.

    Most markets are followed by nobody most of the time, and their levels need no order. A side is
    *watched* from the moment somebody looks at ``keys``: from then on these are kept sorted, and
    ``touched`` gathers the keys changed since it was last cleared; until ``unwatch``.

    ``prices`` finds a level by its price as the venue spells it, which is how a diff names it: a price
    is only ever parsed when a level opens.
    """

    __slots__ = ("_keys", "levels", "order_count", "prices", "sign", "touched")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.prices: dict[str, Level] = {}
        self._keys: list[int] | None = None
        self.touched: set[int] = set()
        self.order_count = 0

    @property
    def keys(self) -> list[int]:
        """The keys of all levels, ascending, so the best is last; watches the side."""
        return self._keys if self._keys is not None else self.watch()

    def watch(self) -> list[int]:
        """Keep ``keys`` and ``touched`` from now on; returns the keys."""
        if self._keys is None:
            self._keys = sorted(self.levels)
            self.touched.clear()
        return self._keys

    @property
    def is_watched(self) -> bool:
        """Whether ``keys`` and ``touched`` are kept up."""
        return self._keys is not None

    def unwatch(self) -> None:
        """Nobody looks at the order of the levels any more."""
        self._keys = None
        self.touched.clear()
        for level in self.levels.values():
            level.protobuf_bytes = level.json_bytes = None

    def level_at(self, price: str) -> Level | None:
        """The level at this price, however it is spelled; raises DecimalError if it is no price."""
        level = self.prices.get(price)
        return level if level is not None else self.levels.get(parse_e8(price) * self.sign)

    def _open(self, price: str) -> Level:
        """The level at this price, made if there is none."""
        key = parse_e8(price) * self.sign
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = self.prices[price] = Level(key, price)
            if self._keys is not None:
                insort(self._keys, key)
        return level

    def add(self, oid: int, user: str, price: str, size_e8: int, before_oid: int | None) -> Order:
        """Put a new order at the back of its price, or in front of ``before_oid``.

        Raises BookFault when the oid rests there already, or (after adding at the back) when
        ``before_oid`` does not; DecimalError if the price is none.
        """
        level = self.prices.get(price) or self._open(price)
        queue = level.orders
        if oid in queue:
            raise BookFault("duplicate order", f"order {oid} is new at {price}, where it rests already")
        order = queue[oid] = Order(oid, user, level, size_e8)
        level.size_e8 += size_e8
        self.order_count += 1
        if self._keys is not None:
            level.protobuf_bytes = level.json_bytes = None
            self.touched.add(level.key)
        if before_oid is not None:
            self._move_before(level, oid, before_oid)
        return order

    def _move_before(self, level: Level, oid: int, before_oid: int) -> None:
        if before_oid not in level.orders or before_oid == oid:
            raise BookFault(
                "unknown anchor", f"order {oid} goes before {before_oid}, which is not at {level.price}"
            )
        queue = level.orders
        order = queue.pop(oid)
        behind = list(queue.items())
        queue.clear()
        for other_oid, other in behind:
            if other_oid == before_oid:
                queue[oid] = order
            queue[other_oid] = other

    def resize(self, oid: int, price: str, size_e8: int) -> tuple[Order, Order]:
        """Set what is left of an order, which keeps its place; zero takes it out of the level.

        Returns the order as it was and as it is. Raises BookFault for an unknown order.
        """
        level = self.level_at(price)
        order = level.orders.get(oid) if level is not None else None
        if level is None or order is None:
            raise BookFault("unknown order", f"order {oid} is updated, but does not rest there")
        resized = Order(oid, order.user, level, size_e8, order.attributes)
        level.size_e8 += size_e8 - order.size_e8
        if self._keys is not None:
            level.protobuf_bytes = level.json_bytes = None
            self.touched.add(level.key)
        if size_e8:
            level.orders[oid] = resized
        else:
            del level.orders[oid]
            self.order_count -= 1
            if not level.orders:
                self._drop(level)
        return order, resized

    def remove(self, oid: int, price: str) -> Order | None:
        """Take an order out and return it; None if no such order rests at this price."""
        level = self.prices.get(price) or self.level_at(price)
        if level is None:
            return None
        queue = level.orders
        order = queue.pop(oid, None)
        if order is None:
            return None
        level.size_e8 -= order.size_e8
        self.order_count -= 1
        if self._keys is not None:
            level.protobuf_bytes = level.json_bytes = None
            self.touched.add(level.key)
        if not queue:
            self._drop(level)
        return order

    def _drop(self, level: Level) -> None:
        key = level.key
        del self.levels[key], self.prices[level.price]
        keys = self._keys
        if keys is not None:
            del keys[bisect_left(keys, key)]

    def load(self, oid: int, user: str, price: str, size_e8: int) -> Order:
        """Append an order of a snapshot, while nobody watches the side.

        Raises BookFault when the oid stands there already; DecimalError if the price is none.
        """
        level = self.prices.get(price) or self._open(price)
        if oid in level.orders:
            raise BookFault("duplicate order", f"order {oid} stands twice at {price}")
        order = level.orders[oid] = Order(oid, user, level, size_e8)
        level.size_e8 += size_e8
        self.order_count += 1
        return order

    @property
    def best(self) -> Level | None:
        """The level with the best price, None if the side is empty; does not watch the side."""
        return self.levels[self.best_key] if self.levels else None

    @property
    def best_key(self) -> int:
        """The key of the best level of a side that has one."""
        return self._keys[-1] if self._keys is not None else max(self.levels)

    def best_first(self, depth: int | None = None) -> Iterator[Level]:
        """The levels from the best price on, at most ``depth`` of them."""
        keys = self.keys if depth is None else self.keys[-depth:]
        return (self.levels[key] for key in reversed(keys))

    def orders(self) -> Iterator[Order]:
        """All orders: best price first, oldest first within a price."""
        for level in self.best_first():
            yield from level.orders.values()


class Book:
    """Both sides of one market.

    ``emptied`` remembers orders that an update to size zero took out and whose remove has not
    come yet. ``journal``, when it is a list, receives every change as a JournalEntry in the order of
    application.
    """

    __slots__ = ("asks", "bids", "emptied", "journal", "symbol")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids = BookSide(1)
        self.asks = BookSide(-1)
        self.emptied: dict[int, Order] = {}
        self.journal: list[JournalEntry] | None = None

    def take_emptied(self, oid: int) -> Order:
        """A remove found no order: it is one that an update to size zero took out.

        Returns that order; raises BookFault if there is none.
        """
        order = self.emptied.pop(oid, None)
        if order is None:
            raise BookFault("unknown order", f"order {oid} is removed, but does not rest there")
        return order

    def note_emptied(self, order: Order) -> None:
        """An update took this order out; its remove will follow."""
        if len(self.emptied) >= MAX_EMPTIED:
            self.emptied.clear()
        self.emptied[order.oid] = order

    def sides(self) -> tuple[BookSide, BookSide]:
        """Bids and asks."""
        return self.bids, self.asks

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask, which no block may end with."""
        bids, asks = self.bids, self.asks
        if not bids.levels or not asks.levels:
            return False
        return bids.best_key >= -asks.best_key

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at the order of the levels."""
        return self.bids.is_watched or self.asks.is_watched

    def watch(self) -> None:
        """Keep the levels in order from now on; needed before their bytes are cached."""
        for side in self.sides():
            side.watch()

    def unwatch(self) -> None:
        """Nobody does any more."""
        self.bids.unwatch()
        self.asks.unwatch()

    @property
    def order_count(self) -> int:
        """How many orders rest on both sides."""
        return self.bids.order_count + self.asks.order_count


ADDED = 1
UPDATED = 2
REMOVED = 3
# Kind, order, and of an ADDED one the oid it rests in front of, of an UPDATED one its size before (e8).
JournalEntry = tuple[int, Order, int | None]
