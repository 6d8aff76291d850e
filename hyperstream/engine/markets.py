"""Every market there is, found by symbol or by asset index, and who wants to hear of new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from attrs import define, field

from hyperstream.engine.listener import MarketListener
from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.market_stops import MarketStops
from hyperstream.engine.topics import MarketFormats
from hyperstream.hub.hub import Hub
from hyperstream.market.book import Book
from hyperstream.market.identity import asset_index
from hyperstream.market.updates import BlockStamp, MarketName
from hyperstream.wire.node_blocks import InstrumentsListed

log = structlog.get_logger("hyperstream.engine")


@define(eq=False)
class Markets:
    """The markets. ``wanted`` are the symbols to keep (``{"*"}``: all).

    ``stamp`` is the last block applied; all books stand after it. ``statuses_stamp`` is the last block of
    order statuses; all waiting orders stand after that, and ``knows_triggers`` says whether those of a market
    that appears now are all told. ``books`` holds the book of each market for whoever applies diffs; it
    changes when a market's book is replaced. ``audience_version`` rises when somebody may have come to
    listen, and when topics may have been dropped.
    """

    hub: Hub
    formats: MarketFormats
    wanted: frozenset[str]
    chunk_orders: int
    is_settled: Callable[[], bool]
    counts: Counter[str]
    stamp: BlockStamp = field(factory=lambda: BlockStamp(0, 0, 0, 0, 0))
    statuses_stamp: BlockStamp = field(factory=lambda: BlockStamp(0, 0, 0, 0, 0))
    knows_triggers: bool = False
    by_symbol: dict[str, LiveMarket] = field(factory=dict)
    books: dict[str, Book] = field(factory=dict)
    _symbol_of: dict[int, str] = field(factory=dict)
    audience_version: int = 0
    _followers: dict[Callable[[LiveMarket], None], None] = field(factory=dict)

    def open(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol, made if it is wanted; None if it is not."""
        market = self.by_symbol.get(symbol)
        if market is not None:
            return market
        if "*" not in self.wanted and symbol not in self.wanted:
            return None
        book = self.books[symbol] = Book(symbol)
        index = asset_index(symbol)
        if index is not None:
            self._symbol_of[index] = symbol
        name = MarketName(symbol, index)
        market = LiveMarket(
            name=name,
            book=book,
            hub=self.hub,
            formats=self.formats,
            current_stamp=lambda: self.stamp,
            is_settled=self.is_settled,
            chunk_orders=self.chunk_orders,
            stops=MarketStops(
                name, self.hub, lambda: self.statuses_stamp, self.chunk_orders, self.knows_triggers
            ),
        )
        self.by_symbol[symbol] = market
        for follow in list(self._followers):
            follow(market)
        return market

    def open_book(self, symbol: str) -> Book | None:
        """The book of a market, made if it is wanted; None if it is not."""
        market = self.open(symbol)
        return market.book if market is not None else None

    def find_id(self, market_id: int) -> LiveMarket | None:
        """The market with this asset index, once the info server has told it."""
        symbol = self._symbol_of.get(market_id)
        return self.by_symbol.get(symbol) if symbol is not None else None

    def identify(self, listed: InstrumentsListed) -> None:
        """The info server told which markets there are."""
        for instrument in listed.instruments:
            market = self.open(instrument.symbol)
            if market is not None:
                market.identify(instrument)
                self._symbol_of[instrument.market_id] = instrument.symbol

    def follow(self, follow: Callable[[LiveMarket], None]) -> None:
        """Call ``follow`` with every market that appears from now on."""
        self._followers[follow] = None

    def unfollow(self, follow: Callable[[LiveMarket], None]) -> None:
        """Undo ``follow``; fine if it is undone already."""
        self._followers.pop(follow, None)

    def listen(self, symbol: str, listener: MarketListener | None) -> None:
        """Tell this listener of every block that changes a market; None: nobody any more."""
        self.by_symbol[symbol].listen(listener)
        self.audience_version += 1

    def replace_book(self, symbol: str, book: Book, reason: str) -> None:
        """Give a market another book, and tell its followers."""
        self.books[symbol] = book
        self.by_symbol[symbol].replace_book(book, reason)

    def doubt(self, market: LiveMarket, cause: str, detail: str) -> None:
        """A market's book may be wrong: mark it, tell its followers, log each cause once."""
        if market.doubt:
            return
        self.counts["markets doubted"] += 1
        counter = f"doubted: {cause}"
        self.counts[counter] += 1
        if self.counts[counter] == 1:
            log.warning("a book is doubtful", symbol=market.symbol, cause=cause, detail=detail)
        market.doubt_because(f"{cause}: {detail}")

    def doubtful(self) -> dict[str, str]:
        """Why each doubtful market is, by symbol."""
        return {symbol: market.doubt for symbol, market in self.by_symbol.items() if market.doubt}

    def order_count(self) -> int:
        """Resting orders of all markets."""
        return sum(market.book.order_count for market in self.by_symbol.values())

    @property
    def audience(self) -> object:
        """Something that differs when other markets, or others, may be followed than before."""
        return self.hub.epochs_given, len(self.hub.subscriptions), self.audience_version

    def retire_topics(self, now_ns: int) -> None:
        """Drop the topics that nobody has followed for a while."""
        self.audience_version += 1
        for market in self.by_symbol.values():
            if market.has_topics:
                market.retire_topics(now_ns)
