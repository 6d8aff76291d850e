"""A table of markets: best bid and ask, spread, and how the middle has moved."""

from collections import deque

from attrs import define, field
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.views.books import plain_control
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.cli.views.ladder import ASK, BID
from hyperstream.cli.views.numbers import (
    SECOND,
    Places,
    basis_points,
    clock_time,
    duration,
    fixed,
    places_of,
    sparkline,
)
from hyperstream.market.decimals import DecimalCache
from hyperstream.v1 import orderbook_pb2

MIDDLE_INTERVAL_NS = SECOND // 2
_MIDDLES = 120
_WIDE = 68  # from here on sizes and age are shown
_COLUMNS = (
    Column("market", 10),
    Column("bid size", 9, right=True, from_width=_WIDE),
    Column("bid", 9, right=True),
    Column("ask", 9, right=True),
    Column("ask size", 9, right=True, from_width=_WIDE),
    Column("bps", 5, right=True),
    Column("age", 7, right=True, from_width=_WIDE),
    Column("middle", 0, from_width=54),
)
_decimal = DecimalCache()


@define(eq=False)
class BboRow:
    """One market: its last best prices, and its middle price every half second."""

    symbol: str
    bbo: orderbook_pb2.Bbo | None = None
    places: Places = field(factory=Places)
    middles: deque[int] = field(factory=lambda: deque(maxlen=_MIDDLES))
    is_current: bool = False
    _slot: int = 0

    def take(self, bbo: orderbook_pb2.Bbo, now_ns: int) -> None:
        """Show these prices from now on."""
        self.bbo = bbo
        self.is_current = True
        for level in self._levels():
            self.places.see(_decimal[level.price], _decimal[level.size])
        middle = self.middle_e8()
        if middle:
            self._advance(middle, now_ns)

    def middle_e8(self) -> int:
        """Return the middle of bid and ask in 10^-8; 0 while a side is empty."""
        if self.bbo is None or not (self.bbo.HasField("bid") and self.bbo.HasField("ask")):
            return 0
        return (_decimal[self.bbo.bid.price] + _decimal[self.bbo.ask.price]) // 2

    def _levels(self) -> list[orderbook_pb2.Level]:
        if self.bbo is None:
            return []
        return [getattr(self.bbo, side) for side in ("bid", "ask") if self.bbo.HasField(side)]

    def _advance(self, middle: int, now_ns: int) -> None:
        slot = now_ns // MIDDLE_INTERVAL_NS
        if self.middles and slot == self._slot:
            self.middles[-1] = middle
            return
        if self.middles:  # half seconds without a change
            self.middles.extend([self.middles[-1]] * min(_MIDDLES, slot - self._slot - 1))
        self.middles.append(middle)
        self._slot = slot

    def cells(self, now_ns: int, spark_width: int, age_style: str) -> list[Text]:
        """Return the row: market, bid size, bid, ask, ask size, spread, age, sparkline."""
        if self.bbo is None:
            return [Text(self.symbol, "yellow"), *[Text()] * (len(_COLUMNS) - 1)]
        if self.middles:
            self._advance(self.middles[-1], now_ns)
        prices, sizes = {}, {}
        for side, style in (("bid", BID), ("ask", ASK)):
            if self.bbo.HasField(side):
                level = getattr(self.bbo, side)
                prices[side] = Text(fixed(_decimal[level.price], self.places.price), style)
                sizes[side] = Text(fixed(_decimal[level.size], self.places.size))
            else:
                prices[side], sizes[side] = Text("none", "yellow"), Text("")
        spread = Text("")
        if middle := self.middle_e8():
            distance = _decimal[self.bbo.ask.price] - _decimal[self.bbo.bid.price]
            spread = Text(f"{basis_points(distance, middle):.2f}", "dim")
        name = Text(self.symbol, "bold reverse red" if self.bbo.doubtful else "bold")
        if self.bbo.doubtful:
            name.append(" DOUBTFUL")
        elif not self.is_current:
            name.append(" OLD", "yellow")
        rising = (
            len(self.middles) > 1 and self.middles[-1] >= self.middles[-min(spark_width, len(self.middles))]
        )
        spark = Text(sparkline(list(self.middles), spark_width).ljust(spark_width), BID if rising else ASK)
        age = Text(duration(now_ns - self.bbo.block_time_ns), age_style)
        return [name, sizes["bid"], prices["bid"], prices["ask"], sizes["ask"], spread, age, spark]


@define(eq=False)
class BboView:
    """Markets in the order their first event came."""

    feed: Feed
    started_ns: int = 0
    rows: dict[str, BboRow] = field(factory=dict)
    _grid: Grid = field(factory=lambda: Grid(_COLUMNS, gap=1))

    def apply(self, event: orderbook_pb2.BboEvent, now_ns: int) -> bool:
        """Take an event; never asks for a new subscription, the newest price is all there is."""
        kind = event.WhichOneof("event")
        if kind == "heartbeat":
            self.feed.on_heartbeat(event.heartbeat, now_ns)
        elif kind == "notice":
            self.feed.on_notice(event.notice, now_ns)
        elif kind == "gap":
            self.feed.on_gap(event.gap, now_ns)
            self._row(event.gap.symbol).is_current = False
        elif kind == "bbo":
            self._row(event.bbo.symbol).take(event.bbo, now_ns)
            self.feed.on_event(now_ns, event.bbo.height, event.merged)
        return False

    def expect_fresh_start(self) -> None:
        """The connection went: prices are old until new ones come."""
        for row in self.rows.values():
            row.is_current = False

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: the table, and the footer on the last line."""
        return Group(self.table(width, height - 1, now_ns), self.feed.footer(now_ns))

    def table(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the table alone in exactly this many lines; narrow ones are without sizes and age."""
        rows = list(self.rows.values())
        if not rows:
            return Text("waiting for the first prices" + "\n" * (height - 1), "yellow", no_wrap=True)
        hidden = len(rows) - max(1, height - 1)
        if hidden > 0:
            rows = rows[: -hidden - 1]
        style = self.feed.age_style(now_ns)
        spark_width = max(0, min(_MIDDLES, width - (_WIDE if width >= _WIDE else 46)))
        cells = [row.cells(now_ns, spark_width, style) for row in rows]
        if hidden > 0:
            more = Text(f"+ {hidden + 1} more", "yellow")
            cells.append([more, *[Text()] * (len(_COLUMNS) - 1)])
        return self._grid.lay_out(cells, width, height)

    def lines(self, event: orderbook_pb2.BboEvent) -> list[str]:
        """Return what plain output says about an event just applied."""
        if event.WhichOneof("event") != "bbo":
            return plain_control(event)
        bbo = event.bbo
        sides = []
        for side in ("bid", "ask"):
            level = getattr(bbo, side)
            sides.append(f"{side} {level.price} x {level.size}" if bbo.HasField(side) else f"{side} none")
        doubt = " DOUBTFUL" if bbo.doubtful else ""
        return [f"{clock_time(bbo.block_time_ns)} {bbo.symbol} height {bbo.height} {' '.join(sides)}{doubt}"]

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        last = ", ".join(
            f"{row.symbol} {fixed(row.middle_e8(), places_of(row.middle_e8()))}"
            for row in list(self.rows.values())[:8]
            if row.middle_e8()
        )
        return (
            f"{self.feed.events.total:.0f} best-price updates of {len(self.rows)} markets in "
            f"{duration(now_ns - self.started_ns)}, missed {self.feed.missed()}; middle: {last or 'nothing'}"
        )

    def _row(self, symbol: str) -> BboRow:
        row = self.rows.get(symbol)
        if row is None:
            row = self.rows[symbol] = BboRow(symbol)
        return row
