"""One listed market as the exchange keeps it: its book, its stops, its fair price."""

from heapq import heappop, heappush
from random import Random

from hyperstream.market.decimals import SCALE
from hyperstream.testing.listings import MarketSpec
from hyperstream.testing.matching import Matcher
from hyperstream.testing.orders import Order

SIZES = 96  # distinct order sizes of a market; real makers repeat theirs too


class Market:
    """A book that lives: ``fair`` wanders, and orders are quoted round it. All prices in 10^-8."""

    def __init__(self, spec: MarketSpec, rng: Random) -> None:
        self.spec = spec
        self.symbol = spec.symbol
        self.book = Matcher()
        self.usual_orders = 0  # how many orders rest here when nothing special happens
        self.stops: dict[int, Order] = {}
        self._rising: list[tuple[int, int]] = []  # (trigger price, oid): fire when the mark is at or above
        self._falling: list[tuple[int, int]] = []  # (-trigger price, oid)
        self.fair = spec.start_price_e8
        self.tick = spec.tick_e8(self.fair)
        self._decade = 10 ** (len(str(self.fair)) - 1)
        self.sizes = [self._draw_size(rng) for _ in range(SIZES)]

    def wander(self, rng: Random) -> None:
        """Move the fair price by a few ticks, with a pull towards the middle of the book."""
        middle = self.mark()
        step = int((rng.random() - 0.5) * 5 * self.tick)
        self.fair = max(self.fair + (middle - self.fair) // 24 + step, 40 * self.tick)
        if not self._decade <= self.fair < 10 * self._decade:
            self._decade = 10 ** (len(str(self.fair)) - 1)
            self.tick = self.spec.tick_e8(self.fair)

    def mark(self) -> int:
        """Return the middle of the book, or the fair price when a side is empty."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        if bid is None or ask is None:
            return self.fair
        return (bid + ask) // 2

    def quote(self, is_bid: bool, ticks: int) -> int | None:
        """Return a valid price ``ticks`` away from fair that crosses nothing, or None if there is none."""
        tick = self.tick
        if is_bid:
            px = self.fair - ticks * tick
            ask = self.book.asks.best()
            if ask is not None and px >= ask:
                px = ask - tick
        else:
            px = self.fair + (ticks + 1) * tick
            bid = self.book.bids.best()
            if bid is not None and px <= bid:
                px = bid + tick
        px -= px % tick
        if not self._decade <= px < 10 * self._decade:
            px = self.valid(px)
            if px <= 0 or self.book.crosses(is_bid, px):
                return None
        elif not is_bid and self.book.crosses(False, px):
            px += tick
        return px

    def valid(self, px: int) -> int:
        """Round a price down to a valid one (0 when there is none below)."""
        return px - px % self.spec.tick_e8(px) if px > 0 else 0

    def arm(self, stop: Order) -> None:
        """Keep an untriggered order until the mark reaches its trigger price."""
        assert stop.extra is not None
        self.stops[stop.oid] = stop
        if stop.extra.trigger_above:
            heappush(self._rising, (stop.extra.trigger_px, stop.oid))
        else:
            heappush(self._falling, (-stop.extra.trigger_px, stop.oid))

    def next_triggered(self) -> Order | None:
        """Take out the next stop whose price the mark has reached; None when there is none."""
        mark = self.mark()
        for heap, reached in ((self._rising, mark), (self._falling, -mark)):
            while heap and heap[0][0] <= reached:
                stop = self.stops.pop(heappop(heap)[1], None)
                if stop is not None:
                    return stop
        return None

    def size_of_notional(self, dollars: float) -> int:
        """Return the size worth about so many dollars at the fair price, at least one lot."""
        lot = self.spec.lot_e8
        lots = round(dollars * SCALE / self.fair * SCALE / lot)
        return max(1, lots) * lot

    def notional(self, size: int) -> int:
        """Return what a size is worth at the fair price, in 10^-8 dollars."""
        return self.fair * size // SCALE

    def _draw_size(self, rng: Random) -> int:
        return self.size_of_notional(11 + rng.lognormvariate(6.0, 1.6))
