"""The engine: node items in, books kept, updates out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.engine.collector import IdleCollector
from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.markets import Markets
from hyperstream.engine.order_level import OrderLevel
from hyperstream.engine.recovery import Recovery
from hyperstream.engine.topics import MarketFormats
from hyperstream.hub.hub import Hub
from hyperstream.market.book import Book, JournalEntry
from hyperstream.market.order import Order
from hyperstream.market.trades import Trade
from hyperstream.market.updates import GAP_SOURCE, BlockStamp
from hyperstream.wire.diffs import DiffApplier
from hyperstream.wire.fills import pair_fills
from hyperstream.wire.node_blocks import (
    DiffBlock,
    FillBlock,
    HeightGap,
    InstrumentsListed,
    NodeBlock,
    NodeItem,
    Position,
    RepairRequest,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
    SourceStarted,
    StatusBlock,
)

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
    counts: Counter[str] = field(factory=Counter)
    positions: dict[str, Position] = field(factory=dict)
    is_ready: bool = False
    blocks: int = 0
    events: int = 0
    trades: int = 0
    _fill_height: int = 0
    _collector: IdleCollector = field(factory=IdleCollector)
    _ready: trio.Event = field(factory=trio.Event)
    _order_level: OrderLevel = field(init=False)
    _markets: Markets = field(init=False)
    _applier: DiffApplier = field(init=False)
    _recovery: Recovery = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._order_level = OrderLevel(int(self.status_wait_seconds * _NS), self.all_markets, self.counts)
        self._markets = Markets(
            self.hub,
            self.formats,
            self.wanted,
            self.snapshot_chunk_orders,
            lambda: self._order_level.is_settled,
            self.counts,
        )
        self._applier = DiffApplier(self._markets.books, self._markets.open_book, self._report)
        self._recovery = Recovery(self._markets, self._order_level, self.now_ns, self.request_repair)

    # --- driving it ---

    async def run(self, items: trio.MemoryReceiveChannel[NodeItem]) -> None:
        """Apply what the source hands over until its channel is closed and empty."""
        async with items:
            while batch := await _receive_all(items):
                await self._apply_all(batch)
                if not items.statistics().current_buffer_used:
                    self.rest()

    async def _apply_all(self, items: list[NodeItem]) -> None:
        """Apply what has come, statuses last: they are the most work and the least urgent.

        Empties the list: a block is freed when it has been applied, not when the next one comes.
        """
        items.sort(key=lambda item: isinstance(item, StatusBlock))
        items.reverse()
        while items:
            self.apply(items.pop())
            await trio.lowlevel.checkpoint()

    def rest(self) -> None:
        """Nothing waits to be applied: do what else has to be done now and then."""
        self._collector.rest()

    async def tick(self) -> None:
        """What time alone brings about: giving up on late statuses, dropping unused topics."""
        ticks = 0
        while True:
            await trio.sleep(TICK_SECONDS)
            ticks += 1
            now_ns = self.now_ns()
            self._order_level.give_up_waiting(now_ns)
            self._recovery.request_repairs()
            if ticks % RETIRE_EVERY_TICKS == 0:
                self._markets.retire_topics(now_ns)
                self._check_unwatched()
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
                self._recovery.add(item)
            case SnapshotBegun():
                self._recovery.begin(item)
            case SnapshotEnded():
                if self._recovery.end(item):
                    self._declare_ready()
            case HeightGap():
                self._apply_gap(item)
            case InstrumentsListed():
                self._markets.identify(item)
            case SourceStarted():
                self._order_level.expect_statuses("statuses" in item.sources)
        self.hub.flush()

    def _declare_ready(self) -> None:
        self.is_ready = True
        self._ready.set()

    # --- blocks ---

    def _stamp(self, block: NodeBlock) -> BlockStamp:
        return BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )

    def _apply_diffs(self, block: DiffBlock) -> None:
        height, last = block.height, self._markets.stamp.height
        if height < last or (height == last and not block.is_continuation):
            self.counts["repeated block"] += 1
            return
        self.positions["diffs"] = block.position
        self.blocks += 1
        self.events += len(block.events)
        added: dict[int, Order] = {}
        changes: list[tuple[LiveMarket, list[JournalEntry]]] = []
        for events in self._followed_first(block.events):
            touched: dict[str, Book] = {}
            added |= self._applier.apply(events, touched)
            stamp = self._markets.stamp = self._stamp(block)
            self._publish(touched, stamp, changes)
        self._order_level.add_block(self._markets.stamp, added, changes)
        self._recovery.block_applied(block)
        if not self.is_ready:
            self._declare_ready()

    def _followed_first(self, events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """A block's diffs in one or two parts: those of markets that somebody follows come first.

        Markets do not depend on each other, so subscribers need not wait for the books that
        nobody looks at. Without followers, or with many, there is one part.
        """
        followed = self._markets.followed()
        if not followed or 2 * len(followed) > len(self._markets.by_symbol):
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
        markets = self._markets.by_symbol
        for symbol, book in touched.items():
            market = markets[symbol]
            if book.is_watched:
                if book.is_crossed:
                    self._report_crossed(book)
                market.publish_book(stamp)
            if book.journal:
                changes.append((market, book.journal))
                book.journal = []
        self.hub.flush()

    def _apply_fills(self, block: FillBlock) -> None:
        height, last = block.height, self._fill_height
        if height < last or (height == last and not block.is_continuation):
            self.counts["repeated fills"] += 1
            return
        self._fill_height = height
        self.positions["fills"] = block.position
        self.trades += len(block.events) // 2
        markets = self._markets.by_symbol
        if not any(market.trades is not None for market in markets.values()):
            return
        stamp = self._stamp(block)
        by_symbol: dict[str, list[Trade]] = {}
        for trade in pair_fills(block.events, self._report_fill):
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, trades in by_symbol.items():
            market = self._markets.open(symbol)
            if market is not None and market.trades is not None:
                market.trades.publish(stamp, trades)

    def _apply_gap(self, gap: HeightGap) -> None:
        missing = gap.last_missing - gap.first_missing + 1
        self.counts[f"missing blocks of {gap.source}"] += missing
        detail = f"{gap.first_missing} to {gap.last_missing} of the node's {gap.source}: {gap.reason}"
        log.warning("blocks are missing", source=gap.source, missing=missing, detail=detail)
        if gap.source == "diffs":
            self._recovery.lose(gap)
        for market in self._markets.by_symbol.values():
            if gap.source == "diffs":
                self._markets.doubt(market, "missing blocks", detail)
            elif gap.source == "fills" and market.trades is not None:
                topic = market.trades.topic
                topic.tell_gap(market.gap(topic, GAP_SOURCE, f"missing blocks: {detail}"))

    def _check_unwatched(self) -> None:
        """Look for crossed books where nobody looks: to do so in each block would cost too much."""
        for book in self._markets.books.values():
            if not book.is_watched and book.is_crossed:
                self._report_crossed(book)

    def _report_crossed(self, book: Book) -> None:
        detail = f"best bid at or above best ask after block {self._markets.stamp.height}"
        self._report(book, "crossed book", detail)

    def _report(self, book: Book | None, cause: str, detail: str) -> None:
        """A contradiction between the node's diffs and a book."""
        self.counts[cause] += 1
        if book is not None:
            self._markets.doubt(self._markets.by_symbol[book.symbol], cause, detail)
        elif self.counts[cause] == 1:
            log.warning("a diff names no market", cause=cause, detail=detail)

    def _report_fill(self, detail: str) -> None:
        self.counts["unreadable fill"] += 1
        if self.counts["unreadable fill"] == 1:
            log.warning("a fill cannot be read", detail=detail)

    # --- the directory of markets that servers use ---

    @property
    def height(self) -> int:
        """The last block applied."""
        return self._markets.stamp.height

    @property
    def markets(self) -> dict[str, LiveMarket]:
        """Every market by symbol."""
        return self._markets.by_symbol

    def market(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol, made if it is wanted; None if it is not."""
        return self._markets.open(symbol)

    def all_markets(self) -> Iterable[LiveMarket]:
        """Every market, in the order of their appearance."""
        return self._markets.by_symbol.values()

    def find_symbol(self, symbol: str) -> LiveMarket | None:
        """The market with this symbol."""
        return self._markets.by_symbol.get(symbol)

    def find_id(self, market_id: int) -> LiveMarket | None:
        """The market with this asset index, once the info server has told it."""
        return self._markets.find_id(market_id)

    def follow_new_markets(self, follow: Callable[[LiveMarket], None]) -> None:
        """Call ``follow`` with every market that appears from now on."""
        self._markets.follow(follow)

    def unfollow_new_markets(self, follow: Callable[[LiveMarket], None]) -> None:
        """Undo follow_new_markets; fine if it is undone already."""
        self._markets.unfollow(follow)

    def statistics(self) -> EngineStatistics:
        """Where it stands."""
        return EngineStatistics(
            is_ready=self.is_ready,
            height=self.height,
            blocks=self.blocks,
            events=self.events,
            trades=self.trades,
            markets=len(self._markets.by_symbol),
            orders=self._markets.order_count(),
            doubtful=self._markets.doubtful(),
            counts=dict(self.counts),
            positions=dict(self.positions),
        )


async def _receive_all(items: trio.MemoryReceiveChannel[NodeItem]) -> list[NodeItem]:
    """Wait for the next item; returns it and what else is in the channel, nothing at its end."""
    try:
        received = [await items.receive()]
    except trio.EndOfChannel:
        return []
    try:
        while True:
            received.append(items.receive_nowait())
    except (trio.WouldBlock, trio.EndOfChannel):
        return received
