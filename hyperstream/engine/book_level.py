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
        subscriber gets its message after its own (see Turns); what only those follow who do not keep up, or
        nobody any more, is published when the others have been written to. Raises FormatError if the block
        turns out to be unreadable; nothing of it is applied then.
        """
        self.markets.stamp = self._stamp(block)
        by_symbol = self._read(block)
        applied = Applied()
        changed: dict[str, LiveMarket] = {}
        journals: list[tuple[LiveMarket, list[JournalEntry]]] = []
        try:
            for turn in self._turns.turns:
                mine = [symbol for symbol in turn.symbols if symbol in by_symbol]
                self._apply({symbol: by_symbol.pop(symbol) for symbol in mine}, applied, changed, journals)
                if changed:
                    self.markets.stamp = self._stamp(block)
                    turn.publish(changed, self.markets.stamp)
                    turn.end(self.markets.hub)
            self._apply(by_symbol, applied, changed, journals)
        finally:
            self._publish_rest(block, changed)
            self._applier.settle(applied)
            self.order_level.add_block(self.markets.stamp, applied.added, journals)
            self._turns.update()
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
        by_symbol: dict[str, list[Diff]],
        applied: Applied,
        changed: dict[str, LiveMarket],
        journals: list[tuple[LiveMarket, list[JournalEntry]]],
    ) -> None:
        """Apply the diffs of some markets; adds those that are watched, and order-level changes."""
        markets, books = self.markets.by_symbol, self.markets.books
        for symbol, diffs in by_symbol.items():
            book = books[symbol] if symbol in books else self._open_book(symbol, diffs)
            if book is None:
                continue
            self._applier.apply(book, diffs, applied)
            if book.is_watched:
                if book.is_crossed:
                    self._report_crossed(book)
                changed[symbol] = markets[symbol]
            if book.journal:
                journals.append((markets[symbol], book.journal))
                book.journal = []

    def _open_book(self, symbol: str, diffs: list[Diff]) -> Book | None:
        """The book of a market seen for the first time, None if it is not wanted."""
        if symbol:
            return self.markets.open_book(symbol)
        for diff in diffs:
            if not self.counts["unreadable diff"]:
                log.warning("a diff names no market", detail=diff.change)
            self.counts["unreadable diff"] += 1
        return None

    def _publish_rest(self, block: DiffBlock, changed: dict[str, LiveMarket]) -> None:
        """Publish what no turn has published: to those who keep up, and then to everybody."""
        hub = self.markets.hub
        self.markets.stamp = stamp = self._stamp(block)
        for market in changed.values():
            market.publish_prompt(stamp)
        hub.flush_prompt()
        for market in changed.values():
            market.publish_rest(stamp)
        hub.flush()

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
