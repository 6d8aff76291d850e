"""Books from L4 snapshots: all at the start, doubtful ones later.

A repair has to meet the stream exactly: the snapshot is of some height that was passed, or will
be passed, while it was being made and read. So from the request on the diffs of the doubtful
markets are kept as well as applied. When the snapshot of height h is there and block h has been
applied, the repaired book is the snapshot plus the kept diffs above h.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import attrgetter

from attrs import define, field

from hyperstream.errors import FormatError
from hyperstream.market.book import Book, BookFault
from hyperstream.market.decimals import DecimalCache
from hyperstream.market.order import MAX_OID
from hyperstream.market.stop_orders import StopOrder
from hyperstream.wire.diff_lines import Diff
from hyperstream.wire.diffs import Applied, DiffApplier
from hyperstream.wire.node_blocks import DiffBlock, HeightGap, SnapshotBegun, SnapshotEnded, SnapshotOrders
from hyperstream.wire.statuses import snapshot_attributes
from hyperstream.wire.trigger_statuses import stop_order

MAX_KEPT_DIFFS = 2_000_000


@define(eq=False)
class Staging:
    """Books being built from a snapshot. ``faults`` names what was wrong, by symbol.

    An order whose attributes cannot be read rests all the same, without them: ``bare`` counts those, and
    ``bare_problem`` says what was wrong with the first. ``stops`` are the orders that wait for their price,
    by symbol and oid; markets where one could not be read are ``unread_stops``. Books are built of
    ``symbols`` only, unless that is None.
    """

    height: int
    is_full: bool
    symbols: frozenset[str] | None = None
    books: dict[str, Book] = field(factory=dict)
    stops: dict[str, dict[int, StopOrder]] = field(factory=dict)
    unread_stops: set[str] = field(factory=set)
    faults: dict[str, str] = field(factory=dict)
    bare: int = 0
    bare_problem: str = ""
    _decimals: DecimalCache = field(factory=DecimalCache)
    _users: dict[str, str] = field(factory=dict)

    def add(self, orders: SnapshotOrders) -> None:
        """Append a piece of the snapshot to its book, and its trigger orders to those that wait."""
        if orders.triggers:
            self._add_triggers(orders)
        if self.symbols is not None and orders.symbol not in self.symbols:
            return
        book = self.books.get(orders.symbol)
        if book is None:
            book = self.books[orders.symbol] = Book(orders.symbol)
        side = book.bids if orders.side == "B" else book.asks
        for user, row in orders.orders:
            try:
                price = row["limitPx"]
                size_e8 = self._decimals[row["sz"]]
                if not size_e8:
                    continue
                oid = row["oid"]
                if type(oid) is not int or not 0 <= oid <= MAX_OID or type(user) is not str:
                    raise FormatError(f"oid or user of an order is impossible: {oid!r}, {user!r:.100}")
                shared = self._users.setdefault(user, user)
                order = side.load(oid, shared, price, size_e8)
            except (BookFault, FormatError, KeyError, TypeError) as fault:
                self.faults.setdefault(orders.symbol, f"snapshot of height {self.height}: {fault}")
                continue
            try:
                order.attributes = snapshot_attributes(row)
            except FormatError as fault:
                self.bare += 1
                self.bare_problem = self.bare_problem or str(fault)

    def _add_triggers(self, orders: SnapshotOrders) -> None:
        """Take in orders that wait; both sides of a market list the same."""
        stops = self.stops.setdefault(orders.symbol, {})
        for user, row in orders.triggers:
            try:
                order = stop_order(user, row)
            except FormatError as fault:
                self.bare += 1
                self.bare_problem = self.bare_problem or str(fault)
                self.unread_stops.add(orders.symbol)
            else:
                stops[order.oid] = order


@define(eq=False)
class Repair:
    """The repair of some markets under way. ``staging`` is there once the snapshot begins.

    ``after_height`` is the last block before the diffs that are kept, ``lost_height`` the last one
    missing among them.
    """

    symbols: frozenset[str]
    after_height: int
    kept: list[tuple[int, list[Diff]]] = field(factory=list)
    kept_diffs: int = 0
    staging: Staging | None = None
    is_staged: bool = False
    lost_height: int = 0

    def keep(self, block: DiffBlock) -> None:
        """Keep the block's diffs of the markets under repair."""
        symbols = self.symbols
        mine = [diff for diff in block.diffs if diff.symbol in symbols]
        if mine:
            self.kept.append((block.height, mine))
            self.kept_diffs += len(mine)

    def lose(self, gap: HeightGap) -> None:
        """The diffs of these blocks cannot be kept: a snapshot before their end is of no use."""
        self.lost_height = max(self.lost_height, gap.last_missing)

    @property
    def trouble(self) -> str:
        """Why the repair has to begin anew; empty while it can go on."""
        if self.kept_diffs > MAX_KEPT_DIFFS:
            return f"the snapshot took so long that {self.kept_diffs} diffs were kept"
        if self.staging is None or not self.is_staged:
            return ""
        height = self.staging.height
        if height < self.after_height:
            return f"the snapshot of height {height} is older than block {self.after_height}"
        if height < self.lost_height:
            return f"blocks up to {self.lost_height} are missing after the snapshot of height {height}"
        return ""

    def begin(self, begun: SnapshotBegun) -> None:
        """A snapshot arrives."""
        self.staging = Staging(begun.height, is_full=False, symbols=self.symbols)
        self.is_staged = False

    def end(self, ended: SnapshotEnded) -> None:
        """The snapshot is complete, or broke off and will be asked for again."""
        if ended.is_complete and self.staging is not None:
            self.is_staged = True
        else:
            self.staging = None

    def is_ready(self, height: int) -> bool:
        """Whether the books can be put in place now that block ``height`` was applied."""
        if self.staging is None or not self.is_staged:
            return False
        return height >= self.staging.height or not self.symbols

    def books(self, report: Callable[[Book, str, str], None]) -> dict[str, Book]:
        """The repaired books: the snapshot, and the diffs after it. A market it lacks is empty."""
        assert self.staging is not None
        books = {symbol: self.staging.books.get(symbol) or Book(symbol) for symbol in self.symbols}
        applier = DiffApplier(report)
        for height, diffs in self.kept:
            if height > self.staging.height:
                applied = Applied()
                for symbol, mine in groupby(sorted(diffs, key=_symbol), key=_symbol):
                    applier.apply(books[symbol], mine, applied)
                applier.settle(applied)
        return books


_symbol = attrgetter("symbol")
