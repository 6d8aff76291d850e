"""Which kind of stream a topic needs."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from attrs import define, field

from hyperstream.market.venue_ticker import MergedTicker
from hyperstream.market.venues import Channel, FeedTopic
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.streams import (
    BookStream,
    CandleStream,
    QuoteStream,
    Stream,
    TickerStream,
    TradeStream,
)
from hyperstream.sources.exchanges.venue import Venue


@define(eq=False)
class StreamMaker:
    """Makes the streams of a venue; ``on_broken`` and ``on_waiting`` are what its books call."""

    venue: Venue
    outbox: Outbox
    on_broken: Callable[[BookStream, str], None]
    on_waiting: Callable[[BookStream], None]
    _tickers: WeakValueDictionary[str, MergedTicker] = field(factory=WeakValueDictionary, init=False)

    def make(self, key: str, topic: FeedTopic) -> Stream:
        """Return a stream that serves a topic (and others like it)."""
        venue = self.venue
        common = (venue.name, key, topic.symbol, self.outbox)
        match topic.channel:
            case Channel.TRADES:
                return TradeStream(*common)
            case Channel.TICKER:
                return TickerStream(*common, ticker=self._ticker(topic.symbol))
            case Channel.BARS if not venue.marks_closed_bars:
                return CandleStream(*common)
            case Channel.BOOK if not venue.is_quote(key):
                return BookStream(
                    *common,
                    book=venue.book(topic.symbol),
                    on_broken=self.on_broken,
                    on_waiting=self.on_waiting,
                    detail=venue.book_detail(key),
                )
            case Channel.QUOTES | Channel.BOOK:
                return QuoteStream(*common)
        return Stream(*common)

    def _ticker(self, symbol: str) -> MergedTicker:
        """The one ticker of a symbol, which several streams may fill."""
        ticker = self._tickers.get(symbol)
        if ticker is None:
            ticker = self._tickers[symbol] = MergedTicker(self.venue.name, symbol)
        return ticker
