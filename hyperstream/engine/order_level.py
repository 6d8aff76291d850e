"""Order-level updates: the changes of a block, joined with the statuses that explain them.

Levels are published when a block's diffs are in. The statuses of the same block are another, five
times larger file and come later; they tell what an order is (client id, time in force, …) and why
it left. So order-level changes wait for them, in the order of the blocks, but not for ever: after
``patience_ns`` they go out without, and the attributes follow when they come.

In the streaming layout a block without events has no line, and a block may arrive in several parts.
So the diffs of a height may have no statuses, and the other way round; and either may go on after
the other was joined to it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

import structlog
from attrs import define, field

from hyperstream.engine.live_market import LiveMarket
from hyperstream.errors import FormatError
from hyperstream.market.book import ADDED, Book, JournalEntry
from hyperstream.market.order import Order
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.node_blocks import StatusBlock
from hyperstream.wire.statuses import (
    is_readable,
    leaving_statuses,
    opening_statuses,
    statuses_of,
)

log = structlog.get_logger("hyperstream.engine")

MAX_EARLY_BLOCKS = 1_000
MAX_REMEMBERED_BLOCKS = 256
MOST_GIVEN_UP = 16


@define(eq=False)
class PendingBlock:
    """A block whose diffs are applied. ``added`` are the orders that still lack their status."""

    stamp: BlockStamp
    added: dict[int, Order]
    changes: list[tuple[LiveMarket, list[JournalEntry]]]


@define(eq=False)
class Told:
    """What the statuses of a block told: how orders opened, as bytes, and why others left; by oid.

    ``events`` are all statuses of the markets whose followers get them as the node wrote them; each
    is handed on once.
    """

    opening: dict[int, bytes] = field(factory=dict)
    leaving: dict[int, str] = field(factory=dict)
    events: dict[str, list[bytes]] = field(factory=dict)


@define(eq=False)
class OrderLevel:
    """Joins the diffs of each block with its statuses. ``counts`` by cause.

    ``_early`` are statuses whose diffs have not come; ``_joined`` those of ``_joined_height``, for
    more diffs of that block. ``_given_up`` counts the blocks given up since statuses last kept up with
    the diffs. After MOST_GIVEN_UP nothing waits for them until they do: or else a node that writes none any
    more would have every change wait, and no snapshot ever be made.
    """

    patience_ns: int
    all_markets: Callable[[], Iterable[LiveMarket]]
    counts: Counter[str] = field(factory=Counter)
    _expects_statuses: bool = False
    _pending: deque[PendingBlock] = field(factory=deque)
    _published: deque[PendingBlock] = field(factory=lambda: deque(maxlen=MAX_REMEMBERED_BLOCKS))
    _early: dict[int, Told] = field(factory=dict)
    _joined: Told = field(factory=Told)
    _joined_height: int = 0
    _last_status_height: int = 0
    _given_up: int = 0

    def expect_statuses(self, is_expected: bool) -> None:
        """Whether the node writes order statuses at all; without, nothing waits for them."""
        self._expects_statuses = is_expected
        if not is_expected:
            self._publish_all()

    @property
    def is_settled(self) -> bool:
        """Whether the statuses of all blocks applied have come."""
        return not self._pending

    @property
    def has_given_up(self) -> bool:
        """Whether statuses are so far behind the diffs that nothing waits for them any more."""
        return self._given_up >= MOST_GIVEN_UP

    def add_block(
        self,
        stamp: BlockStamp,
        added: dict[int, Order],
        changes: list[tuple[LiveMarket, list[JournalEntry]]],
    ) -> None:
        """A block's diffs were applied: its changes go out once its statuses are here."""
        block = PendingBlock(stamp, added, changes)
        if not self._expects_statuses:
            self._publish(block, Told())
            return
        self._pending.append(block)
        height = stamp.height
        for passed in [early for early in self._early if early < height]:
            del self._early[passed]  # blocks that changed no book
        told = self._early.pop(height, None)
        if told is not None:
            self._join(height, told)
        elif height == self._joined_height:
            self._join(height, self._joined)
        elif height < self._last_status_height or self.has_given_up:
            self._publish_before(height + 1)

    def add_statuses(self, statuses: StatusBlock) -> None:
        """The statuses of a block, which may be ahead of its diffs or behind them."""
        height = statuses.height
        newest = self._pending[-1] if self._pending else self._published[-1] if self._published else None
        if newest is None or height >= newest.stamp.height:
            self._given_up = 0
        if newest is None or height > newest.stamp.height:
            self._read(statuses, self._early.setdefault(height, Told()))
            if len(self._early) > MAX_EARLY_BLOCKS:
                self._early.pop(next(iter(self._early)))
                self.counts["statuses too early"] += 1
        else:
            told = self._joined if height == self._joined_height else Told()
            self._read(statuses, told)
            self._join(height, told)
        self._last_status_height = max(self._last_status_height, height)
        self._publish_before(height)

    def _join(self, height: int, told: Told) -> None:
        """Give the orders of the block their statuses and publish what waited for them."""
        if height >= self._joined_height:
            self._joined, self._joined_height = told, height
        self._publish_before(height)
        stamp: BlockStamp | None = None
        for block in reversed(self._published):
            if block.stamp.height < height:
                break
            if block.stamp.height == height:
                stamp = block.stamp
                self._tell_late(block, self._attach(block, told.opening))
        else:
            if len(self._published) == MAX_REMEMBERED_BLOCKS:
                self.counts["statuses too late"] += 1
        while self._pending and self._pending[0].stamp.height == height:
            block = self._pending.popleft()
            stamp = block.stamp
            self._attach(block, told.opening)
            self._publish(block, told)
        if told.events and stamp is not None:
            self._pass_on(stamp, told)

    def _pass_on(self, stamp: BlockStamp, told: Told) -> None:
        """Hand on the statuses of markets whose orders the block did not change, or had changed before."""
        for market in self.all_markets():
            events = told.events.pop(market.symbol, None)
            if events:
                market.publish_orders(stamp, [], {}, [], events)
        told.events.clear()

    def _read(self, statuses: StatusBlock, told: Told) -> None:
        """Add what these lines tell. Why orders left is of use only to who follows them."""
        followed = [market for market in self.all_markets() if market.orders]
        passed = {market.symbol for market in followed if market.passes_statuses}
        # Thousands of lines of one event each are searched as one, as the one line of a block is.
        for line in statuses.lines if passed else statuses.texts:
            try:
                opening = opening_statuses(line)
                if opening:
                    told.opening.update(opening)
                elif not is_readable(line):
                    raise FormatError(f"no order status in {line[:200]!r}")
                if followed:
                    told.leaving.update(leaving_statuses(line))
                for symbol, events in statuses_of(line, passed).items():
                    told.events.setdefault(symbol, []).extend(events)
            except (FormatError, ValueError) as exc:
                if not self.counts["unreadable statuses"]:
                    log.warning("order statuses cannot be read", height=statuses.height, error=str(exc))
                self.counts["unreadable statuses"] += 1

    def _attach(self, block: PendingBlock, opening: dict[int, bytes]) -> list[Order]:
        """Hand the statuses to the block's new orders; returns those still resting that got one.

        An update puts another Order in an order's stead, in the same block or a later one: the one
        that was added, which the change tells, and the one that rests now both get the status.
        """
        given: list[Order] = []
        added = block.added
        for oid, status in opening.items():
            order = added.pop(oid, None)
            if order is None:
                continue
            order.attributes = status
            resting = order.level.orders.get(oid)
            if resting is not None:
                resting.attributes = status
                given.append(resting)
        for _, entries in block.changes:
            for kind, order, _ in entries:
                if kind == ADDED and order.attributes is None:
                    order.attributes = opening.get(order.oid)
        return given

    def _tell_late(self, block: PendingBlock, orders: list[Order]) -> None:
        """The block was published without these attributes: send them after what was published since.

        Also to followers of a market that began only then, whose snapshot lacked them. The sizes may
        be ahead of what followers know, by blocks that wait: only attributes are new.
        """
        if not orders:
            return
        self.counts["late statuses"] += len(orders)
        for market in self.all_markets():
            if market.orders:
                late = [order for order in orders if market.holds(order)]
                if late:
                    market.publish_orders(block.stamp, [], {}, late)

    def _publish(self, block: PendingBlock, told: Told) -> None:
        self._published.append(block)
        for market, entries in block.changes:
            market.publish_orders(block.stamp, entries, told.leaving, [], told.events.pop(market.symbol, ()))

    def _publish_before(self, height: int) -> None:
        """Publish what waits for statuses of lower heights: they have none, or lost them."""
        while self._pending and self._pending[0].stamp.height < height:
            self._publish(self._pending.popleft(), Told())

    def _publish_all(self) -> None:
        while self._pending:
            self._publish(self._pending.popleft(), Told())

    def give_up_waiting(self, now_ns: int) -> None:
        """Publish what has waited longer than ``patience_ns`` for its statuses."""
        while self._pending and now_ns - self._pending[0].stamp.publish_time_ns > self.patience_ns:
            if not self.counts["statuses overdue"]:
                log.warning(
                    "order statuses are overdue; orders go out without attributes until they come",
                    height=self._pending[0].stamp.height,
                )
            self.counts["statuses overdue"] += 1
            self._given_up += 1
            self._publish(self._pending.popleft(), Told())

    def replace_book(self, market: LiveMarket, book: Book) -> None:
        """The market gets another book: what waits of the old one is dropped.

        Orders that a repair made from diffs get the statuses that came for the old book's, and those
        that are still to come.
        """
        blank = {order.oid: order for side in book.sides() for order in side.orders() if not order.attributes}
        for side in market.book.sides():
            for order in side.orders():
                if order.oid in blank:
                    blank[order.oid].attributes = order.attributes
        for block in (*self._pending, *self._published):
            block.added.update((oid, blank[oid]) for oid in block.added.keys() & blank.keys())
        for block in self._pending:
            block.changes = [change for change in block.changes if change[0] is not market]

    def clear(self, height: int) -> None:
        """All books were replaced by those of this height."""
        self._pending.clear()
        self._published.clear()
        self._joined, self._joined_height = Told(), 0
        self._early = {early: told for early, told in self._early.items() if early > height}
