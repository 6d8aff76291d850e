"""The node's own markets, told as if the node were one more venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from attrs import define, field

from hyperstream.engine.listener import MarketListener
from hyperstream.engine.live_market import LiveMarket
from hyperstream.market.book import Book, BookSide
from hyperstream.market.decimals import format_e8
from hyperstream.market.identity import market_kind
from hyperstream.market.trades import Trade
from hyperstream.market.updates import BlockStamp
from hyperstream.market.venues import (
    NODE,
    Channel,
    FeedDemand,
    FeedGap,
    FeedItem,
    FeedTopic,
    Quote,
    TopicRefused,
    VenueBook,
    VenueInstrument,
    VenueTrade,
)

_NS_PER_MS = 1_000_000
_OF_BOOK = frozenset({Channel.QUOTES, Channel.BOOK})


class NodeEngine(Protocol):
    """What is needed of the engine that keeps the node's books."""

    @property
    def is_ready(self) -> bool:
        """Whether the books have been loaded."""

    def all_markets(self) -> Iterable[LiveMarket]:
        """Every market."""

    def find_symbol(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol."""

    def listen(self, symbol: str, listener: MarketListener | None) -> None:
        """Tell this listener of every block that changes a market; None: nobody any more."""

    def follow_new_markets(self, follow: Callable[[LiveMarket], None]) -> None:
        """Call ``follow`` with every market that appears from now on."""


@define(eq=False)
class NodeListing:
    """The markets of the node."""

    engine: NodeEngine

    @property
    def is_listed(self) -> bool:
        """Whether they are known."""
        return self.engine.is_ready

    def has(self, symbol: str) -> bool:
        """Whether there is such a market."""
        return self.engine.find_symbol(symbol) is not None

    def symbols(self) -> Iterable[str]:
        """All of them."""
        return [market.symbol for market in self.engine.all_markets()]

    def instruments(self) -> Iterable[VenueInstrument]:
        """All of them, described."""
        for market in self.engine.all_markets():
            instrument = market.instrument
            step = ""
            if instrument is not None and instrument.size_decimals is not None:
                step = format_e8(10 ** max(0, 8 - instrument.size_decimals))
            yield VenueInstrument(
                market.symbol,
                kind=market_kind(market.symbol).value,
                size_step=step,
                is_active=instrument is None or not instrument.is_delisted,
            )


@define(eq=False)
class _Listener:
    """Tells of one market what is wanted of it, at each block's end."""

    symbol: str
    tell: Callable[[list[FeedItem]], None]
    topics: set[FeedTopic] = field(factory=set)
    _best: tuple[object, ...] = ()

    def want(self, topic: FeedTopic) -> None:
        self.topics.add(topic)
        if topic.channel is Channel.QUOTES:
            self._best = ()  # who is new has not been told

    def wants(self, channel: Channel) -> bool:
        return any(topic.channel is channel for topic in self.topics)

    def book_changed(self, book: Book, stamp: BlockStamp) -> None:
        items: list[FeedItem] = []
        bid, ask = book.bids.best, book.asks.best
        best = tuple(level and (level.key, level.size_e8) for level in (bid, ask))
        if best != self._best and self.wants(Channel.QUOTES):
            self._best = best
            items.append(
                Quote(
                    NODE,
                    self.symbol,
                    bid.price if bid is not None else "",
                    format_e8(bid.size_e8) if bid is not None else "",
                    ask.price if ask is not None else "",
                    format_e8(ask.size_e8) if ask is not None else "",
                    stamp.block_time_ns,
                    stamp.read_time_ns,
                    stamp.height,
                )
            )
        depth = max((int(each.detail) for each in self.topics if each.channel is Channel.BOOK), default=0)
        if depth:
            items.append(
                VenueBook(
                    NODE,
                    self.symbol,
                    _top(book.bids, depth),
                    _top(book.asks, depth),
                    stamp.height,
                    stamp.block_time_ns,
                    stamp.read_time_ns,
                )
            )
        if items:
            self.tell(items)

    def traded(self, trades: Sequence[Trade], stamp: BlockStamp) -> None:
        if self.wants(Channel.TRADES):
            self.tell(
                [
                    VenueTrade(
                        NODE,
                        self.symbol,
                        str(trade.trade_id),
                        trade.price,
                        trade.size,
                        trade.side == "B",
                        trade.time_ms * _NS_PER_MS,
                        stamp.read_time_ns,
                    )
                    for trade in trades
                ]
            )

    def book_doubted(self, reason: str) -> None:
        self._tell_gap(_OF_BOOK, reason)

    def trades_missed(self, reason: str) -> None:
        self._tell_gap(frozenset({Channel.TRADES}), reason)

    def _tell_gap(self, channels: frozenset[Channel], reason: str) -> None:
        topics = tuple(topic for topic in self.topics if topic.channel in channels)
        if topics:
            self.tell([FeedGap(NODE, topics, 0, "the node", reason)])


def _top(side: BookSide, depth: int) -> list[tuple[str, str]]:
    levels = side.levels
    return [(levels[key].price, format_e8(levels[key].size_e8)) for key in reversed(side.keys[-depth:])]


@define(eq=False)
class NodeMarkets:
    """Listens to the markets that somebody wants something of. ``tell`` takes what a block changed.

    Before the books are loaded nobody knows which markets there are: whatever is wanted waits for its
    market to appear, and is refused if it has not when they are.
    """

    engine: NodeEngine
    tell: Callable[[list[FeedItem]], None]
    listeners: dict[str, _Listener] = field(factory=dict)
    _is_known: bool = False

    def __attrs_post_init__(self) -> None:
        self.engine.follow_new_markets(self._appeared)

    def _appeared(self, market: LiveMarket) -> None:
        listener = self.listeners.get(market.symbol)
        if listener is not None:
            self.engine.listen(market.symbol, listener)

    def refuse_unknown(self) -> None:
        """Once the books are loaded, refuse what is wanted of markets that the node does not have."""
        if self._is_known or not self.engine.is_ready:
            return
        self._is_known = True
        for symbol, listener in list(self.listeners.items()):
            if self.engine.find_symbol(symbol) is None:
                detail = f"the node has no market {symbol!r}"
                self.tell([TopicRefused(topic, detail) for topic in listener.topics])

    def demand(self, demand: FeedDemand) -> None:
        """Somebody wants a topic of a market, or nobody does any more."""
        topic = demand.topic
        symbol = topic.symbol
        listener = self.listeners.get(symbol)
        market = self.engine.find_symbol(symbol)
        if demand.is_wanted:
            if listener is None:
                listener = self.listeners[symbol] = _Listener(symbol, self.tell)
                if market is not None:
                    self.engine.listen(symbol, listener)
            listener.want(topic)
            if market is not None and topic.channel in _OF_BOOK:
                listener.book_changed(market.book, market.stamp)
        elif listener is not None:
            listener.topics.discard(topic)
            if not listener.topics:
                del self.listeners[symbol]
                if market is not None:
                    self.engine.listen(symbol, None)
