"""The true book of a fake market: price levels, and nothing that a venue would not know."""

from bisect import bisect_left, insort

from attrs import Factory, define

Levels = list[tuple[int, int]]  # (price, size) in 10^-8, best first


@define(eq=False)
class Side:
    """One side: sizes by price, and the prices in ascending order."""

    is_bid: bool
    sizes: dict[int, int] = Factory(dict)
    prices: list[int] = Factory(list)

    def __len__(self) -> int:
        return len(self.prices)

    def set(self, price_e8: int, size_e8: int) -> None:
        """Put a level; size 0 takes it out."""
        if size_e8:
            if price_e8 not in self.sizes:
                insort(self.prices, price_e8)
            self.sizes[price_e8] = size_e8
        elif self.sizes.pop(price_e8, None) is not None:
            del self.prices[bisect_left(self.prices, price_e8)]

    @property
    def best(self) -> int:
        """The best price. The flow keeps sides from running empty."""
        return self.prices[-1] if self.is_bid else self.prices[0]

    @property
    def worst(self) -> int:
        """The price furthest from the touch."""
        return self.prices[0] if self.is_bid else self.prices[-1]

    def at(self, rank: int) -> int:
        """The price of the level with this rank, 0 for the best."""
        return self.prices[-1 - rank] if self.is_bid else self.prices[rank]

    def top(self, depth: int | None = None) -> Levels:
        """Return the best levels, all of them by default."""
        prices = self.prices
        if self.is_bid:
            chosen = prices[::-1] if depth is None else prices[: -depth - 1 : -1]
        else:
            chosen = prices if depth is None else prices[:depth]
        sizes = self.sizes
        return [(price, sizes[price]) for price in chosen]


@define(eq=False)
class VenueBook:
    """Both sides of a market."""

    bids: Side = Factory(lambda: Side(is_bid=True))
    asks: Side = Factory(lambda: Side(is_bid=False))

    def side(self, is_bid: bool) -> Side:
        """Return the bids or the asks."""
        return self.bids if is_bid else self.asks

    def touch(self) -> tuple[int, int, int, int]:
        """Return best bid, its size, best ask, its size."""
        bid, ask = self.bids.best, self.asks.best
        return bid, self.bids.sizes[bid], ask, self.asks.sizes[ask]

    @property
    def mid_e8(self) -> int:
        """The middle between the best prices, rounded down to 10^-8."""
        return (self.bids.best + self.asks.best) // 2
