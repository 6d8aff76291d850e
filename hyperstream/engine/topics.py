"""The topics of a market: what of it is published, to what depth and how aggregated.

Each joins a hub topic to the market's state. None exists before somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from hyperstream.hub.directory import BookVariant
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.book import JournalEntry
from hyperstream.market.level import AnyLevel
from hyperstream.market.order import Order
from hyperstream.market.trades import Trade
from hyperstream.market.updates import (
    BboUpdate,
    BlockStamp,
    BookDelta,
    BookSnapshot,
    OrdersChunk,
    OrdersDelta,
    TradesUpdate,
    Update,
)
from hyperstream.market.window import Window

if TYPE_CHECKING:
    from hyperstream.engine.live_market import LiveMarket


# About a second of a busy market: a crowd that comes within it shares one snapshot of its orders.
ORDERS_SNAPSHOT_LAG = 16


@define(eq=False)
class BookTopic:
    """A book to a depth, as deltas or as whole snapshots."""

    market: LiveMarket
    variant: BookVariant
    topic: Topic
    snapshot_lag: int = 0
    _bids: Window = field(init=False)
    _asks: Window = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The market has another book: look at that."""
        bids, asks = self.market.buckets.sides(self.variant.aggregation)
        self._bids = Window(bids, self.variant.depth)
        self._asks = Window(asks, self.variant.depth)

    def publish(self, stamp: BlockStamp) -> None:
        """Publish what the block changed within the depth, if anything."""
        bids, gone_bids = self._bids.changes()
        asks, gone_asks = self._asks.changes()
        if not (bids or asks or gone_bids or gone_asks):
            return
        topic, market = self.topic, self.market
        if self.variant.snapshots_only:
            topic.publish(self.snapshot(topic.sequence + 1, stamp))
            return
        topic.publish(
            BookDelta(
                market.name,
                topic.epoch,
                topic.sequence + 1,
                stamp,
                market.is_doubtful,
                bids,
                asks,
                gone_bids,
                gone_asks,
            )
        )

    def snapshot(self, sequence: int, stamp: BlockStamp) -> BookSnapshot:
        """The levels now."""
        market = self.market
        return BookSnapshot(
            market.name,
            self.topic.epoch,
            sequence,
            stamp,
            market.is_doubtful,
            self._bids.levels(),
            self._asks.levels(),
            market.mark_price,
        )

    def snapshot_key(self) -> object:
        """One snapshot per height and mark price, and per change of the market's trust."""
        return self.market.stamp.height, self.market.doubt, self.market.mark_price

    def snapshot_updates(self) -> Iterator[Update]:
        """The snapshot of now."""
        yield self.snapshot(self.topic.sequence, self.market.stamp)


@define(eq=False)
class BboTopic:
    """The best bid and ask."""

    market: LiveMarket
    topic: Topic
    snapshot_lag: int = 0
    _last: tuple[object, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """What is best now is what a subscriber gets as its snapshot."""
        book = self.market.book
        self._last = _prices(book.bids.best, book.asks.best)

    def publish(self, stamp: BlockStamp) -> None:
        """Publish the best levels if the block changed either."""
        update = self._update(self.topic.sequence + 1, stamp)
        state = _prices(update.bid, update.ask)
        if state != self._last:
            self._last = state
            self.topic.publish(update)

    def _update(self, sequence: int, stamp: BlockStamp) -> BboUpdate:
        market = self.market
        book = market.book
        return BboUpdate(
            market.name,
            self.topic.epoch,
            sequence,
            stamp,
            market.is_doubtful,
            book.bids.best,
            book.asks.best,
        )

    def snapshot_key(self) -> object:
        """One snapshot per height, and per change of the market's trust."""
        return self.market.stamp.height, self.market.doubt

    def snapshot_updates(self) -> Iterator[Update]:
        """The best levels now."""
        yield self._update(self.topic.sequence, self.market.stamp)


def _prices(*levels: AnyLevel | None) -> tuple[object, ...]:
    return tuple(level and (level.key, level.size_e8, level.order_count) for level in levels)


LevelTopic = BookTopic | BboTopic
"""What is published when a block's diffs have been applied."""


@define(eq=False)
class TradesTopic:
    """Trades. There is no snapshot: a subscriber gets what trades from now on."""

    market: LiveMarket
    topic: Topic

    def publish(self, stamp: BlockStamp, trades: list[Trade]) -> None:
        """Publish a block's trades of this market."""
        topic, market = self.topic, self.market
        topic.publish(
            TradesUpdate(market.name, topic.epoch, topic.sequence + 1, stamp, market.is_doubtful, trades)
        )


@define(eq=False)
class OrdersTopic:
    """Every order of a market. The snapshot comes in chunks, of one moment.

    ``is_settled`` of the market says whether the statuses of all blocks applied have come: only
    then does a snapshot hold what the updates before it told. ``passes_statuses`` is for formats that
    pass on what the node said of every order, rested or rejected.
    """

    market: LiveMarket
    topic: Topic
    chunk_orders: int
    passes_statuses: bool = False
    snapshot_lag: int = ORDERS_SNAPSHOT_LAG

    def publish(
        self,
        stamp: BlockStamp,
        entries: list[JournalEntry],
        statuses: dict[int, str],
        late: list[Order],
        events: Sequence[bytes] = (),
    ) -> None:
        """Publish a block's changes of this market's orders; ``events`` go to formats that pass them on."""
        if not (entries or (events if self.passes_statuses else late)):
            return
        topic, market = self.topic, self.market
        topic.publish(
            OrdersDelta(
                market.name,
                topic.epoch,
                topic.sequence + 1,
                stamp,
                market.is_doubtful,
                entries,
                statuses,
                late,
                events if self.passes_statuses else (),
            )
        )

    def snapshot_key(self) -> object | None:
        """One snapshot per height; none before the statuses have come."""
        if not self.market.is_settled():
            return None
        return self.market.stamp.height, self.market.doubt

    def snapshot_updates(self) -> Iterator[Update]:
        """The orders of now in chunks; the first one copies the queues of all levels."""
        market = self.market
        book = market.book
        orders = [*book.bids.orders(), *book.asks.orders()]
        bid_count = book.bids.order_count
        head = (market.name, self.topic.epoch, self.topic.sequence, market.stamp, market.is_doubtful)
        count = max(1, -(-len(orders) // self.chunk_orders))
        for chunk in range(count):
            first = chunk * self.chunk_orders
            part = orders[first : first + self.chunk_orders]
            yield OrdersChunk(*head, part, chunk, chunk == count - 1, first, bid_count)


@frozen
class MarketFormats:
    """How the topics of a market are spelled for one kind of server."""

    orderbook: WireFormat
    bbo: WireFormat
    trades: WireFormat
    orders: WireFormat
