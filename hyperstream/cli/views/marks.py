"""A table of mark prices: each beside the venue's own, what it was made of, and how it has moved."""

from collections import deque
from decimal import Decimal

from attrs import define, field
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.views.books import plain_control
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.cli.views.ladder import ASK, BID
from hyperstream.cli.views.numbers import clock_time, duration, sparkline
from hyperstream.v1 import mark_price_pb2

_CHART = 120  # marks, one a second
_WITH_VENUE, _WITH_INPUTS = 58, 96  # from these widths on they are shown
_COLUMNS = (
    Column("market", 10),
    Column("mark", 10, right=True),
    Column("venue", 10, right=True, from_width=_WITH_VENUE),
    Column("bps", 7, right=True),
    Column("oracle", 11, right=True, from_width=_WITH_INPUTS),
    Column("local", 11, right=True, from_width=_WITH_INPUTS),
    Column("external", 11, right=True, from_width=_WITH_INPUTS),
    Column("movement", 0),
)
# From here on a difference is worth a look.
_FAR_BASIS_POINTS = 5.0
_NAMES = {
    mark_price_pb2.MARK_PRICE_INPUT_KIND_ORACLE: "oracle",
    mark_price_pb2.MARK_PRICE_INPUT_KIND_LOCAL: "local",
    mark_price_pb2.MARK_PRICE_INPUT_KIND_EXTERNAL: "external",
    mark_price_pb2.MARK_PRICE_INPUT_KIND_LOCAL_AVERAGE: "local average",
}


@define(eq=False)
class MarkRow:
    """One market: its newest mark, and those of the last minutes."""

    symbol: str
    mark: mark_price_pb2.MarkPrice | None = None
    is_current: bool = False
    marks: deque[int] = field(factory=lambda: deque(maxlen=_CHART))

    def take(self, mark: mark_price_pb2.MarkPrice) -> None:
        """Show this one from now on."""
        self.mark = mark
        self.is_current = True
        if mark.price:
            self.marks.append(int(Decimal(mark.price) * 10**8))

    def cells(self, chart_width: int) -> list[Text]:
        """Return the row: market, mark, the venue's, the difference, three inputs, the movement."""
        name = Text(self.symbol, "bold")
        if self.mark is None:
            return [name, *[Text()] * (len(_COLUMNS) - 1)]
        if self.mark.doubtful:
            name = Text(f"{self.symbol} DOUBTFUL", "bold reverse red")
        elif not self.is_current:
            name.append(" OLD", "yellow")
        mark, venue = self.mark, Text(_grouped(self.mark.venue_price), "dim")
        difference = Text("")
        if mark.HasField("difference_basis_points"):
            points = mark.difference_basis_points
            difference = Text(f"{points:+.2f}", "yellow" if abs(points) > _FAR_BASIS_POINTS else "green")
        prices = {each.kind: each.price for each in mark.inputs}
        places = len(mark.price.partition(".")[2]) + 1
        inputs = [Text(_cut(prices.get(kind, ""), places), "dim") for kind in list(_NAMES)[:3]]
        if not mark.price:
            return [name, Text("none", "yellow"), venue, difference, *inputs, Text(why_none(mark), "yellow")]
        shown = list(self.marks)[-chart_width:] if chart_width > 0 else []
        style = BID if shown and shown[-1] >= shown[0] else ASK
        chart = Text(sparkline(shown, chart_width), style)
        return [name, Text(_grouped(mark.price), "bold"), venue, difference, *inputs, chart]


@define(eq=False)
class MarksView:
    """Markets in the order their first event came."""

    feed: Feed
    started_ns: int = 0
    rows: dict[str, MarkRow] = field(factory=dict)
    _grid: Grid = field(factory=lambda: Grid(_COLUMNS, gap=1))

    def apply(self, event: mark_price_pb2.MarkPriceEvent, now_ns: int) -> bool:
        """Take an event; never asks for a new subscription, the newest mark is all there is."""
        match event.WhichOneof("event"):
            case "heartbeat":
                self.feed.on_heartbeat(event.heartbeat, now_ns)
            case "notice":
                self.feed.on_notice(event.notice, now_ns)
            case "gap":
                self.feed.on_gap(event.gap, now_ns)
                self._row(event.gap.symbol).is_current = False
            case "mark_price":
                self._row(event.mark_price.symbol).take(event.mark_price)
                self.feed.on_event(now_ns, event.mark_price.height, event.merged)
        return False

    def expect_fresh_start(self) -> None:
        """The connection went: marks are old until new ones come."""
        for row in self.rows.values():
            row.is_current = False

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: the table, and the footer on the last line."""
        return Group(self.table(width, height - 1), self.feed.footer(now_ns))

    def table(self, width: int, height: int) -> RenderableType:
        """Return the table alone in exactly this many lines; narrow ones are without the venue and inputs."""
        rows = list(self.rows.values())
        if not rows:
            return Text("waiting for the first mark prices" + "\n" * (height - 1), "yellow", no_wrap=True)
        hidden = len(rows) - max(1, height - 1)
        if hidden > 0:
            rows = rows[: -hidden - 1]
        taken = sum(
            max(column.least_width, len(column.heading)) + 1
            for column in _COLUMNS[:-1]
            if width >= column.from_width
        )
        cells = [row.cells(max(0, min(_CHART, width - taken - 6))) for row in rows]
        if hidden > 0:
            more = Text(f"+ {hidden + 1} more", "yellow")
            cells.append([more, *[Text()] * (len(_COLUMNS) - 1)])
        return self._grid.lay_out(cells, width, height)

    def lines(self, event: mark_price_pb2.MarkPriceEvent) -> list[str]:
        """Return what plain output says about an event just applied."""
        if event.WhichOneof("event") != "mark_price":
            return plain_control(event)
        mark = event.mark_price
        head = f"{clock_time(mark.publish_time_ns)} {mark.symbol} mark"
        doubt = " DOUBTFUL" if mark.doubtful else ""
        if not mark.price:
            return [f"{head} none: {why_none(mark)}{doubt}"]
        venue = f" venue {mark.venue_price}" if mark.venue_price else ""
        if mark.HasField("difference_basis_points"):
            venue += f" difference {mark.difference_basis_points:+.2f} bps"
        parts = ", ".join(f"{_NAMES.get(each.kind, '?')} {each.price}" for each in mark.inputs)
        return [f"{head} {mark.price}{venue} of {parts}{doubt}"]

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        last = ", ".join(
            f"{row.symbol} {_grouped(row.mark.price)}"
            for row in list(self.rows.values())[:8]
            if row.mark is not None and row.mark.price
        )
        return (
            f"{self.feed.events.total:.0f} mark prices of {len(self.rows)} markets in "
            f"{duration(now_ns - self.started_ns)}, missed {self.feed.missed()}; last: {last or 'none'}"
        )

    def _row(self, symbol: str) -> MarkRow:
        row = self.rows.get(symbol)
        if row is None:
            row = self.rows[symbol] = MarkRow(symbol)
        return row


def why_none(mark: mark_price_pb2.MarkPrice) -> str:
    """Return why there is no mark, by source."""
    return "; ".join(f"{each.source}: {each.reason}" for each in mark.absent) or "no reason was told"


def _grouped(price: str) -> str:
    return f"{Decimal(price):,}" if price else ""


def _cut(price: str, places: int) -> str:
    """A price with no more places than are of interest beside the mark."""
    return f"{Decimal(price):,.{min(places, len(price.partition('.')[2]))}f}" if price else ""
