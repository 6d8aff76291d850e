"""What a server needs to know of the markets; the engine provides it.

Servers and engine do not know each other: both know this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from attrs import frozen

from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.aggregation import Aggregation
from hyperstream.market.book import Book
from hyperstream.market.candles import Candle
from hyperstream.market.stop_orders import StopOrdersChunk
from hyperstream.market.updates import BlockStamp, BookSnapshot, MarketName
from hyperstream.wire.node_blocks import Instrument


@frozen
class BookVariant:
    """What a subscriber of a book asked for; those who ask for the same share one topic."""

    depth: int
    aggregation: Aggregation | None = None
    snapshots_only: bool = False


class CandleSource(Protocol):
    """The candles of one market."""

    @property
    def last_price_e8(self) -> int | None:
        """The price of the last trade seen."""

    def stream(self, interval: str, wire_format: WireFormat) -> Topic:
        """The candle of an interval that forms; ``interval`` is one of market/candles.py's."""

    def between(self, interval: str, first_ms: int, last_ms: int) -> Iterator[Candle]:
        """The candles kept of a span of time, oldest first."""


class WaitingOrders(Protocol):
    """The stop and take-profit orders of one market that wait for their price."""

    def stream(self, wire_format: WireFormat) -> Topic:
        """Their topic."""

    def now(self, wire_format: WireFormat) -> StopOrdersChunk:
        """All of them now, in one chunk; epoch and sequence are those of the topic, 0 if there is none."""


class PublishedMarket(Protocol):
    """One market, and the topics it is published under; a topic is made when first asked for.

    Topics are spelled in the format asked for, or in the engine's own; each format has topics of its own.
    """

    name: MarketName
    book: Book
    doubt: str
    instrument: Instrument | None

    @property
    def stamp(self) -> BlockStamp:
        """The block the book stands after."""

    @property
    def stops(self) -> WaitingOrders:
        """Its orders that wait for their price."""

    @property
    def candles(self) -> CandleSource | None:
        """Its candles; None where none are kept."""

    def book_stream(self, variant: BookVariant, wire_format: WireFormat | None = None) -> Topic:
        """The book to a depth."""

    def book_now(self, variant: BookVariant) -> BookSnapshot:
        """A variant of the book as it stands, for who asks once: nothing is published for it.

        Its epoch and sequence are those of the topic that somebody follows, 0 if nobody does.
        """

    def bbo_stream(self, wire_format: WireFormat | None = None) -> Topic:
        """The best bid and ask."""

    def trades_stream(self, wire_format: WireFormat | None = None) -> Topic:
        """The trades."""

    def orders_stream(self, wire_format: WireFormat | None = None, *, passes_statuses: bool = False) -> Topic:
        """Every order. ``passes_statuses``: the format passes on the node's own order statuses."""


class MarketDirectory(Protocol):
    """All markets. ``is_ready`` says whether their books can be used yet."""

    @property
    def is_ready(self) -> bool:
        """Whether the books have been loaded."""

    @property
    def height(self) -> int:
        """The last block applied."""

    def all_markets(self) -> Iterable[PublishedMarket]:
        """Every market, in the order of their appearance."""

    def find_symbol(self, symbol: str) -> PublishedMarket | None:
        """The market with this symbol."""

    def find_id(self, market_id: int) -> PublishedMarket | None:
        """The market with this asset index."""

    def follow_new_markets(self, follow: Callable[[PublishedMarket], None]) -> None:
        """Call ``follow`` with every market that appears from now on."""

    def unfollow_new_markets(self, follow: Callable[[PublishedMarket], None]) -> None:
        """Undo follow_new_markets; fine if it is undone already."""
