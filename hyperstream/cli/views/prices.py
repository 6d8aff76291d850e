"""A table of prices, bars and indicators: what each is now, and how it has moved."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import floor, log10
from typing import Any

from attrs import define, field
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.views.books import plain_control
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.cli.views.ladder import ASK, BID
from hyperstream.cli.views.numbers import SECOND, clock_time, duration, sparkline
from hyperstream.errors import RpcError
from hyperstream.v1 import price_pb2

SLOT_NS = SECOND // 2
SLOTS = 120
_WIDE = 96  # from here on the best bid and ask are shown
_COLUMNS = (
    Column("", 18),
    Column("now", 12, right=True),
    Column("", 8),
    Column("bid", 11, right=True, from_width=_WIDE),
    Column("ask", 11, right=True, from_width=_WIDE),
    Column("bps", 6, right=True, from_width=_WIDE),
    Column("age", 7, right=True, from_width=70),
    Column("moved", 0, from_width=54),
)
_FIXED_WIDTH, _FIXED_WIDTH_WIDE = 52, 92


@define(eq=False)
class Row:
    """One number: a last price, a close, a value. ``note`` says what is special about it."""

    label: str
    value: float | None = None
    shown: str = ""
    note: str = ""
    bid: str = ""
    ask: str = ""
    time_ns: int = 0
    is_head: bool = False
    is_current: bool = True
    past: deque[float] = field(factory=lambda: deque(maxlen=SLOTS))
    _slot: int = 0

    def take(self, value: float, shown: str, now_ns: int) -> None:
        """Show this number from now on."""
        self.value, self.shown = value, shown
        self.is_current = True
        slot = now_ns // SLOT_NS
        if self.past and slot == self._slot:
            self.past[-1] = value
            return
        if self.past:  # half seconds without a change
            self.past.extend([self.past[-1]] * min(SLOTS, slot - self._slot - 1))
        self.past.append(value)
        self._slot = slot

    def cells(self, now_ns: int, spark_width: int, age_style: str) -> list[Text]:
        """The row: name, number, note, bid, ask, spread, age, sparkline."""
        label = Text(self.label if self.is_head else f"  {self.label}", "bold" if self.is_head else "")
        if not self.is_current:
            label.append(" OLD", "yellow")
        age = Text(duration(max(0, now_ns - self.time_ns)), age_style) if self.time_ns else Text("")
        return [
            label,
            Text(self.shown, "bold" if self.is_head else ""),
            Text(self.note, "dim"),
            Text(self.bid, BID),
            Text(self.ask, ASK),
            Text(_spread(self.bid, self.ask), "dim"),
            age,
            self._spark(spark_width),
        ]

    def _spark(self, width: int) -> Text:
        if not self.past:
            return Text("".ljust(width))
        shown = list(self.past)[-width:] if width else []
        low, high = min(self.past), max(self.past)
        steps = [round((value - low) / (high - low) * 1000) if high > low else 0 for value in shown]
        is_rising = len(shown) < 2 or shown[-1] >= shown[0]
        return Text(sparkline(steps, width).ljust(width), BID if is_rising else ASK)


@define(eq=False)
class PricesView:
    """A row for each number. ``labels`` name indicators by their place in the request."""

    feed: Feed
    labels: Mapping[str, str] = field(factory=dict)
    started_ns: int = 0
    rows: dict[str, Row] = field(factory=dict)
    errors: list[price_pb2.StreamError] = field(factory=list)
    _label_of: dict[str, str] = field(factory=dict)
    _value_rows: dict[str, dict[str, Row]] = field(factory=dict)
    _grid: Grid = field(factory=lambda: Grid(_COLUMNS, gap=1))

    def apply(self, event: price_pb2.PriceStreamEvent, now_ns: int) -> bool:
        """Take an event; never asks for a new subscription. Raises RpcError if nothing can be followed."""
        kind = event.WhichOneof("event")
        match kind:
            case "price":
                self._take_price(event.price, now_ns)
            case "bar":
                self._take_bar(event.bar, now_ns)
            case "indicator":
                self._take_indicator(event.indicator, now_ns)
            case "acknowledgement":
                self._take_acknowledgement(event.acknowledgement)
            case "error":
                self.errors.append(event.error)
            case "gap":
                self.feed.on_gap(event.gap, now_ns)
            case "notice":
                self.feed.on_notice(event.notice, now_ns)
            case "heartbeat":
                self.feed.on_heartbeat(event.heartbeat, now_ns)
        if kind in ("price", "bar", "indicator"):
            self.feed.on_event(now_ns, 0, event.merged)
        return False

    def _take_acknowledgement(self, told: price_pb2.Acknowledgement) -> None:
        for selection in told.selections:
            if selection.field in self.labels:
                self._name(selection.key, self.labels[selection.field])
        if not told.active_count and self.errors:
            first = self.errors[0]
            name = price_pb2.StreamErrorCode.Name(first.code).removeprefix("STREAM_ERROR_CODE_")
            raise RpcError(name, first.reason)

    def _name(self, key: str, label: str) -> None:
        """Call a series so; its first value may have come before the acknowledgement."""
        self._label_of[key] = label
        values = self._value_rows.get(key, {})
        if key in self.rows:
            self.rows[key].label = label
        for name, row in values.items():
            row.label = label if len(values) == 1 else f"{label} {name}"

    def _take_price(self, price: price_pb2.PriceUpdate, now_ns: int) -> None:
        row = self._row(f"{price.venue}/{price.symbol}", f"{price.symbol} {price.venue}", is_head=True)
        row.bid, row.ask, row.time_ns = price.bid_price, price.ask_price, price.event_time_ns
        shown = price.last_price or _middle(price.bid_price, price.ask_price)
        if shown:
            row.take(float(shown), shown, now_ns)

    def _take_bar(self, bar: price_pb2.BarUpdate, now_ns: int) -> None:
        row = self._row(bar.key, f"{bar.symbol} {bar.interval}")
        row.take(float(bar.close), bar.close, now_ns)
        row.note = "closed" if bar.closed else ""
        row.time_ns = bar.publish_time_ns

    def _take_indicator(self, told: price_pb2.IndicatorUpdate, now_ns: int) -> None:
        label = self._label_of.get(told.key, told.key)
        rows = self._value_rows.setdefault(told.key, {})
        if not told.values:
            for row in rows.values() or [self._row(told.key, label)]:
                row.shown = ""
                row.note = f"{told.have}/{told.need}" if told.warming else "undefined"
            return
        if not rows:
            self.rows.pop(told.key, None)  # it stood for all of them while there was none
        for value in told.values:
            name = label if len(told.values) == 1 else f"{label} {value.name}"
            row = rows[value.name] = self._row(f"{told.key} {value.name}", name)
            row.take(value.value, spell(value.value), now_ns)
            row.note = "forming" if told.forming else ""
            row.time_ns = told.event_time_ns

    def _row(self, key: str, label: str, *, is_head: bool = False) -> Row:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = Row(label, is_head=is_head)
        return row

    def expect_fresh_start(self) -> None:
        """The connection went: numbers are old until new ones come."""
        self.errors.clear()
        for row in self.rows.values():
            row.is_current = False

    def first(self) -> str:
        """The first market's price in a few words; empty while there is none."""
        heads = [row for row in self.rows.values() if row.is_head and row.shown]
        return f"{heads[0].label} {heads[0].shown}" if heads else ""

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: the table, what was refused, and the footer on the last line."""
        refused = [
            Text(f"refused: {error.field}: {error.reason}", "yellow", no_wrap=True, overflow="ellipsis")
            for error in self.errors[:3]
        ]
        table = self.table(width, height - 1 - len(refused), now_ns)
        return Group(table, *refused, self.feed.footer(now_ns))

    def table(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the table alone in exactly this many lines."""
        rows = self._in_order()
        if not rows:
            return Text("waiting for the first prices" + "\n" * (height - 1), "yellow", no_wrap=True)
        hidden = len(rows) - max(1, height - 1)
        if hidden > 0:
            rows = rows[: -hidden - 1]
        style = self.feed.age_style(now_ns)
        taken = _FIXED_WIDTH_WIDE if width >= _WIDE else _FIXED_WIDTH
        spark_width = max(0, min(SLOTS, width - taken))
        cells = [row.cells(now_ns, spark_width, style) for row in rows]
        if hidden > 0:
            more = Text(f"+ {hidden + 1} more", "yellow")
            cells.append([more, *[Text()] * (len(_COLUMNS) - 1)])
        return self._grid.lay_out(cells, width, height)

    def _in_order(self) -> list[Row]:
        """The rows of each market together, its prices first, in the order in which they came."""
        heads = [key for key, row in self.rows.items() if row.is_head]

        def place(key: str) -> tuple[int, bool]:
            own = [number for number, head in enumerate(heads) if f"{key}/".startswith(f"{head}/")]
            return (own[-1] if own else len(heads)), not self.rows[key].is_head

        return [self.rows[key] for key in sorted(self.rows, key=place)]

    def lines(self, event: price_pb2.PriceStreamEvent) -> list[str]:
        """Return what plain output says about an event just applied."""
        match event.WhichOneof("event"):
            case "price":
                return [_price_line(event.price)]
            case "bar":
                return [_bar_line(event.bar)]
            case "indicator":
                return [self._indicator_line(event.indicator)]
            case "acknowledgement":
                return [f"following {event.acknowledgement.active_count} series"]
            case "error":
                place = event.error.field or event.error.key
                return [f"REFUSED {place}: {event.error.reason}"]
            case "active":
                return []
            case _:
                return plain_control(event)

    def _indicator_line(self, told: price_pb2.IndicatorUpdate) -> str:
        head = f"{clock_time(told.event_time_ns or told.publish_time_ns)} {told.key}"
        if told.warming:
            return f"{head} warming {told.have}/{told.need}"
        values = " ".join(f"{value.name} {spell(value.value)}" for value in told.values) or "undefined"
        return f"{head} {values}{' forming' if told.forming else ''}"

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        last = ", ".join(f"{row.label} {row.shown}" for row in list(self.rows.values())[:8] if row.shown)
        return (
            f"{self.feed.events.total:.0f} updates of {len(self.rows)} numbers in "
            f"{duration(now_ns - self.started_ns)}, missed {self.feed.missed()}; last: {last or 'nothing'}"
        )


def spell(value: float) -> str:
    """A number with as many places as its size deserves: ``84,120.11``, ``63.9021``, ``-0.331211``.

    Small ones have four digits (``0.0000006321``), of twelve places at most.
    """
    size = abs(value)
    places = 2 if size >= 1_000 else 4 if size >= 1 else 6
    if 0 < size < 0.001:
        places = min(12, 3 - floor(log10(size)))
    return f"{value:,.{places}f}"


def _middle(bid: str, ask: str) -> str:
    return f"{(float(bid) + float(ask)) / 2:.10g}" if bid and ask else bid or ask


def _spread(bid: str, ask: str) -> str:
    if not (bid and ask):
        return ""
    low, high = float(bid), float(ask)
    return f"{(high - low) / (high + low) * 20_000:.2f}" if high + low else ""


def _price_line(price: price_pb2.PriceUpdate) -> str:
    head = f"{clock_time(price.event_time_ns)} {price.key}"
    parts: list[tuple[str, Any]] = [
        ("last", price.last_price),
        ("bid", price.bid_price and f"{price.bid_price} x {price.bid_size}"),
        ("ask", price.ask_price and f"{price.ask_price} x {price.ask_size}"),
        ("mark", price.mark_price),
    ]
    return " ".join([head, *(f"{name} {value}" for name, value in parts if value)])


def _bar_line(bar: price_pb2.BarUpdate) -> str:
    state = "closed" if bar.closed else "forming"
    whole = " incomplete" if bar.incomplete else ""
    return (
        f"{clock_time(bar.start_time_ns)} {bar.key} {state} open {bar.open} high {bar.high} low {bar.low} "
        f"close {bar.close} volume {bar.volume}{whole}"
    )
