"""The engine: node items in, books kept, updates out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.engine.book_level import BookLevel
from hyperstream.engine.collector import IdleCollector
from hyperstream.engine.listener import MarketListener
from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.markets import Markets
from hyperstream.engine.order_level import OrderLevel
from hyperstream.engine.recovery import Recovery
from hyperstream.engine.stop_level import StopLevel
from hyperstream.engine.tape import Tape
from hyperstream.engine.topics import MarketFormats
from hyperstream.errors import FormatError
from hyperstream.hub.hub import Hub
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

log = structlog.get_logger("hyperstream.engine")

TICK_SECONDS = 0.1
RETIRE_EVERY_TICKS = 20
_NS = 1_000_000_000


@frozen
class EngineStatistics:
    """Where the engine stands. ``counts`` are contradictions and oddities by cause.

    ``block_time_ns`` and ``read_time_ns`` are of the last block applied, 0 before the first. ``doubtful`` are
    books, ``doubtful_stop_orders`` lists of orders that wait: why, by symbol.
    """

    is_ready: bool
    height: int
    block_time_ns: int
    read_time_ns: int
    blocks: int
    events: int
    trades: int
    markets: int
    orders: int
    stop_orders: int
    doubtful: dict[str, str]
    doubtful_stop_orders: dict[str, str]
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
    items: int = 0
    blocks: int = 0
    events: int = 0
    trades: int = 0
    _collector: IdleCollector = field(factory=IdleCollector)
    _ready: trio.Event = field(factory=trio.Event)
    _order_level: OrderLevel = field(init=False)
    _markets: Markets = field(init=False)
    _book_level: BookLevel = field(init=False)
    _stop_level: StopLevel = field(init=False)
    _tape: Tape = field(init=False)
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
        self._book_level = BookLevel(self._markets, self._order_level, self.now_ns, self.counts)
        self._tape = Tape(self._markets, self.now_ns, self.counts)
        self._stop_level = StopLevel(self._markets, self.now_ns, self.counts)
        self._recovery = Recovery(
            self._markets, self._order_level, self._stop_level, self.now_ns, self.request_repair
        )

    # --- driving it ---

    async def run(self, items: trio.MemoryReceiveChannel[NodeItem]) -> None:
        """Apply what the source hands over until its channel is closed and empty."""
        async with items:
            while batch := await _receive_all(items):
                await self._apply_all(batch)
                if not items.statistics().current_buffer_used:
                    self.rest()
        self._tape.end_block()
        self.hub.flush()

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
            self._stop_level.note_delay(self._order_level.has_given_up)
            self._tape.give_up_waiting(now_ns)
            self._recovery.request_repairs()
            if ticks % RETIRE_EVERY_TICKS == 0:
                self._markets.retire_topics(now_ns)
                self._book_level.check_unwatched()
            self.hub.flush()

    async def wait_ready(self) -> None:
        """Wait until the books can be used."""
        await self._ready.wait()

    def apply(self, item: NodeItem) -> None:
        """Apply one item and publish what it changed."""
        self.items += 1
        match item:
            case DiffBlock():
                self._apply_diffs(item)
            case StatusBlock():
                self.positions["statuses"] = item.position
                self._order_level.add_statuses(item)
                self._stop_level.add_statuses(item)
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
                self._stop_level.expect_statuses("statuses" in item.sources)
                self._tape.is_in_parts = item.layout == "streaming"
        self.hub.flush()

    def _declare_ready(self) -> None:
        self.is_ready = True
        self._ready.set()

    # --- blocks ---

    def _apply_diffs(self, block: DiffBlock) -> None:
        if self._book_level.is_repeated(block):
            self.counts["repeated block"] += 1
            return
        self.positions["diffs"] = block.position
        self.blocks += 1
        try:
            self.events += self._book_level.apply(block)
            self._recovery.block_applied(block)
        except FormatError as exc:
            self._lose("diffs", block, exc)
        if not self.is_ready:
            self._declare_ready()

    def _lose(self, source: str, block: DiffBlock | FillBlock, error: FormatError) -> None:
        """A block cannot be read, at least not all of it: that is as if it were missing."""
        self.counts[f"unreadable {source}"] += 1
        if self.counts[f"unreadable {source}"] == 1:
            log.warning("a block cannot be read", source=source, position=block.position, problem=str(error))
        self._apply_gap(HeightGap(source, block.height, block.height, f"its line cannot be read: {error}"))

    def _apply_fills(self, block: FillBlock) -> None:
        if self._tape.is_repeated(block):
            self.counts["repeated fills"] += 1
            return
        self.positions["fills"] = block.position
        self.trades += block.count // 2
        try:
            self._tape.apply(block)
        except FormatError as exc:
            self._lose("fills", block, exc)

    def _apply_gap(self, gap: HeightGap) -> None:
        missing = gap.last_missing - gap.first_missing + 1
        self.counts[f"missing blocks of {gap.source}"] += missing
        detail = f"{gap.first_missing} to {gap.last_missing} of the node's {gap.source}: {gap.reason}"
        log.warning("blocks are missing", source=gap.source, missing=missing, detail=detail)
        if gap.source == "diffs":
            self._recovery.lose(gap)
        elif gap.source == "fills":
            self._tape.end_block()
        else:
            self._stop_level.lose(gap, detail)
        for market in self._markets.by_symbol.values():
            if gap.source == "diffs":
                self._markets.doubt(market, "missing blocks", detail)
            elif gap.source == "fills":
                market.tell_trades_gap(f"missing blocks: {detail}")

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

    def listen(self, symbol: str, listener: MarketListener | None) -> None:
        """Tell this listener of every block that changes a market; None: nobody any more."""
        self._markets.listen(symbol, listener)

    def statistics(self) -> EngineStatistics:
        """Where it stands."""
        return EngineStatistics(
            is_ready=self.is_ready,
            height=self.height,
            block_time_ns=self._markets.stamp.block_time_ns,
            read_time_ns=self._markets.stamp.read_time_ns,
            blocks=self.blocks,
            events=self.events,
            trades=self.trades,
            markets=len(self._markets.by_symbol),
            orders=self._markets.order_count(),
            stop_orders=sum(len(market.stops.orders) for market in self.all_markets()),
            doubtful=self._markets.doubtful(),
            doubtful_stop_orders=self._stop_level.doubtful(),
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
