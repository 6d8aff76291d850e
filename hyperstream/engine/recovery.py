"""Loading every book at the start, and repairing doubtful ones while the stream goes on."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from attrs import define

from hyperstream.engine.collector import pause_collector, resume_collector, set_books_aside
from hyperstream.engine.markets import Markets
from hyperstream.engine.order_level import OrderLevel
from hyperstream.engine.repair import Repair, Staging
from hyperstream.engine.stop_level import StopLevel
from hyperstream.market.book import Book
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.node_blocks import (
    DiffBlock,
    HeightGap,
    RepairRequest,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
)

log = structlog.get_logger("hyperstream.engine")

REASONS_TOLD = 3


@define(eq=False)
class Recovery:
    """Takes in snapshots. ``request`` asks the source for one; None if nothing can be repaired."""

    markets: Markets
    order_level: OrderLevel
    stop_level: StopLevel
    now_ns: Callable[[], int]
    request: Callable[[RepairRequest], None] | None
    _staging: Staging | None = None
    _repair: Repair | None = None

    def begin(self, begun: SnapshotBegun) -> None:
        """A snapshot arrives."""
        if begun.is_full:
            pause_collector()
            self._staging = Staging(begun.height, is_full=True)
        elif self._repair is not None:
            self._repair.begin(begun)

    def add(self, orders: SnapshotOrders) -> None:
        """A piece of it."""
        if self._staging is not None:
            self._staging.add(orders)
        elif self._repair is not None and self._repair.staging is not None:
            self._repair.staging.add(orders)

    def end(self, ended: SnapshotEnded) -> bool:
        """It is complete, or broke off. Returns whether all books were loaded from it."""
        if self._staging is not None:
            staging, self._staging = self._staging, None
            if ended.is_complete:
                self._load_all(staging, has_triggers=ended.has_triggers)
            else:
                resume_collector()
            return ended.is_complete
        if self._repair is not None:
            self._repair.end(ended)
            if self._repair.staging is not None:
                self.stop_level.stage(self._repair.staging, ended.has_triggers)
            self._finish_repair()
        return False

    def _load_all(self, staging: Staging, *, has_triggers: bool) -> None:
        """Every book is the snapshot's now; the next block is the one after its height."""
        self._repair = None
        self.order_level.clear(staging.height)
        markets = self.markets
        markets.stamp = BlockStamp(staging.height, 0, 0, 0, self.now_ns())
        for symbol in (*staging.books, *staging.stops):
            markets.open(symbol)
        reason = f"books were loaded from the snapshot of height {staging.height}"
        for symbol in markets.by_symbol:
            self._put(symbol, staging.books.get(symbol) or Book(symbol), reason, staging.faults)
        self.stop_level.load_all(staging, has_triggers)
        set_books_aside()
        self._tell_bare(staging)
        log.info(
            "books loaded",
            height=staging.height,
            markets=len(markets.by_symbol),
            orders=markets.order_count(),
        )

    def _tell_bare(self, staging: Staging) -> None:
        """Count the orders that rest without attributes because the snapshot's cannot be read."""
        if not staging.bare:
            return
        counts = self.markets.counts
        if not counts["orders of snapshots without attributes"]:
            log.warning(
                "orders of a snapshot have attributes that cannot be read; they rest without",
                height=staging.height, orders=staging.bare, problem=staging.bare_problem,
            )  # fmt: skip
        counts["orders of snapshots without attributes"] += staging.bare

    def _put(self, symbol: str, book: Book, reason: str, faults: dict[str, str]) -> None:
        self.markets.replace_book(symbol, book, reason)
        if symbol in faults:
            self.markets.doubt(self.markets.by_symbol[symbol], "bad snapshot", faults[symbol])

    def block_applied(self, block: DiffBlock) -> None:
        """Keep what a repair under way will need, and finish it once it can be."""
        if self._repair is not None:
            self._repair.keep(block)
            self._finish_repair()

    def lose(self, gap: HeightGap) -> None:
        """Blocks of diffs are missing; a repair under way may need them."""
        if self._repair is not None:
            self._repair.lose(gap)
            self._finish_repair()

    def request_repairs(self) -> None:
        """Ask for a snapshot of the markets that are doubtful, unless one is under way."""
        if self._repair is not None or self.request is None:
            return
        books, stops = self.markets.doubtful(), self.stop_level.doubtful()
        if not books and self.stop_level.repair is not None:
            return
        reasons = stops | books
        if reasons:
            height = self.markets.stamp.height
            self._repair = Repair(frozenset(books), height)
            self.stop_level.begin_repair(frozenset(stops))
            told = "; ".join(sorted(set(reasons.values()))[:REASONS_TOLD])
            height = max(height, self.markets.statuses_stamp.height)
            self.request(RepairRequest(frozenset(reasons), height, told))

    def _finish_repair(self) -> None:
        repair = self._repair
        counts = self.markets.counts
        if repair is None:
            return
        if repair.trouble:
            log.warning("a repair begins anew", markets=len(repair.symbols), reason=repair.trouble)
            counts["repairs abandoned"] += 1
            self._repair = None
            return
        staging = repair.staging
        if staging is None or not repair.is_ready(self.markets.stamp.height):
            return
        self._repair = None
        faults = dict(staging.faults)

        def report(book: Book, cause: str, detail: str) -> None:
            faults.setdefault(book.symbol, f"{cause}: {detail}")

        books = repair.books(report)
        for symbol, book in books.items():
            self.order_level.replace_book(self.markets.by_symbol[symbol], book)
            reason = f"the book was repaired from the snapshot of height {staging.height}"
            self._put(symbol, book, reason, faults)
        self._tell_bare(staging)
        counts["markets repaired"] += len(books) - len(faults)
        log.info("books repaired", height=staging.height, markets=len(books), still_doubtful=len(faults))
