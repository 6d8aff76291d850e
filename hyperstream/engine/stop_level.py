"""Waiting stop and take-profit orders of all markets, kept by the node's order statuses alone.

They do not wait for a block's diffs, nor do its diffs wait for them. What a repair needs is as with books
(``repair.py``), but counted in blocks of statuses: from the request on the statuses of the doubtful markets
are kept as well as applied; when the snapshot of height h is there and the statuses of block h have been
applied, the list is the snapshot's and what was kept above h.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from attrs import define, field

from hyperstream.engine.market_stops import MarketStops
from hyperstream.engine.markets import Markets
from hyperstream.engine.repair import Staging
from hyperstream.errors import FormatError
from hyperstream.market.stop_orders import StopOrders
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.node_blocks import HeightGap, StatusBlock
from hyperstream.wire.trigger_statuses import TriggerStatus, trigger_lines, trigger_statuses

log = structlog.get_logger("hyperstream.engine")

MAX_KEPT_STATUSES = 1_000_000


@define(eq=False)
class StopRepair:
    """The repair of some markets' lists under way. ``staging`` is the snapshot, once it is complete.

    ``after_height`` is the last block of statuses before those kept, ``lost_height`` the last one missing
    among them.
    """

    symbols: frozenset[str]
    after_height: int
    kept: list[tuple[int, TriggerStatus]] = field(factory=list)
    staging: Staging | None = None
    has_triggers: bool = False
    lost_height: int = 0

    @property
    def trouble(self) -> str:
        """Why it has to begin anew; empty while it can go on."""
        if len(self.kept) > MAX_KEPT_STATUSES:
            return f"the snapshot took so long that {len(self.kept)} statuses were kept"
        if self.staging is None:
            return ""
        height = self.staging.height
        if height < max(self.after_height, self.lost_height):
            return f"the snapshot of height {height} is older than the statuses kept"
        return ""

    def orders(self, symbol: str) -> StopOrders:
        """The list of a market: the snapshot's, and what became of it since."""
        assert self.staging is not None
        orders = StopOrders(self.staging.stops.get(symbol, {}).values())
        told: set[int] = set()
        last_height = 0
        for height, status in self.kept:
            if height > self.staging.height and status.symbol == symbol:
                if height != last_height:
                    last_height, told = height, set()
                apply_status(orders, status, told)
        return orders


def apply_status(orders: StopOrders, status: TriggerStatus, told: set[int]) -> None:
    """Do to the list what a status says. ``told`` are the oids that the block told of so far.

    What is told of a child by its own status counts more than what its parent's says.
    """
    oid = status.oid
    if status.order is None:
        orders.remove(oid, status.status)
    elif not (status.is_by_parent and (oid in told or oid in orders)):
        orders.add(status.order)
    if not status.is_by_parent:
        told.add(oid)


@define(eq=False)
class StopLevel:
    """Applies statuses to the markets' lists. ``counts`` by cause."""

    markets: Markets
    now_ns: Callable[[], int]
    counts: Counter[str]
    repair: StopRepair | None = None
    _is_told: bool = False
    _is_behind: bool = False

    # --- what the node tells ---

    def expect_statuses(self, is_expected: bool) -> None:
        """Whether the node writes order statuses; without, no list is kept up."""
        begins = is_expected and not self._is_told
        self._is_told = is_expected
        if not is_expected:
            self.markets.knows_triggers = False
            for market in self.markets.by_symbol.values():
                market.stops.is_complete = False
        elif begins and self.markets.statuses_stamp.height:
            self._doubt_all("missing statuses", "the node did not write order statuses before")

    def add_statuses(self, block: StatusBlock) -> None:
        """The statuses of a block: publish what they change."""
        markets = self.markets
        last_height = markets.statuses_stamp.height
        if block.height <= last_height and not (block.is_continuation and block.height == last_height):
            return
        stamp = BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )
        markets.statuses_stamp = stamp
        lines = [line for text in block.texts for line in trigger_lines(text)]
        if lines:
            self._apply(lines, stamp)
        if self.repair is not None:
            self._finish_repair()

    def _apply(self, lines: list[bytes], stamp: BlockStamp) -> None:
        height, told = stamp.height, set[int]()
        changed: dict[str, MarketStops] = {}
        for line in lines:
            for status in self._read(line, height):
                market = self.markets.open(status.symbol)
                if market is None:
                    continue
                if self.repair is not None and status.symbol in self.repair.symbols:
                    self.repair.kept.append((height, status))
                apply_status(market.stops.orders, status, told)
                changed[status.symbol] = market.stops
        for stops in changed.values():
            stops.publish(stamp)

    def _read(self, line: bytes, height: int) -> list[TriggerStatus]:
        try:
            return trigger_statuses(line)
        except FormatError as exc:
            self.counts["unreadable trigger orders"] += 1
            if self.counts["unreadable trigger orders"] == 1:
                log.warning("statuses of trigger orders cannot be read", height=height, problem=str(exc))
            self._doubt_all("unreadable statuses", f"block {height}: {exc}")
            return []

    def lose(self, gap: HeightGap, detail: str) -> None:
        """Blocks of statuses are missing."""
        if self.repair is not None:
            self.repair.lost_height = max(self.repair.lost_height, gap.last_missing)
        self._doubt_all("missing blocks", detail)

    def note_delay(self, is_behind: bool) -> None:
        """Whether statuses have stopped to come while diffs go on: lists are old then, which is told once."""
        if is_behind and not self._is_behind:
            self._doubt_all("overdue statuses", "the node's order statuses do not come any more")
        self._is_behind = is_behind

    def _doubt_all(self, cause: str, detail: str) -> None:
        doubted = [
            market.stops.doubt_because(f"{cause}: {detail}") for market in self.markets.by_symbol.values()
        ]
        self.counts["stop orders doubted"] += sum(doubted)

    # --- snapshots ---

    def load_all(self, staging: Staging, has_triggers: bool) -> None:
        """Every list is the snapshot's now; the next statuses are of the block after its height."""
        markets = self.markets
        self.repair = None
        markets.statuses_stamp = markets.stamp
        markets.knows_triggers = has_triggers and self._is_told
        reason = f"the orders were loaded from the snapshot of height {staging.height}"
        for symbol in markets.by_symbol:
            self._put(symbol, StopOrders(staging.stops.get(symbol, {}).values()), staging, reason)

    def doubtful(self) -> dict[str, str]:
        """Why each doubtful list is, by symbol."""
        return {
            symbol: market.stops.doubt
            for symbol, market in self.markets.by_symbol.items()
            if market.stops.doubt
        }

    def begin_repair(self, symbols: frozenset[str]) -> None:
        """A snapshot has been asked for; one that was asked for earlier is of no use any more."""
        self.repair = StopRepair(symbols, self.markets.statuses_stamp.height) if symbols else None

    def stage(self, staging: Staging, has_triggers: bool) -> None:
        """The snapshot asked for is complete."""
        if self.repair is not None:
            self.repair.staging, self.repair.has_triggers = staging, has_triggers
            self._finish_repair()

    def _finish_repair(self) -> None:
        repair = self.repair
        if repair is None:
            return
        if repair.trouble:
            log.warning("a repair of stop orders begins anew", reason=repair.trouble)
            self.counts["repairs of stop orders abandoned"] += 1
            self.repair = None
            return
        staging = repair.staging
        if staging is None:
            return
        if self._is_told and self.markets.statuses_stamp.height < staging.height:
            return
        self.repair = None
        self.markets.knows_triggers = repair.has_triggers and self._is_told
        reason = f"the orders were repaired from the snapshot of height {staging.height}"
        for symbol in repair.symbols:
            self._put(symbol, repair.orders(symbol), staging, reason)
        self.counts["stop orders repaired"] += len(repair.symbols)

    def _put(self, symbol: str, orders: StopOrders, staging: Staging, reason: str) -> None:
        is_complete = self.markets.knows_triggers and symbol not in staging.unread_stops
        self.markets.by_symbol[symbol].stops.replace(orders, is_complete, reason)
