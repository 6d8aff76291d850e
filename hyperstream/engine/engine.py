"""The engine: node items in, books kept, updates out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.engine.collector import set_books_aside
from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.order_level import OrderLevel
from hyperstream.engine.repair import Repair, Staging
from hyperstream.hub.hub import Hub
from hyperstream.market.book import Book
from hyperstream.market.updates import GAP_SOURCE, BlockStamp, MarketName
from hyperstream.wire.diffs import DiffApplier
from hyperstream.wire.fills import pair_fills
from hyperstream.wire.node_blocks import (
    DiffBlock,
    FillBlock,
    HeightGap,
    InstrumentsListed,
    NodeItem,
    Position,
    RepairRequest,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
    SourceStarted,
    StatusBlock,
)

if TYPE_CHECKING:
    from hyperstream.engine.topics import MarketFormats
    from hyperstream.market.trades import Trade

log = structlog.get_logger("hyperstream.engine")

TICK_SECONDS = 0.1
RETIRE_EVERY_TICKS = 20
_NS = 1_000_000_000


@frozen
class EngineStatistics:
    """Where the engine stands. ``counts`` are contradictions and oddities by cause."""

    is_ready: bool
    height: int
    blocks: int
    events: int
    trades: int
    markets: int
    orders: int
    doubtful: dict[str, str]
    counts: dict[str, int]
    positions: dict[str, Position]


@define(eq=False)
class Engine:
    """Owns every market. ``apply`` takes one item of the node source, synchronously.

    ``wanted`` are the symbols to keep (``{"*"}``: all). ``now_ns`` is the wall clock.
    ``request_repair`` asks the source for a snapshot; None if nothing can be repaired.
    """

    hub: Hub
    formats: MarketFormats
    now_ns: Callable[[], int]
    request_repair: Callable[[RepairRequest], None] | None
    wanted: frozenset[str] = frozenset({"*"})
    status_wait_seconds: float = 5.0
    snapshot_chunk_orders: int = 500
    markets: dict[str, LiveMarket] = field(factory=dict)
    counts: Counter[str] = field(factory=Counter)
    positions: dict[str, Position] = field(factory=dict)
    stamp: BlockStamp = field(factory=lambda: BlockStamp(0, 0, 0, 0, 0))
    is_ready: bool = False
    blocks: int = 0
    events: int = 0
    trades: int = 0
    _ready: trio.Event = field(factory=trio.Event)
    _books: dict[str, Book] = field(factory=dict)
    _symbols: dict[int, str] = field(factory=dict)
    _applier: DiffApplier = field(init=False)
    _order_level: OrderLevel = field(init=False)
    _followers: dict[Callable[[LiveMarket], None], None] = field(factory=dict)
    _staging: Staging | None = None
    _repair: Repair | None = None

    def __attrs_post_init__(self) -> None:
        self._applier = DiffApplier(self._books, self._open_book, self._report)
        self._order_level = OrderLevel(int(self.status_wait_seconds * _NS), self.counts)

    # --- driving it ---

    async def run(self, items: trio.MemoryReceiveChannel[NodeItem]) -> None:
        """Apply what the source hands over until its channel is closed and empty."""
        async with items:
            async for item in items:
                self.apply(item)

    async def tick(self) -> None:
        """What time alone brings about: giving up on late statuses, dropping unused topics."""
        ticks = 0
        while True:
            await trio.sleep(TICK_SECONDS)
            ticks += 1
            now_ns = self.now_ns()
            self._order_level.give_up_waiting(now_ns)
            self.request_repairs()
            if ticks % RETIRE_EVERY_TICKS == 0:
                for market in self.markets.values():
                    if market.books or market.bbo or market.trades or market.orders:
                        market.retire_topics(now_ns)
            self.hub.flush()

    async def wait_ready(self) -> None:
        """Wait until the books can be used."""
        await self._ready.wait()

    def apply(self, item: NodeItem) -> None:
        """Apply one item and publish what it changed."""
        match item:
            case DiffBlock():
                self._apply_diffs(item)
            case StatusBlock():
                self.positions["statuses"] = item.position
                self._order_level.add_statuses(item)
            case FillBlock():
                self._apply_fills(item)
            case SnapshotOrders():
                self._apply_snapshot(item)
            case SnapshotBegun():
                self._begin_snapshot(item)
            case SnapshotEnded():
                self._end_snapshot(item)
            case HeightGap():
                self._apply_gap(item)
            case InstrumentsListed():
                self._identify(item)
            case SourceStarted():
                self._order_level.expect_statuses("statuses" in item.sources)
        self.hub.flush()

    # --- blocks ---

    def _apply_diffs(self, block: DiffBlock) -> None:
        height = block.height
        if height < self.stamp.height or (height == self.stamp.height and not block.is_continuation):
            self.counts["repeated block"] += 1
            return
        touched: dict[str, Book] = {}
        added = self._applier.apply(block.events, touched)
        stamp = BlockStamp(height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns())
        self.stamp = stamp
        self.positions["diffs"] = block.position
        self.blocks += 1
        self.events += len(block.events)
        changes = []
        markets = self.markets
        for symbol, book in touched.items():
            market = markets[symbol]
            if book.is_crossed:
                self._report(book, "crossed book", f"best bid at or above best ask after block {height}")
            market.publish_book(stamp)
            if book.journal:
                changes.append((market, book.journal))
                book.journal = []
        self.hub.flush()
        self._order_level.add_block(stamp, added, changes)
        if self._repair is not None:
            self._repair.keep(block)
            self._continue_repair()
        self._declare_ready()

    def _apply_fills(self, block: FillBlock) -> None:
        self.positions["fills"] = block.position
        self.trades += len(block.events) // 2
        if not any(market.trades is not None for market in self.markets.values()):
            return
        stamp = BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )
        by_symbol: dict[str, list[Trade]] = {}
        for trade in pair_fills(block.events, self._report_fill):
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, trades in by_symbol.items():
            market = self.market(symbol)
            if market is not None and market.trades is not None:
                market.trades.publish(stamp, trades)

    def _apply_gap(self, gap: HeightGap) -> None:
        missing = gap.last_missing - gap.first_missing + 1
        self.counts[f"missing blocks of {gap.source}"] += missing
        detail = f"blocks {gap.first_missing} to {gap.last_missing} of the node's {gap.source} are missing"
        log.warning("blocks are missing", source=gap.source, missing=missing, detail=detail, why=gap.reason)
        if gap.source == "diffs":
            for market in self.markets.values():
                self._doubt(market, f"{detail}: {gap.reason}")
        elif gap.source == "fills":
            for market in self.markets.values():
                if market.trades is not None:
                    topic = market.trades.topic
                    topic.tell_gap(market.gap(topic, GAP_SOURCE, f"{detail}: {gap.reason}"))

    # --- markets ---

    @property
    def height(self) -> int:
        """The last block applied."""
        return self.stamp.height

    def all_markets(self) -> Iterable[LiveMarket]:
        """Every market, in the order of their appearance."""
        return self.markets.values()

    def find_symbol(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol."""
        return self.markets.get(symbol)

    def find_id(self, market_id: int) -> LiveMarket | None:
        """The market with this asset index, once the info server has told it."""
        symbol = self._symbols.get(market_id)
        return self.markets.get(symbol) if symbol is not None else None

    def market(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol, made if it is wanted; None if it is not."""
        market = self.markets.get(symbol)
        if market is not None:
            return market
        if "*" not in self.wanted and symbol not in self.wanted:
            return None
        book = self._books[symbol] = Book(symbol)
        market = LiveMarket(
            name=MarketName(symbol),
            book=book,
            hub=self.hub,
            formats=self.formats,
            current_stamp=lambda: self.stamp,
            is_settled=lambda: self._order_level.is_settled,
            chunk_orders=self.snapshot_chunk_orders,
        )
        self.markets[symbol] = market
        for follow in list(self._followers):
            follow(market)
        return market

    def _open_book(self, symbol: Any) -> Book | None:
        market = self.market(symbol) if isinstance(symbol, str) else None
        return market.book if market is not None else None

    def follow_new_markets(self, follow: Callable[[LiveMarket], None]) -> None:
        """Call ``follow`` with every market that appears from now on."""
        self._followers[follow] = None

    def unfollow_new_markets(self, follow: Callable[[LiveMarket], None]) -> None:
        """Undo follow_new_markets; fine if it is undone already."""
        self._followers.pop(follow, None)

    def _identify(self, listed: InstrumentsListed) -> None:
        for instrument in listed.instruments:
            market = self.market(instrument.symbol)
            if market is not None:
                market.identify(instrument)
                self._symbols[instrument.market_id] = instrument.symbol

    # --- doubt and repair ---

    def _report(self, book: Book | None, cause: str, detail: str) -> None:
        """A contradiction between the node's diffs and a book."""
        self.counts[cause] += 1
        if book is None:
            if self.counts[cause] == 1:
                log.warning("a diff names no market", cause=cause, detail=detail)
            return
        self._doubt(self.markets[book.symbol], f"{cause}: {detail}")

    def _report_fill(self, detail: str) -> None:
        self.counts["unreadable fill"] += 1
        if self.counts["unreadable fill"] == 1:
            log.warning("a fill cannot be read", detail=detail)

    def _doubt(self, market: LiveMarket, reason: str) -> None:
        if market.doubt:
            return
        cause = reason.partition(":")[0]
        self.counts["markets doubted"] += 1
        if self.counts[f"doubt: {cause}"] == 0:
            log.warning("a book is doubtful until repaired", symbol=market.symbol, reason=reason)
        self.counts[f"doubt: {cause}"] += 1
        market.doubt_because(reason)

    def _begin_snapshot(self, begun: SnapshotBegun) -> None:
        if begun.is_full:
            self._staging = Staging(begun.height, is_full=True)
        elif self._repair is not None:
            self._repair.begin(begun)

    def _apply_snapshot(self, orders: SnapshotOrders) -> None:
        if self._staging is not None:
            self._staging.add(orders)
        elif self._repair is not None and self._repair.staging is not None:
            self._repair.staging.add(orders)

    def _end_snapshot(self, ended: SnapshotEnded) -> None:
        if self._staging is not None:
            staging, self._staging = self._staging, None
            if ended.is_complete:
                self._replace_all(staging)
        elif self._repair is not None:
            self._repair.end(ended)
            self._continue_repair()

    def _replace_all(self, staging: Staging) -> None:
        """Every book is the snapshot's now; the next block is the one after its height."""
        staging.finish()
        self._repair = None
        self._order_level.clear()
        self.stamp = BlockStamp(staging.height, 0, 0, 0, self.now_ns())
        for symbol in staging.books:
            self.market(symbol)
        for symbol, market in self.markets.items():
            book = self._books[symbol] = staging.books.get(symbol) or Book(symbol)
            market.replace_book(book, f"books were loaded from the snapshot of height {staging.height}")
            if symbol in staging.faults:
                self._doubt(market, staging.faults[symbol])
        set_books_aside()
        log.info("books loaded", height=staging.height, markets=len(self.markets), orders=self._order_count())
        self._declare_ready()

    def request_repairs(self) -> None:
        """Ask for a snapshot of the markets that are doubtful, unless one is under way."""
        if self._repair is not None or self.request_repair is None:
            return
        doubtful = frozenset(symbol for symbol, market in self.markets.items() if market.doubt)
        if doubtful:
            self._repair = Repair(doubtful, self.stamp.height)
            self.request_repair(RepairRequest(doubtful, self.stamp.height, self._reasons(doubtful)))

    def _reasons(self, symbols: frozenset[str]) -> str:
        return "; ".join(sorted({self.markets[symbol].doubt for symbol in symbols})[:3])

    def _continue_repair(self) -> None:
        repair = self._repair
        if repair is None:
            return
        if repair.is_too_large:
            log.warning("a repair took too long and begins anew", symbols=len(repair.symbols))
            self.counts["repair abandoned"] += 1
            self._repair = None
            return
        if not repair.is_ready(self.stamp.height):
            return
        staging = repair.staging
        assert staging is not None
        self._repair = None
        faults = dict(staging.faults)
        books = repair.books(
            lambda book, cause, detail: faults.update(
                {book.symbol: f"{cause}: {detail}"} if book is not None else {}
            )
        )
        for symbol, book in books.items():
            market = self.markets[symbol]
            self._order_level.forget_market(market)
            self._books[symbol] = book
            market.replace_book(book, f"repaired from the snapshot of height {staging.height}")
            if symbol in faults:
                self._doubt(market, faults[symbol])
        self.counts["markets repaired"] += len(books) - len(faults)
        log.info("books repaired", height=staging.height, markets=len(books), still_doubtful=len(faults))

    def _declare_ready(self) -> None:
        if not self.is_ready:
            self.is_ready = True
            self._ready.set()

    # --- looking at it ---

    def _order_count(self) -> int:
        return sum(market.book.order_count for market in self.markets.values())

    def statistics(self) -> EngineStatistics:
        """Where it stands."""
        return EngineStatistics(
            is_ready=self.is_ready,
            height=self.stamp.height,
            blocks=self.blocks,
            events=self.events,
            trades=self.trades,
            markets=len(self.markets),
            orders=self._order_count(),
            doubtful={symbol: market.doubt for symbol, market in self.markets.items() if market.doubt},
            counts=dict(self.counts),
            positions=dict(self.positions),
        )
