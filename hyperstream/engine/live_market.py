"""A market as it lives in the engine: its book, how far it is trusted, and its topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from attrs import define, field

from hyperstream.engine.buckets import Buckets
from hyperstream.engine.listener import MarketListener
from hyperstream.engine.market_stops import MarketStops
from hyperstream.engine.topics import (
    BboTopic,
    BookTopic,
    LevelTopic,
    MarketFormats,
    OrdersTopic,
    TradesTopic,
)
from hyperstream.hub.directory import BookVariant
from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.book import Book, JournalEntry
from hyperstream.market.order import Order
from hyperstream.market.trades import Trade
from hyperstream.market.updates import (
    GAP_RESYNC,
    GAP_SOURCE,
    BlockStamp,
    BookSnapshot,
    GapNote,
    MarketName,
)
from hyperstream.wire.node_blocks import Instrument

if TYPE_CHECKING:
    from hyperstream.engine.candles import MarketCandles
    from hyperstream.engine.marks.mark import MarketMark

LINGER_NS = 30_000_000_000

_Key = TypeVar("_Key")
_AnyTopic = TypeVar("_AnyTopic", BookTopic, BboTopic, TradesTopic, OrdersTopic)


@define(eq=False)
class LiveMarket:
    """One market. ``doubt`` says why its book may be wrong, and is empty while it is trusted.

    ``current_stamp`` tells the last block applied to any market: the book stands after that block.
    ``is_settled`` tells whether the order statuses of all blocks applied have arrived. ``read_time_ns`` is
    when somebody asked for the book once, 0 if nobody did lately.
    """

    name: MarketName
    book: Book
    hub: Hub
    formats: MarketFormats
    current_stamp: Callable[[], BlockStamp]
    is_settled: Callable[[], bool]
    chunk_orders: int
    stops: MarketStops
    doubt: str = ""
    instrument: Instrument | None = None
    books: dict[tuple[BookVariant, WireFormat], BookTopic] = field(factory=dict)
    bbos: dict[WireFormat, BboTopic] = field(factory=dict)
    tapes: dict[WireFormat, TradesTopic] = field(factory=dict)
    orders: dict[WireFormat, OrdersTopic] = field(factory=dict)
    listener: MarketListener | None = None
    candles: MarketCandles | None = None
    mark: MarketMark | None = None
    read_time_ns: int = 0
    buckets: Buckets = field(init=False)
    _published: set[LevelTopic] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.buckets = Buckets(self.book)

    @property
    def stamp(self) -> BlockStamp:
        """The block the book stands after."""
        return self.current_stamp()

    @property
    def symbol(self) -> str:
        """The node's name of the market."""
        return self.name.symbol

    @property
    def is_doubtful(self) -> bool:
        """Whether the book may be wrong."""
        return bool(self.doubt)

    def identify(self, instrument: Instrument) -> None:
        """The info server told what this market is."""
        self.instrument = instrument
        if instrument.market_id != self.name.market_id:
            self.name.market_id = instrument.market_id
            self.name.protobuf_bytes = None

    @property
    def mark_price(self) -> str:
        """The newest mark price, empty unless somebody follows it and there is one."""
        return self.mark.price if self.mark is not None else ""

    def holds(self, order: Order) -> bool:
        """Whether the order's level is one of this market's book."""
        side = self.book.bids if order.level.key > 0 else self.book.asks
        return side.levels.get(order.level.key) is order.level

    def publish_level(self, topic: LevelTopic, stamp: BlockStamp) -> None:
        """Publish what a block changed in the levels to one topic, unless that has been done."""
        published = self._published
        if topic in published:
            return
        published.add(topic)
        if self.buckets and isinstance(topic, BookTopic) and topic.variant.aggregation is not None:
            self.buckets.follow_up(topic.variant.aggregation)
        topic.publish(stamp)

    def publish_prompt(self, stamp: BlockStamp) -> None:
        """Publish to every topic that somebody follows who keeps up."""
        if len(self._published) == len(self.books) + len(self.bbos):
            return
        for topic in self.level_topics():
            if topic.topic.prompt:
                self.publish_level(topic, stamp)

    def publish_rest(self, stamp: BlockStamp) -> None:
        """Publish to all other topics: the block has been published then."""
        if len(self._published) < len(self.books) + len(self.bbos):
            for topic in self.level_topics():
                self.publish_level(topic, stamp)
        if self.listener is not None:
            self.listener.book_changed(self.book, stamp)
        if self.buckets:
            self.buckets.end_block()
        bids, asks = self.book.sides()
        bids.touched.clear()
        asks.touched.clear()
        self._published.clear()

    def publish_trades(self, stamp: BlockStamp, trades: list[Trade]) -> None:
        """Publish a block's trades."""
        for tape in self.tapes.values():
            tape.publish(stamp, trades)
        if self.listener is not None:
            self.listener.traded(trades, stamp)
        if self.candles is not None:
            self.candles.add(stamp, trades)
        if self.mark is not None:
            self.mark.traded(stamp, trades)

    def publish_orders(
        self,
        stamp: BlockStamp,
        entries: list[JournalEntry],
        statuses: dict[int, str],
        late: list[Order],
        events: Sequence[bytes] = (),
    ) -> None:
        """Publish a block's changes of the orders (see OrdersDelta)."""
        for orders in self.orders.values():
            orders.publish(stamp, entries, statuses, late, events)

    @property
    def passes_statuses(self) -> bool:
        """Whether anybody wants the node's own order statuses, those of rejected orders included."""
        return any(orders.passes_statuses for orders in self.orders.values())

    def book_stream(self, variant: BookVariant, wire_format: WireFormat | None = None) -> Topic:
        """The topic of a variant of the book."""
        self.book.watch()
        spelling = wire_format or self.formats.orderbook
        found = self.books.get((variant, spelling))
        if found is None:
            topic = self._topic(spelling)
            found = self.books[variant, spelling] = BookTopic(self, variant, topic)
            topic.snapshots = found
        return found.topic

    def book_now(self, variant: BookVariant) -> BookSnapshot:
        """A variant of the book as it stands, for who asks once: nothing is published for it.

        It has a place in the topic of that variant if there is one, and none (0) otherwise. The book is kept
        in order for a while: whoever asks once often asks again.
        """
        self.book.watch()
        self.read_time_ns = max(1, self.stamp.publish_time_ns)
        bids, asks = self.buckets.best(variant.aggregation, variant.depth)
        standing = self.books.get((variant, self.formats.orderbook))
        epoch, sequence = (standing.topic.epoch, standing.topic.sequence) if standing is not None else (0, 0)
        doubtful, mark = self.is_doubtful, self.mark_price
        return BookSnapshot(self.name, epoch, sequence, self.stamp, doubtful, bids, asks, mark)

    def bbo_stream(self, wire_format: WireFormat | None = None) -> Topic:
        """The topic of the best prices."""
        self.book.watch()
        spelling = wire_format or self.formats.bbo
        found = self.bbos.get(spelling)
        if found is None:
            found = self.bbos[spelling] = BboTopic(self, self._topic(spelling))
            found.topic.snapshots = found
        return found.topic

    def trades_stream(self, wire_format: WireFormat | None = None) -> Topic:
        """The topic of the trades."""
        spelling = wire_format or self.formats.trades
        found = self.tapes.get(spelling)
        if found is None:
            found = self.tapes[spelling] = TradesTopic(self, self._topic(spelling))
        return found.topic

    def orders_stream(self, wire_format: WireFormat | None = None, *, passes_statuses: bool = False) -> Topic:
        """The topic of the orders; from now on the book keeps a journal for it."""
        spelling = wire_format or self.formats.orders
        found = self.orders.get(spelling)
        if found is None:
            found = OrdersTopic(self, self._topic(spelling), self.chunk_orders, passes_statuses)
            found.topic.snapshots = found
            if not self.orders:
                self.book.journal = []
            self.orders[spelling] = found
        return found.topic

    def _topic(self, wire_format: WireFormat) -> Topic:
        return Topic(self.name, wire_format, self.hub.next_epoch(), last_used_ns=self.stamp.publish_time_ns)

    def listen(self, listener: MarketListener | None) -> None:
        """Tell this listener of every block from now on; None: nobody any more."""
        self.listener = listener
        if listener is not None:
            self.book.watch()

    @property
    def has_topics(self) -> bool:
        """Whether anybody asked for anything of this market lately."""
        asked = self.books or self.bbos or self.tapes or self.orders or self.stops.topics
        return bool(asked or self.listener or self.read_time_ns)

    @property
    def has_tapes(self) -> bool:
        """Whether anybody wants the trades."""
        return bool(self.tapes or self.listener or self.candles or self.mark)

    def topics(self) -> Iterator[Topic]:
        """All topics there are."""
        yield from self.book_topics()
        for tape in self.tapes.values():
            yield tape.topic
        for stops in self.stops.topics.values():
            yield stops.topic

    def book_topics(self) -> Iterator[Topic]:
        """The topics that depend on the book."""
        for levels in self.level_topics():
            yield levels.topic
        for orders in self.orders.values():
            yield orders.topic

    def level_topics(self) -> Iterator[LevelTopic]:
        """What is published of the levels."""
        yield from self.books.values()
        yield from self.bbos.values()

    def doubt_because(self, reason: str) -> None:
        """The book may be wrong from here on: say so to everybody who follows it."""
        self.doubt = reason
        for topic in self.book_topics():
            topic.tell_gap(self.gap(topic, GAP_SOURCE, reason))
        self.stops.doubt_because(reason)
        if self.listener is not None:
            self.listener.book_doubted(reason)

    def tell_trades_gap(self, reason: str) -> None:
        """Trades are missing: say so to everybody who follows them."""
        for tape in self.tapes.values():
            tape.topic.tell_gap(self.gap(tape.topic, GAP_SOURCE, reason))
        if self.listener is not None:
            self.listener.trades_missed(reason)
        if self.candles is not None:
            self.candles.tell_gap(reason)

    def replace_book(self, book: Book, reason: str) -> None:
        """Trust this book from now on; every follower is told and gets a snapshot of it."""
        if self.orders:
            book.journal = []
        self.book = book
        self.doubt = ""
        if self.books or self.bbos or self.listener:
            book.watch()
        self.buckets = Buckets(book)
        for variant in self.books.values():
            variant.reset()
        for bbo in self.bbos.values():
            bbo.reset()
        for topic in self.book_topics():
            topic.restart(self.hub.next_epoch(), self.gap(topic, GAP_RESYNC, reason))
        if self.listener is not None:
            self.listener.book_changed(book, self.stamp)

    def gap(self, topic: Topic, reason: str, detail: str) -> GapNote:
        """A gap of unknown size in one of this market's topics."""
        return GapNote(self.name, topic.epoch, 0, 0, 0, reason, detail)

    def retire_topics(self, now_ns: int) -> None:
        """Drop topics that nobody has followed for a while; until then a resume point is good."""
        for topic in self.topics():
            if topic.is_followed:
                topic.last_used_ns = now_ns
        oldest_ns = now_ns - LINGER_NS
        self.books = _used_since(oldest_ns, self.books)
        self.bbos = _used_since(oldest_ns, self.bbos)
        self.tapes = _used_since(oldest_ns, self.tapes)
        self.orders = _used_since(oldest_ns, self.orders)
        self.stops.retire(oldest_ns)
        self.buckets.keep({variant.aggregation for variant, _ in self.books})
        if not self.orders:
            self.book.journal = None
        if self.read_time_ns <= oldest_ns:
            self.read_time_ns = 0
        if not (self.books or self.bbos or self.listener or self.read_time_ns):
            self.book.unwatch()


def _used_since(oldest_ns: int, topics: dict[_Key, _AnyTopic]) -> dict[_Key, _AnyTopic]:
    """Those of the topics that had a subscriber after that."""
    return {key: topic for key, topic in topics.items() if topic.topic.last_used_ns > oldest_ns}
