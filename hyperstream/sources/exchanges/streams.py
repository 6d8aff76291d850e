"""One stream of a venue: what its messages become, and what is forgotten when it is interrupted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from attrs import define, field

from hyperstream.market.binance_books import BinanceBook as SnapshotBook
from hyperstream.market.venue_book import APPLIED, IGNORED, BookSnapshot, BookUpdate, Broken, SyncedBook
from hyperstream.market.venue_candles import BarCloser
from hyperstream.market.venue_ticker import MergedTicker
from hyperstream.market.venues import Channel, FeedTopic, Quote, VenueBook
from hyperstream.sources.exchanges.outbox import Outbox

RECENT_TRADES = 2_000
DEFAULT_DEPTH = 50
MAX_DEPTH = 1_000


@define(eq=False)
class Stream:
    """What comes of one subscription, for the topics that are made of it.

    ``is_news_only``: nothing a message says depends on those before it. ``awaits_snapshot``: the frames that
    are handed on have no beginning yet; ``received_before`` were received when that was last looked at.
    """

    is_news_only: ClassVar[bool] = False
    venue: str
    key: str
    symbol: str
    outbox: Outbox
    topics: dict[FeedTopic, None] = field(factory=dict)
    received: int = field(default=0, init=False)
    is_over: bool = field(default=False, init=False)
    is_raw: bool = field(default=False, init=False)
    awaits_snapshot: bool = field(default=False, init=False)
    received_before: int | None = field(default=None, init=False)
    silences: int = field(default=0, init=False)
    refusals: int = field(default=0, init=False)

    def take(self, payload: Any) -> None:
        """Hand on what a message holds."""
        if isinstance(payload, list):
            self.outbox.extend(payload)
        else:
            self.outbox.put(payload)

    def goes_on_without_snapshot(self) -> bool:
        """Whether changes came since the last look, though the snapshot they belong to is still awaited.

        Not at the first look: what comes until then may have been under way when the snapshot was asked for.
        """
        if not self.awaits_snapshot:
            return False
        before, self.received_before = self.received_before, self.received
        return before is not None and self.received > before

    def interrupted(self) -> None:
        """Forget what depends on having seen everything."""

    def topics_changed(self) -> None:
        """Somebody more, or somebody less, wants it."""


@define(eq=False)
class TradeStream(Stream):
    """Trades, each once: after a reconnect some venues tell the last ones again."""

    is_news_only: ClassVar[bool] = True
    repeated: int = field(default=0, init=False)
    _order: deque[str] = field(factory=deque, init=False)
    _recent: set[str] = field(factory=set, init=False)

    def take(self, payload: Any) -> None:
        """Hand on the trades that are new."""
        recent, order = self._recent, self._order
        for trade in payload:
            trade_id = trade.trade_id
            if trade_id in recent:
                self.repeated += 1
                continue
            recent.add(trade_id)
            order.append(trade_id)
            if len(order) > RECENT_TRADES:
                recent.discard(order.popleft())
            self.outbox.put(trade)


@define(eq=False)
class QuoteStream(Stream):
    """Best prices. Where a quote serves as a book of one level (Bybit), it is told as such too."""

    last_id: int = field(default=0, init=False)
    _has_quotes: bool = field(default=True, init=False)
    _has_books: bool = field(default=False, init=False)

    def take(self, payload: Any) -> None:
        """Hand on a quote."""
        quote: Quote = payload
        self.last_id = quote.update_id
        if self._has_quotes:
            self.outbox.put(quote)
        if self._has_books:
            bids = [(quote.bid, quote.bid_size)] if quote.bid else []
            asks = [(quote.ask, quote.ask_size)] if quote.ask else []
            self.outbox.put(
                VenueBook(
                    self.venue, self.symbol, bids, asks, quote.update_id, quote.event_time_ns,
                    quote.receive_time_ns, "1",
                )
            )  # fmt: skip

    def topics_changed(self) -> None:
        """Tell quotes, books of one level, or both."""
        channels = {topic.channel for topic in self.topics}
        self._has_quotes, self._has_books = Channel.QUOTES in channels, Channel.BOOK in channels

    def interrupted(self) -> None:
        """Ids may begin anew."""
        self.last_id = 0


@define(eq=False)
class TickerStream(Stream):
    """Tickers, merged. ``ticker`` is shared by streams that tell different fields of one market's."""

    ticker: MergedTicker = field(kw_only=True)

    def take(self, payload: Any) -> None:
        """Hand on the ticker as it is now."""
        self.outbox.put(self.ticker.merge(payload))

    def interrupted(self) -> None:
        """Fields that change now are not seen."""
        self.ticker.reset()


@define(eq=False)
class CandleStream(Stream):
    """Bars of a venue that marks none as closed."""

    _closer: BarCloser = field(factory=BarCloser, init=False)

    def take(self, payload: Any) -> None:
        """Hand on bars, closing the one before."""
        self.outbox.extend(self._closer.close(payload))

    def interrupted(self) -> None:
        """The end of the forming bar is not seen."""
        self._closer.reset()


@define(eq=False)
class BookStream(Stream):
    """A book kept in step. ``on_broken`` resynchronises it, ``on_waiting`` sees that a snapshot comes."""

    book: SyncedBook = field(kw_only=True)
    on_broken: Callable[[BookStream, str], None] = field(kw_only=True)
    on_waiting: Callable[[BookStream], None] = field(kw_only=True)
    detail: str = field(default="", kw_only=True)
    applied: int = field(default=0, init=False)
    ignored: int = field(default=0, init=False)
    breaks: int = field(default=0, init=False)
    attempts: int = field(default=0, init=False)
    not_before: float = field(default=0.0, init=False)
    last_receive_time_ns: int = field(default=0, init=False)
    _depth: int = field(default=DEFAULT_DEPTH, init=False)

    def take(self, payload: Any) -> None:
        """Apply an update, and hand on the book if it is in step."""
        update: BookUpdate = payload
        outcome = self.book.update(update)
        if outcome is APPLIED:
            self.applied += 1
            self._tell(update.receive_time_ns)
        elif isinstance(outcome, Broken):
            self.breaks += 1
            self.on_broken(self, outcome.reason)
        elif outcome is IGNORED:
            self.ignored += 1
        else:
            self.on_waiting(self)

    def join(self, snapshot: BookSnapshot, receive_time_ns: int) -> bool:
        """Take a snapshot asked for; returns whether the book is in step now."""
        assert isinstance(self.book, SnapshotBook)
        outcome = self.book.snapshot(snapshot)
        if outcome is APPLIED:
            self.applied += 1
            self._tell(receive_time_ns)
            self.outbox.wake()
        elif isinstance(outcome, Broken):
            self.breaks += 1
        return self.book.is_synced

    def _tell(self, receive_time_ns: int) -> None:
        book = self.book
        self.last_receive_time_ns = receive_time_ns
        bids, asks = book.top(self._depth)
        self.outbox.put(
            VenueBook(
                self.venue, self.symbol, bids, asks, book.last_id, book.event_time_ns, receive_time_ns,
                self.detail,
            )
        )  # fmt: skip

    def topics_changed(self) -> None:
        """Tell as many levels as the deepest topic asks for."""
        depths = [_depth_of(topic) for topic in self.topics]
        deepest = max(depths, default=DEFAULT_DEPTH)
        if deepest > self._depth and self.book.is_synced:
            self._depth = deepest
            self._tell(self.last_receive_time_ns)
            self.outbox.wake()
        self._depth = deepest

    def interrupted(self) -> None:
        """Begin anew."""
        self.book.reset()


def _depth_of(topic: FeedTopic) -> int:
    detail = topic.detail
    return (
        max(1, min(int(detail[:9]), MAX_DEPTH)) if detail.isascii() and detail.isdecimal() else DEFAULT_DEPTH
    )
