"""Bybit's book windows: the best N levels of each side, and what changed in them from push to push."""

from attrs import define, field

from hyperstream.testing.exchanges.flow import MarketFlow

Sizes = dict[int, int]


@define(eq=False)
class Window:
    """What subscribers of one depth have been told. ``u`` rises by one with each push.

    Windows outlive their topics, so that ``u`` is one sequence for sockets and REST.
    """

    flow: MarketFlow
    depth: int
    u: int
    seq: int = field(default=0, init=False)
    time_ms: int = field(default=0, init=False)
    bids: Sizes = field(factory=dict, init=False)
    asks: Sizes = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._take()

    def _take(self) -> None:
        self.bids, self.asks = (
            dict(self.flow.book.bids.top(self.depth)),
            dict(self.flow.book.asks.top(self.depth)),
        )
        self.seq, self.time_ms = self.flow.update_id, self.flow.time_ms

    def advance(self) -> tuple[Sizes, Sizes] | None:
        """Move to the present book; return the changed levels of both sides, or None if there are none.

        A level that left the window has size 0, although the book may still have it.
        """
        if self.seq == self.flow.update_id:
            return None
        before = self.bids, self.asks
        self._take()
        bids, asks = _changes(before[0], self.bids), _changes(before[1], self.asks)
        if not bids and not asks:
            return None
        self.u += 1
        return bids, asks

    def restart(self) -> None:
        """Begin anew, as after a restart of the service: the next snapshot has ``u`` 1."""
        self._take()
        self.u = 1


def _changes(before: Sizes, after: Sizes) -> Sizes:
    changed = {price: 0 for price in before if price not in after}
    changed |= {price: size for price, size in after.items() if before.get(price) != size}
    return changed
