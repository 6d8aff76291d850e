"""The books: a block's diffs applied, and what they changed in each market published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from attrs import define, field

from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.markets import Markets
from hyperstream.engine.order_level import OrderLevel
from hyperstream.market.book import Book, JournalEntry
from hyperstream.market.order import Order
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.diffs import DiffApplier
from hyperstream.wire.node_blocks import DiffBlock

log = structlog.get_logger("hyperstream.engine")


@define(eq=False)
class BookLevel:
    """Applies blocks to the books of ``markets``. ``now_ns`` is the wall clock; ``counts`` are by cause.

    Levels and best prices are published here. Order-level changes are handed to ``order_level``,
    which waits for the statuses that explain them.
    """

    markets: Markets
    order_level: OrderLevel
    now_ns: Callable[[], int]
    counts: Counter[str]
    _applier: DiffApplier = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._applier = DiffApplier(self.markets.books, self.markets.open_book, self._report)

    def is_repeated(self, block: DiffBlock) -> bool:
        """Whether the books hold this block already."""
        last = self.markets.stamp.height
        return block.height < last or (block.height == last and not block.is_continuation)

    def apply(self, block: DiffBlock) -> None:
        """Apply a block that is not repeated, and publish what it changed."""
        markets = self.markets
        added: dict[int, Order] = {}
        changes: list[tuple[LiveMarket, list[JournalEntry]]] = []
        for events in self._followed_first(block.events):
            touched: dict[str, Book] = {}
            added |= self._applier.apply(events, touched)
            stamp = markets.stamp = BlockStamp(
                block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
            )
            self._publish(touched, stamp, changes)
        self.order_level.add_block(markets.stamp, added, changes)

    def _followed_first(self, events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """A block's diffs in one or two parts: those of markets that somebody follows come first.

        Markets do not depend on each other, so subscribers need not wait for the books that
        nobody looks at. Without followers, or with many, there is one part.
        """
        followed = self.markets.followed()
        if not followed or 2 * len(followed) > len(self.markets.by_symbol):
            return [events]
        try:
            first = [event for event in events if event["coin"] in followed]
            return [first, [event for event in events if event["coin"] not in followed]]
        except (KeyError, TypeError):
            return [events]  # something unreadable is among them: the applier tells which

    def _publish(
        self,
        touched: dict[str, Book],
        stamp: BlockStamp,
        changes: list[tuple[LiveMarket, list[JournalEntry]]],
    ) -> None:
        """Publish what changed in these books; adds their order-level changes to ``changes``."""
        markets = self.markets.by_symbol
        for symbol, book in touched.items():
            market = markets[symbol]
            if book.is_watched:
                if book.is_crossed:
                    self._report_crossed(book)
                market.publish_book(stamp)
            if book.journal:
                changes.append((market, book.journal))
                book.journal = []
        self.markets.hub.flush()

    def check_unwatched(self) -> None:
        """Look for crossed books where nobody looks: to do so in each block would cost too much."""
        for book in self.markets.books.values():
            if not book.is_watched and book.is_crossed:
                self._report_crossed(book)

    def _report_crossed(self, book: Book) -> None:
        detail = f"best bid at or above best ask after block {self.markets.stamp.height}"
        self._report(book, "crossed book", detail)

    def _report(self, book: Book | None, cause: str, detail: str) -> None:
        """A contradiction between the node's diffs and a book."""
        self.counts[cause] += 1
        if book is not None:
            self.markets.doubt(self.markets.by_symbol[book.symbol], cause, detail)
        elif self.counts[cause] == 1:
            log.warning("a diff names no market", cause=cause, detail=detail)
