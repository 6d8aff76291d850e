"""An order book as a subscriber rebuilds it: a snapshot, then deltas, continuity checked.

No clock and no I/O: events in, what changed out. The same class serves the ladder,
``watch --full`` and the demo's comparison with the node.
"""

from collections.abc import Iterable
from enum import Enum

from attrs import define, field, frozen

from hyperstream.market.decimals import DecimalCache
from hyperstream.v1 import orderbook_pb2

_decimal = DecimalCache()


@frozen
class BookLevel:
    """One price: size is the sum of ``order_count`` orders. Both numbers are integers of 10^-8."""

    price_e8: int
    size_e8: int
    order_count: int


class Outcome(Enum):
    """What an event did to the book."""

    SNAPSHOT = "the book was replaced"
    DELTA = "levels changed"
    HOLE = "events are missing before this one: the book waits for a snapshot"
    IGNORED = "a delta while waiting for a snapshot"


@frozen
class Applied:
    """The outcome of one event, and the prices whose level changed, by side."""

    outcome: Outcome
    bids: frozenset[int] = frozenset()
    asks: frozenset[int] = frozenset()


@define(eq=False)
class ClientBook:
    """One market's book to the depth subscribed.

    ``is_current`` is False before the first snapshot and after a hole, until the next
    snapshot: what the book holds meanwhile is old. ``holes`` counts deltas that did not
    continue where the book stood; ``ignored`` those that came while it waited.
    """

    symbol: str
    epoch: int = 0
    sequence: int = 0
    height: int = 0
    block_time_ns: int = 0
    node_time_ns: int = 0
    read_time_ns: int = 0
    publish_time_ns: int = 0
    is_doubtful: bool = False
    mark_price: str = ""
    is_current: bool = False
    holes: int = 0
    ignored: int = 0
    _bids: dict[int, BookLevel] = field(factory=dict)
    _asks: dict[int, BookLevel] = field(factory=dict)

    @property
    def bids(self) -> list[BookLevel]:
        """Bids, best first."""
        return [self._bids[price] for price in sorted(self._bids, reverse=True)]

    @property
    def asks(self) -> list[BookLevel]:
        """Asks, best first."""
        return [self._asks[price] for price in sorted(self._asks)]

    def apply_snapshot(self, snapshot: orderbook_pb2.OrderbookSnapshot) -> Applied:
        """Replace the book. Raises DecimalError when a number is none."""
        bids, asks = _levels(snapshot.bids), _levels(snapshot.asks)
        changed_bids, changed_asks = _differences(self._bids, bids), _differences(self._asks, asks)
        self._bids, self._asks = bids, asks
        self.mark_price = snapshot.mark_price
        self.is_current = True
        self._take_head(snapshot)
        return Applied(Outcome.SNAPSHOT, changed_bids, changed_asks)

    def apply_delta(self, delta: orderbook_pb2.OrderbookDelta) -> Applied:
        """Change levels, if the delta continues where the book stands; otherwise report a hole.

        Raises DecimalError when a number is none.
        """
        if not self.is_current:
            self.ignored += 1
            return Applied(Outcome.IGNORED)
        if delta.epoch != self.epoch or delta.previous_sequence != self.sequence:
            self.holes += 1
            self.is_current = False
            return Applied(Outcome.HOLE)
        bids, asks = _levels(delta.bids), _levels(delta.asks)
        _change(self._bids, bids)
        _change(self._asks, asks)
        self.mark_price = ""  # a delta tells none, and the snapshot's grows old
        self._take_head(delta)
        return Applied(Outcome.DELTA, frozenset(bids), frozenset(asks))

    def expect_snapshot(self) -> None:
        """Take what is held as old from now on: a gap was announced, or the connection went."""
        self.is_current = False

    def _take_head(self, event: orderbook_pb2.OrderbookSnapshot | orderbook_pb2.OrderbookDelta) -> None:
        self.epoch = event.epoch
        self.sequence = event.sequence
        self.height = event.height
        self.block_time_ns = event.block_time_ns
        self.node_time_ns = event.node_time_ns
        self.read_time_ns = event.read_time_ns
        self.publish_time_ns = event.publish_time_ns
        self.is_doubtful = event.doubtful


def _levels(levels: Iterable[orderbook_pb2.Level]) -> dict[int, BookLevel]:
    found = {}
    for level in levels:
        price = _decimal[level.price]
        found[price] = BookLevel(price, _decimal[level.size], level.order_count)
    return found


def _change(book: dict[int, BookLevel], levels: dict[int, BookLevel]) -> None:
    for price, level in levels.items():
        if level.size_e8:
            book[price] = level
        else:
            book.pop(price, None)


def _differences(before: dict[int, BookLevel], after: dict[int, BookLevel]) -> frozenset[int]:
    if not before:
        return frozenset()
    return frozenset(price for price in before.keys() | after.keys() if before.get(price) != after.get(price))
