"""The books: a block's diffs applied, and what they changed in each market published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import structlog
from attrs import define, field

from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.markets import Markets
from hyperstream.engine.order_level import OrderLevel
from hyperstream.engine.turns import Turns
from hyperstream.market.book import Book, JournalEntry
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.diffs import Applied, DiffApplier
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
    _turns: Turns = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._applier = DiffApplier(self.markets.books, self.markets.open_book, self._report)
        self._turns = Turns(self.markets)

    def is_repeated(self, block: DiffBlock) -> bool:
        """Whether the books hold this block already."""
        last = self.markets.stamp.height
        return block.height < last or (block.height == last and not block.is_continuation)

    def apply(self, block: DiffBlock) -> int:
        """Apply a block that is not repeated, and publish what it changed; returns how many diffs it had.

        Markets do not depend on each other. Those that somebody follows take their turns first, and each
        subscriber gets its message after its own (see Turns). Raises FormatError if the block turns out to
        be unreadable, which may be after some turns.
        """
        turns = self._turns
        turns.update()
        self.markets.stamp = self._stamp(block)
        applied = Applied()
        changes: list[tuple[LiveMarket, list[JournalEntry]]] = []
        try:
            if not turns.turns:
                return self._apply(block, block.events, applied, changes)
            in_lots = (
                turns.lots.of_events(block.events) if block.is_parsed else turns.lots.of_line(block.line)
            )
            count = 0
            for turn, events in zip_longest(turns.turns, in_lots):
                count += self._apply(block, events, applied, changes)
                if turn is not None:
                    turn.end(self.markets.hub)
            return count
        finally:
            self.markets.hub.flush()
            self._applier.settle(applied)
            self.order_level.add_block(self.markets.stamp, applied.added, changes)

    def _stamp(self, block: DiffBlock) -> BlockStamp:
        return BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )

    def _apply(
        self,
        block: DiffBlock,
        events: list[dict[str, Any]],
        applied: Applied,
        changes: list[tuple[LiveMarket, list[JournalEntry]]],
    ) -> int:
        """Apply some of a block's diffs and publish what they changed; returns how many they are."""
        if events:
            applied.touched = {}
            self._applier.apply(events, applied)
            self.markets.stamp = self._stamp(block)
            self._publish(applied.touched, self.markets.stamp, changes)
        return len(events)

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
