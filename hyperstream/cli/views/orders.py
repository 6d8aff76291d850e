"""Order-level changes of one or more markets, and who is first in the queue at the best prices."""

from collections import deque
from itertools import islice

from attrs import define, field, frozen
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.client_book import Outcome
from hyperstream.cli.client_orders import ClientOrders
from hyperstream.cli.views.books import plain_control
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.cli.views.ladder import ASK, BID
from hyperstream.cli.views.numbers import clock_time, duration
from hyperstream.cli.views.rates import Rate
from hyperstream.v1 import common_pb2, orderbook_pb2

KEPT_CHANGES = 300
QUEUE_ROWS = 8
_KINDS = {
    orderbook_pb2.ORDER_CHANGE_KIND_ADDED: ("added", "green"),
    orderbook_pb2.ORDER_CHANGE_KIND_UPDATED: ("updated", "yellow"),
    orderbook_pb2.ORDER_CHANGE_KIND_REMOVED: ("removed", "red"),
    orderbook_pb2.ORDER_CHANGE_KIND_ATTRIBUTES: ("attributes", "dim"),
}

_QUEUE_COLUMNS = tuple(
    column
    for side in ("bid", "ask")
    for column in (
        Column(f"best {side} queue", 14, right=True),
        Column("size", 9, right=True),
        Column("user", 10),
    )
)
_CHANGE_COLUMNS = (
    Column("time (UTC)", 12, from_width=78),
    Column("market", 6),
    Column("change", 10),
    Column("side", 4),
    Column("price", 9, right=True),
    Column("size", 9, right=True),
    Column("user", 10),
    Column("order", 12),
)


@frozen
class Changed:
    """A change worth a line; ``user`` and ``words`` come from the order held where the change is silent."""

    symbol: str
    block_time_ns: int
    change: orderbook_pb2.OrderChange
    user: str
    words: str


@define(eq=False)
class MarketOrders:
    """One market: its orders, and how many come and go."""

    orders: ClientOrders
    added: Rate = field(factory=Rate)
    removed: Rate = field(factory=Rate)


@define(eq=False)
class OrdersView:
    """The markets' orders, the last changes, and how many a second."""

    feed: Feed
    started_ns: int = 0
    markets: dict[str, MarketOrders] = field(factory=dict)
    recent: deque[Changed] = field(factory=lambda: deque(maxlen=KEPT_CHANGES))
    changes: int = 0
    _queue_grid: Grid = field(factory=lambda: Grid(_QUEUE_COLUMNS))
    _change_grid: Grid = field(factory=lambda: Grid(_CHANGE_COLUMNS))

    def apply(self, event: orderbook_pb2.OrdersEvent, now_ns: int) -> bool:
        """Take an event; True asks for a new subscription, because events are missing before it."""
        kind = event.WhichOneof("event")
        outcome = None
        if kind == "heartbeat":
            self.feed.on_heartbeat(event.heartbeat, now_ns)
        elif kind == "notice":
            self.feed.on_notice(event.notice, now_ns)
        elif kind == "gap":
            self.feed.on_gap(event.gap, now_ns)
            self._market(event.gap.symbol).orders.expect_snapshot()
        elif kind == "snapshot":
            self.feed.on_event(now_ns, event.snapshot.height)
            outcome = self._market(event.snapshot.symbol).orders.apply_snapshot(event.snapshot)
        elif kind == "delta":
            self.feed.on_event(now_ns, event.delta.height)
            market = self._market(event.delta.symbol)
            changes = [_changed(event.delta, change, market.orders) for change in event.delta.changes]
            outcome = market.orders.apply_delta(event.delta)
            if outcome is Outcome.DELTA:
                self._count(market, changes, now_ns)
        if outcome is Outcome.HOLE:
            self.feed.holes += 1
            return True
        return False

    def expect_fresh_start(self) -> None:
        """The connection went: orders are old until a snapshot comes."""
        for market in self.markets.values():
            market.orders.expect_snapshot()

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: totals, best queues of the first market, last changes, footer."""
        parts: list[RenderableType] = [self._totals(market, now_ns) for market in self.markets.values()]
        parts = parts[: max(1, height // 4)] or [
            Text("waiting for the first snapshot", "yellow", no_wrap=True)
        ]
        used = len(parts) + 1
        if self.markets and height - used >= QUEUE_ROWS + 6:
            queue_rows = min(QUEUE_ROWS, (height - used) // 3)
            parts.append(self._queues(next(iter(self.markets.values())).orders, queue_rows, width))
            used += queue_rows + 1
        parts.append(self._changes(height - used, width))
        parts.append(self.feed.footer(now_ns))
        return Group(*parts)

    def lines(self, event: orderbook_pb2.OrdersEvent) -> list[str]:
        """Return what plain output says about an event just applied: a line per change."""
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            part = event.snapshot
            return [
                f"{clock_time(part.block_time_ns)} {part.symbol} height {part.height} snapshot "
                f"chunk {part.chunk}{' (last)' if part.last_chunk else ''} {len(part.orders)} orders"
            ]
        if kind != "delta":
            return plain_control(event)
        head = f"{clock_time(event.delta.block_time_ns)} {event.delta.symbol} height {event.delta.height}"
        return [f"{head} {_sentence(change)}" for change in event.delta.changes]

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        books = ", ".join(
            f"{symbol} {len(market.orders)} orders of {len(market.orders.users)} users"
            for symbol, market in self.markets.items()
        )
        return (
            f"{self.changes} order changes in {duration(now_ns - self.started_ns)}, "
            f"missed {self.feed.missed()}; resting: {books or 'nothing'}"
        )

    def _count(self, market: MarketOrders, changes: list[Changed], now_ns: int) -> None:
        self.changes += len(changes)
        for changed in changes:
            if changed.change.kind == orderbook_pb2.ORDER_CHANGE_KIND_ADDED:
                market.added.add(1, now_ns)
            elif changed.change.kind == orderbook_pb2.ORDER_CHANGE_KIND_REMOVED:
                market.removed.add(1, now_ns)
            self.recent.appendleft(changed)

    def _totals(self, market: MarketOrders, now_ns: int) -> Text:
        orders = market.orders
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{orders.symbol} ", "bold")
        if orders.is_doubtful:
            text.append(" DOUBTFUL ", "bold reverse red").append(" ")
        if not orders.is_current:
            text.append(f"taking the snapshot: {len(orders):,} orders so far", "yellow")
            return text
        text.append(f"{len(orders):,} orders of {len(orders.users):,} users")
        text.append("  added ", "dim").append(f"{market.added.per_second(now_ns):5.1f}/s", "green")
        text.append("  removed ", "dim").append(f"{market.removed.per_second(now_ns):5.1f}/s", "red")
        text.append("  block ", "dim")
        text.append(duration(now_ns - orders.block_time_ns), self.feed.age_style(now_ns))
        if orders.contradictions:
            text.append(f"  contradictions {orders.contradictions}", "bold red")
        return text.append(f"  height {orders.height:,}", "dim")

    def _queues(self, market: ClientOrders, rows: int, width: int) -> Text:
        queues = [(market.best_queue(side), style) for side, style in _SIDES]
        cells: list[list[Text]] = []
        for row in range(rows):
            cells.append([])
            for queue, style in queues:
                if row == rows - 1 and len(queue) > rows:
                    cells[-1] += [Text(f"+ {len(queue) - rows + 1} more", "dim"), Text(), Text()]
                elif row < len(queue):
                    order = queue[row]
                    cells[-1] += [Text(order.price, style), Text(order.size), Text(_short(order.user), "dim")]
                else:
                    cells[-1] += [Text(), Text(), Text()]
        return self._queue_grid.lay_out(cells, width, rows + 1)

    def _changes(self, height: int, width: int) -> Text:
        cells = []
        for changed in islice(self.recent, max(0, height - 1)):
            order = changed.change.order
            name, style = _KINDS.get(changed.change.kind, ("unknown", "magenta"))
            is_bid = order.side == common_pb2.SIDE_BID
            cells.append(
                [
                    Text(clock_time(changed.block_time_ns), "dim"),
                    Text(changed.symbol, "bold"),
                    Text(name, style),
                    Text("bid" if is_bid else "ask", BID if is_bid else ASK),
                    Text(order.price),
                    Text(order.size),
                    Text(_short(changed.user), "dim"),
                    Text(changed.words, "dim"),
                ]
            )
        self._change_grid.gap = 1 if width < 100 else 2
        return self._change_grid.lay_out(cells, width, height)

    def _market(self, symbol: str) -> MarketOrders:
        market = self.markets.get(symbol)
        if market is None:
            market = self.markets[symbol] = MarketOrders(ClientOrders(symbol))
        return market


_SIDES = ((common_pb2.SIDE_BID, BID), (common_pb2.SIDE_ASK, ASK))


def _changed(
    delta: orderbook_pb2.OrdersDelta, change: orderbook_pb2.OrderChange, orders: ClientOrders
) -> Changed:
    told = change.order
    held = orders.find(told.oid) or told
    kind = " ".join(filter(None, (told.order_type or held.order_type, told.tif or held.tif)))
    words = ", ".join(filter(None, (change.status, kind)))
    return Changed(delta.symbol, delta.block_time_ns, change, told.user or held.user, words)


def _short(address: str) -> str:
    return f"{address[:6]}…{address[-3:]}" if len(address) > 11 else address


def _sentence(change: orderbook_pb2.OrderChange) -> str:
    order = change.order
    side = "bid" if order.side == common_pb2.SIDE_BID else "ask"
    name, _ = _KINDS.get(change.kind, ("unknown", ""))
    words = [name, side, f"{order.price} x {order.size}", f"oid {order.oid}", f"user {order.user}"]
    return " ".join([*words, *filter(None, (order.order_type, order.tif, change.status))])
