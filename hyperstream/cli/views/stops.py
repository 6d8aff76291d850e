"""Stop and take-profit orders of one or more markets, the nearest to the middle price first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from attrs import define, field, frozen
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.client_book import Outcome
from hyperstream.cli.client_stops import ClientStops
from hyperstream.cli.views.books import plain_control
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.cli.views.ladder import ASK, BID
from hyperstream.cli.views.numbers import clock_time, duration, fixed, places_of
from hyperstream.market.decimals import DecimalCache
from hyperstream.v1 import common_pb2, orderbook_pb2, stop_order_pb2

KEPT_CHANGES = 100
_ABOVE = stop_order_pb2.TRIGGER_CONDITION_ABOVE
_BELOW = stop_order_pb2.TRIGGER_CONDITION_BELOW
_REMOVED = stop_order_pb2.STOP_ORDER_CHANGE_KIND_REMOVED
_WORDS = {_ABOVE: "above", _BELOW: "below"}
_COLUMNS = (
    Column("market", 8),
    Column("away", 8, right=True),
    Column("trigger", 10, right=True),
    Column("side", 4),
    Column("size", 9, right=True),
    Column("limit", 10, right=True, from_width=74),
    Column("order", 18),
    Column("user", 10, from_width=92),
    Column("waits", 8, right=True, from_width=106),
)
_CHANGE_COLUMNS = (
    Column("time (UTC)", 12, from_width=64),
    Column("market", 8),
    Column("what happened", 14),
    Column("side", 4),
    Column("trigger", 16, right=True),
    Column("size", 9, right=True),
    Column("order", 18),
)
_decimal = DecimalCache()


@frozen
class Changed:
    """A change worth a line."""

    symbol: str
    block_time_ns: int
    change: stop_order_pb2.StopOrderChange


@frozen
class Near:
    """A waiting order and how far the middle price is from its trigger price, as a share; None: unknown."""

    symbol: str
    order: stop_order_pb2.StopOrder
    away: float | None

    @property
    def rank(self) -> tuple[bool, float, str, int]:
        """Nearest first; without a middle price, as the prices of one market lie."""
        price = _decimal[self.order.trigger_price]
        if self.away is not None:
            return False, abs(self.away), self.symbol, price
        return True, 0.0, self.symbol, price if self.order.trigger_condition != _BELOW else -price


@define(eq=False)
class StopsView:
    """The markets' waiting orders. Takes events of best prices as well, for the distance."""

    feed: Feed
    started_ns: int = 0
    markets: dict[str, ClientStops] = field(factory=dict)
    middles: dict[str, int] = field(factory=dict)
    recent: deque[Changed] = field(factory=lambda: deque(maxlen=KEPT_CHANGES))
    added: int = 0
    removed: int = 0
    _grid: Grid = field(factory=lambda: Grid(_COLUMNS))
    _change_grid: Grid = field(factory=lambda: Grid(_CHANGE_COLUMNS))

    def apply(self, event: stop_order_pb2.StopOrdersEvent | orderbook_pb2.BboEvent, now_ns: int) -> bool:
        """Take an event; True asks for a new subscription, because events are missing before it."""
        if isinstance(event, orderbook_pb2.BboEvent):
            self._take_prices(event, now_ns)
            return False
        kind = event.WhichOneof("event")
        outcome = None
        if kind == "heartbeat":
            self.feed.on_heartbeat(event.heartbeat, now_ns)
        elif kind == "notice":
            self.feed.on_notice(event.notice, now_ns)
        elif kind == "gap":
            self.feed.on_gap(event.gap, now_ns)
            self._market(event.gap.symbol).expect_snapshot()
        elif kind == "snapshot":
            self.feed.on_event(now_ns, event.snapshot.height)
            outcome = self._market(event.snapshot.symbol).apply_snapshot(event.snapshot)
        elif kind == "delta":
            self.feed.on_event(now_ns, event.delta.height)
            outcome = self._market(event.delta.symbol).apply_delta(event.delta)
            if outcome is Outcome.DELTA:
                self._note(event.delta)
        if outcome is Outcome.HOLE:
            self.feed.holes += 1
            return True
        return False

    def expect_fresh_start(self) -> None:
        """The connection went: orders are old until a snapshot comes."""
        for market in self.markets.values():
            market.expect_snapshot()

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: totals, what a rise and what a fall would trigger, last changes, footer."""
        parts: list[RenderableType] = [self._totals(market, now_ns) for market in self.markets.values()]
        parts = parts[: max(1, height // 5)] or [
            Text("waiting for the first snapshot", "yellow", no_wrap=True)
        ]
        left = height - len(parts) - 1
        change_rows = min(len(self.recent) + 1, left // 4) if self.recent and left >= 16 else 0
        table_rows = left - change_rows
        rising = [near for near in self._near() if near.order.trigger_condition != _BELOW]
        falling = [near for near in self._near() if near.order.trigger_condition == _BELOW]
        upper = table_rows - table_rows // 2
        parts.append(self._table("▲ if the price rises", BID, rising, width, upper, now_ns))
        if table_rows > 1:
            parts.append(self._table("▼ if it falls", ASK, falling, width, table_rows - upper, now_ns))
        if change_rows:
            parts.append(self._changes(width, change_rows))
        parts.append(self.feed.footer(now_ns))
        return Group(*parts)

    def lines(self, event: stop_order_pb2.StopOrdersEvent | orderbook_pb2.BboEvent) -> list[str]:
        """Return what plain output says about an event just applied: a line per change."""
        if isinstance(event, orderbook_pb2.BboEvent):
            return []
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            part = event.snapshot
            head = f"{clock_time(part.block_time_ns)} {part.symbol} height {part.height}"
            doubts = "".join(_doubts(part.doubtful, part.complete))
            last = " (last)" if part.last_chunk else ""
            told = [f"{head} snapshot chunk {part.chunk}{last} {len(part.orders)} orders{doubts}"]
            return told + [f"{head} waits {_sentence(order)}" for order in part.orders]
        if kind != "delta":
            return plain_control(event)
        delta = event.delta
        head = f"{clock_time(delta.block_time_ns)} {delta.symbol} height {delta.height}"
        return [
            f"{head} {change.status if change.kind == _REMOVED else 'added'} {_sentence(change.order)}"
            for change in delta.changes
        ]

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        waiting = ", ".join(f"{symbol} {len(market.orders)}" for symbol, market in self.markets.items())
        return (
            f"{self.added} orders added and {self.removed} gone in {duration(now_ns - self.started_ns)}, "
            f"missed {self.feed.missed()}; waiting: {waiting or 'nothing'}"
        )

    def _take_prices(self, event: orderbook_pb2.BboEvent, now_ns: int) -> None:
        kind = event.WhichOneof("event")
        if kind == "bbo":
            bbo = event.bbo
            if bbo.HasField("bid") and bbo.HasField("ask"):
                self.middles[bbo.symbol] = (_decimal[bbo.bid.price] + _decimal[bbo.ask.price]) // 2
            self.feed.on_event(now_ns, bbo.height)
        elif kind == "heartbeat":
            self.feed.on_heartbeat(event.heartbeat, now_ns)

    def _note(self, delta: stop_order_pb2.StopOrdersDelta) -> None:
        for change in delta.changes:
            if change.kind == _REMOVED:
                self.removed += 1
            else:
                self.added += 1
            self.recent.appendleft(Changed(delta.symbol, delta.block_time_ns, change))

    def _near(self) -> Iterator[Near]:
        for symbol, market in self.markets.items():
            middle = self.middles.get(symbol)
            for order in market.orders.values():
                away = (_decimal[order.trigger_price] - middle) / middle if middle else None
                yield Near(symbol, order, away)

    def _totals(self, market: ClientStops, now_ns: int) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{market.symbol} ", "bold")
        if market.is_doubtful:
            text.append(" DOUBTFUL ", "bold reverse red").append(" ")
        if not market.is_current:
            text.append(f"taking the snapshot: {len(market.orders):,} orders so far", "yellow")
            return text
        rising = sum(order.trigger_condition != _BELOW for order in market.orders.values())
        text.append(f"{len(market.orders):,} orders wait")
        if not market.is_complete:
            text.append(", and others from before", "yellow")
        text.append(f"  ▲ {rising:,}", BID).append(f"  ▼ {len(market.orders) - rising:,}", ASK)
        middle = self.middles.get(market.symbol)
        if middle:
            text.append("  middle ", "dim").append(fixed(middle, places_of(middle)))
        if market.block_time_ns:
            text.append("  block ", "dim")
            text.append(duration(now_ns - market.block_time_ns), self.feed.age_style(now_ns))
        return text.append(f"  height {market.height:,}", "dim")

    def _table(
        self, title: str, style: str, orders: list[Near], width: int, rows: int, now_ns: int
    ) -> RenderableType:
        heading = Text(f"{title}: ", style, no_wrap=True, overflow="ellipsis").append(
            f"{len(orders):,} orders", "dim"
        )
        if rows <= 2:
            return Group(heading, Text()) if rows == 2 else heading
        fitting = rows - 2
        nearest = sorted(orders, key=lambda near: near.rank)
        hidden = len(nearest) - fitting
        shown = nearest[: fitting - 1] if hidden > 0 else nearest
        cells = [self._cells(near, now_ns) for near in shown]
        if hidden > 0:
            more = Text(f"+ {hidden + 1} more", "yellow")
            cells.append([more, *[Text()] * (len(_COLUMNS) - 1)])
        return Group(heading, self._grid.lay_out(cells, width, rows - 1))

    def _cells(self, near: Near, now_ns: int) -> list[Text]:
        order = near.order
        is_bid = order.side == common_pb2.SIDE_BID
        return [
            Text(near.symbol, "bold"),
            Text("" if near.away is None else f"{near.away:+.3%}"),
            Text(order.trigger_price, BID if order.trigger_condition != _BELOW else ASK),
            Text("buy" if is_bid else "sell", BID if is_bid else ASK),
            _size(order),
            Text(order.limit_price, "dim"),
            Text(order.order_type),
            Text(_short(order.user), "dim"),
            Text(duration(max(0, now_ns - order.placed_time_ns)), "dim"),
        ]

    def _changes(self, width: int, rows: int) -> Text:
        cells = []
        for changed in islice(self.recent, rows - 1):
            change, order = changed.change, changed.change.order
            is_bid = order.side == common_pb2.SIDE_BID
            is_triggered = change.status == "triggered"
            name, style = (
                (change.status, "bold yellow" if is_triggered else "red")
                if change.kind == _REMOVED
                else ("added", "green")
            )
            cells.append(
                [
                    Text(clock_time(changed.block_time_ns), "dim"),
                    Text(changed.symbol, "bold"),
                    Text(name, style),
                    Text("buy" if is_bid else "sell", BID if is_bid else ASK),
                    Text(f"{_WORDS.get(order.trigger_condition, '')} {order.trigger_price}"),
                    _size(order),
                    Text(order.order_type, "dim"),
                ]
            )
        return self._change_grid.lay_out(cells, width, rows)

    def _market(self, symbol: str) -> ClientStops:
        market = self.markets.get(symbol)
        if market is None:
            market = self.markets[symbol] = ClientStops(symbol)
        return market


def _size(order: stop_order_pb2.StopOrder) -> Text:
    return Text("position", "dim") if order.is_position_tpsl else Text(order.size)


def _short(address: str) -> str:
    return f"{address[:6]}…{address[-3:]}" if len(address) > 11 else address


def _doubts(is_doubtful: bool, is_complete: bool) -> Iterator[str]:
    if is_doubtful:
        yield " DOUBTFUL"
    if not is_complete:
        yield " INCOMPLETE"


def _sentence(order: stop_order_pb2.StopOrder) -> str:
    words = [
        "buy" if order.side == common_pb2.SIDE_BID else "sell",
        "position" if order.is_position_tpsl else order.size,
        _WORDS.get(order.trigger_condition, "at"),
        order.trigger_price,
        f"limit {order.limit_price}",
        order.order_type,
        "reduce-only" if order.reduce_only else "",
        f"oid {order.oid}",
        f"user {order.user}",
    ]
    return " ".join(filter(None, words))
