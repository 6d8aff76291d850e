"""One market's matching engine: price-time priority, nothing else.

No clock, no text, no users' balances: orders in, matches out. ``Matcher.take`` crosses an
incoming order with the resting ones:

1. take the best opposite price while it is at or inside the limit;
2. at that price, take the order that has waited longest;
3. if it belongs to the same user, it is taken off without a trade (self-trade prevention);
4. otherwise both sides lose the smaller size; a resting order at zero leaves the book.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import NamedTuple

from hyperstream.testing.orders import Order


class Match(NamedTuple):
    """A resting order met by an incoming one. ``size`` 0 says it was a self-trade and is gone."""

    maker: Order
    size: int
    before: int  # what the maker had, in 10^-8


class Side:
    """One side of a book: prices in ascending order, and a queue of orders at each."""

    __slots__ = ("is_bid", "levels", "prices")

    def __init__(self, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.prices: list[int] = []
        self.levels: dict[int, dict[int, Order]] = {}  # a dict keeps the order of arrival

    def best(self) -> int | None:
        """Return the best price in 10^-8, or None when nobody is there."""
        if not self.prices:
            return None
        return self.prices[-1] if self.is_bid else self.prices[0]

    def add(self, order: Order) -> None:
        """Queue the order last at its price."""
        level = self.levels.get(order.px)
        if level is None:
            self.levels[order.px] = {order.oid: order}
            insort(self.prices, order.px)
        else:
            level[order.oid] = order

    def insert_before(self, order: Order, anchor_oid: int) -> None:
        """Queue the order directly in front of ``anchor_oid``, which rests at the same price."""
        queue: dict[int, Order] = {}
        for oid, waiting in self.levels[order.px].items():
            if oid == anchor_oid:
                queue[order.oid] = order
            queue[oid] = waiting
        self.levels[order.px] = queue

    def discard(self, order: Order) -> None:
        """Take a resting order off."""
        level = self.levels[order.px]
        del level[order.oid]
        if not level:
            del self.levels[order.px]
            del self.prices[bisect_left(self.prices, order.px)]

    def best_first(self) -> Iterator[int]:
        """Yield the prices, best first."""
        return reversed(self.prices) if self.is_bid else iter(self.prices)

    def __iter__(self) -> Iterator[Order]:
        """Yield the orders in priority order."""
        for px in self.best_first():
            yield from self.levels[px].values()


class Matcher:
    """The book of one market. ``live`` lists its orders in no useful order, for picking one at random."""

    __slots__ = ("asks", "bids", "live")

    def __init__(self) -> None:
        self.bids = Side(is_bid=True)
        self.asks = Side(is_bid=False)
        self.live: list[Order] = []

    def add(self, order: Order) -> None:
        """Rest an order that crosses nothing."""
        (self.bids if order.is_bid else self.asks).add(order)
        live = self.live
        order.slot = len(live)
        live.append(order)

    def insert_before(self, order: Order, anchor_oid: int) -> None:
        """Rest an order in front of another one at the same price."""
        (self.bids if order.is_bid else self.asks).insert_before(order, anchor_oid)
        order.slot = len(self.live)
        self.live.append(order)

    def remove(self, order: Order) -> None:
        """Take a resting order off the book."""
        (self.bids if order.is_bid else self.asks).discard(order)
        last = self.live.pop()
        if last is not order:
            self.live[order.slot] = last
            last.slot = order.slot
        order.slot = -1

    def crosses(self, is_bid: bool, px: int) -> bool:
        """Whether an order at this price would meet a resting one."""
        best = (self.asks if is_bid else self.bids).best()
        return best is not None and (best <= px if is_bid else best >= px)

    def take(self, taker: Order) -> list[Match]:
        """Match the incoming order; afterwards ``taker.size`` is what remains of it."""
        matches: list[Match] = []
        opposite = self.asks if taker.is_bid else self.bids
        while taker.size and self.crosses(taker.is_bid, taker.px):
            best = opposite.best()
            assert best is not None
            maker = next(iter(opposite.levels[best].values()))
            before = maker.size
            if maker.user is taker.user:
                self.remove(maker)
                matches.append(Match(maker, 0, before))
                continue
            size = min(taker.size, before)
            taker.size -= size
            maker.size = before - size
            if not maker.size:
                self.remove(maker)
            matches.append(Match(maker, size, before))
        return matches
