"""Who hears of one market of the node within the process: prices and indicators of our own books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hyperstream.market.book import Book
from hyperstream.market.trades import Trade
from hyperstream.market.updates import BlockStamp


class MarketListener(Protocol):
    """Called at a block's end with what changed, while the book stands still."""

    def book_changed(self, book: Book, stamp: BlockStamp) -> None:
        """The block touched the book, or another book took its place."""

    def traded(self, trades: Sequence[Trade], stamp: BlockStamp) -> None:
        """The block had trades."""

    def book_doubted(self, reason: str) -> None:
        """The book may be wrong until it is replaced."""

    def trades_missed(self, reason: str) -> None:
        """Trades are missing."""
