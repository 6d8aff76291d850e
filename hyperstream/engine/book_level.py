"""The books: a block's diffs applied, and what they changed in each market published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from attrs import define, field

from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.markets import Markets
from hyperstream.engine.order_level import OrderLevel
from hyperstream.engine.turns import Turns
from hyperstream.market.book import Book, JournalEntry
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.diff_lines import Diff
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
        self._applier = DiffApplier(self._report)
        self._turns = Turns(self.markets)

    def is_repeated(self, block: DiffBlock) -> bool:
        """Whether the books hold this block already."""
        last = self.markets.stamp.height
        return block.height < last or (block.height == last and not block.is_continuation)

    def apply(self, block: DiffBlock) -> int:
        """Apply a block that is not repeated, and publish what it changed; returns how many diffs it had.

        Markets do not depend on each other. Those that somebody follows take their turns first, and each
        subscriber gets its message after its own (see Turns). Raises FormatError if the block turns out
        to be unreadable; nothing of it is applied then.
        """
        self.markets.stamp = self._stamp(block)
        by_symbol = self._read(block)
        turns = self._turns
        turns.update()
        applied = Applied()
        changes: list[tuple[LiveMarket, list[JournalEntry]]] = []
        try:
            for turn in turns.turns:
                mine = [symbol for symbol in turn.symbols if symbol in by_symbol]
                self._apply(block, {symbol: by_symbol.pop(symbol) for symbol in mine}, applied, changes)
                turn.end(self.markets.hub)
            self._apply(block, by_symbol, applied, changes)
        finally:
            self.markets.hub.flush()
            self._applier.settle(applied)
            self.order_level.add_block(self.markets.stamp, applied.added, changes)
        return len(block.diffs)

    def _read(self, block: DiffBlock) -> dict[str, list[Diff]]:
        """The block's diffs by market."""
        by_symbol: dict[str, list[Diff]] = {}
        for diff in block.diffs:
            symbol = diff.symbol
            if symbol in by_symbol:
                by_symbol[symbol].append(diff)
            else:
                by_symbol[symbol] = [diff]
        return by_symbol

    def _stamp(self, block: DiffBlock) -> BlockStamp:
        return BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )

    def _apply(
        self,
        block: DiffBlock,
        by_symbol: dict[str, list[Diff]],
        applied: Applied,
        changes: list[tuple[LiveMarket, list[JournalEntry]]],
    ) -> None:
        """Apply the diffs of some markets, then publish what they changed."""
        books = self.markets.books
        changed: list[Book] = []
        for symbol, diffs in by_symbol.items():
            book = books[symbol] if symbol in books else self._open_book(symbol, diffs)
            if book is not None:
                self._applier.apply(book, diffs, applied)
                if book.is_watched or book.journal:
                    changed.append(book)
        if changed:
            self.markets.stamp = self._stamp(block)
            self._publish(changed, changes)

    def _open_book(self, symbol: str, diffs: list[Diff]) -> Book | None:
        """The book of a market seen for the first time, None if it is not wanted."""
        if symbol:
            return self.markets.open_book(symbol)
        for diff in diffs:
            if not self.counts["unreadable diff"]:
                log.warning("a diff names no market", detail=diff.change)
            self.counts["unreadable diff"] += 1
        return None

    def _publish(self, changed: list[Book], changes: list[tuple[LiveMarket, list[JournalEntry]]]) -> None:
        """Publish what changed in these books; adds their order-level changes to ``changes``."""
        markets, stamp = self.markets.by_symbol, self.markets.stamp
        for book in changed:
            market = markets[book.symbol]
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

    def _report(self, book: Book, cause: str, detail: str) -> None:
        """A contradiction between the node's diffs and a book."""
        self.counts[cause] += 1
        self.markets.doubt(self.markets.by_symbol[book.symbol], cause, detail)
