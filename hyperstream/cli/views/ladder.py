"""A book as a ladder: asks above, the spread between, bids below, bars for the sizes."""

from collections.abc import Iterable

from attrs import define, field, frozen
from rich.panel import Panel
from rich.text import Text

from hyperstream.cli.client_book import Applied, BookLevel, ClientBook
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.numbers import (
    MILLISECOND,
    Places,
    bar,
    basis_points,
    calm_scale,
    compact,
    duration,
    fixed,
)
from hyperstream.cli.views.rates import Rate

FLASH_NS = 350 * MILLISECOND
BID, ASK = "green", "red"
_GAP = "  "
_HEADINGS = ("price", "size", "orders", "total")
_STATUS_ROWS = 3  # status, headings, spread


@frozen
class _Row:
    """The cells of a level, as text, and what decides how they look."""

    cells: tuple[str, str, str, str]
    share: float
    is_fresh: bool


@define(eq=False)
class Ladder:
    """What is shown of one market: its book, the columns' widths so far, what changed when.

    ``depth`` is the number of levels a side the subscription asked for.
    """

    book: ClientBook
    feed: Feed
    depth: int = 50
    updates: Rate = field(factory=Rate)
    places: Places = field(factory=Places)
    _changed_ns: dict[tuple[str, int], int] = field(factory=dict)
    _widths: list[int] = field(factory=lambda: [len(heading) for heading in _HEADINGS])
    _scale_e8: int = 1

    def on_applied(self, applied: Applied, now_ns: int) -> None:
        """Remember which levels an event touched, to flash them."""
        self.updates.add(1, now_ns)
        for style, prices in ((BID, applied.bids), (ASK, applied.asks)):
            for price in prices:
                self._changed_ns[style, price] = now_ns
        if len(self._changed_ns) > 4 * self.depth + 64:
            self._changed_ns = {
                key: changed for key, changed in self._changed_ns.items() if now_ns - changed < FLASH_NS
            }

    def render(self, width: int, height: int, now_ns: int) -> Panel:
        """Return the ladder in a frame of exactly this size (characters, frame included)."""
        rows = max(1, min(self.depth, (height - 2 - _STATUS_ROWS) // 2))
        asks, bids = self.book.asks, self.book.bids
        for level in (*asks, *bids):
            self.places.see(level.price_e8, level.size_e8)
        asks, bids = asks[:rows], bids[:rows]
        self._choose_scale(asks, bids)
        ask_rows, bid_rows = list(self._rows(asks, ASK, now_ns)), list(self._rows(bids, BID, now_ns))
        self._widen([*ask_rows, *bid_rows])
        columns = self._columns(width - 4)
        lines = [self._status(width, now_ns), self._headings(columns)]
        lines += [Text("")] * (rows - len(ask_rows))
        lines += [self._line(row, ASK, columns, width - 4) for row in reversed(ask_rows)]
        lines.append(self._spread(bids, asks))
        lines += [self._line(row, BID, columns, width - 4) for row in bid_rows]
        body = Text("\n").join(lines)
        body.no_wrap, body.overflow = True, "ellipsis"
        is_bad = self.book.is_doubtful or not self.book.is_current
        return Panel(
            body,
            title=self._title(),
            title_align="left",
            width=width,
            height=height,
            padding=(0, 1),
            border_style="bold red" if is_bad and self.book.sequence else "dim",
        )

    def _title(self) -> Text:
        title = Text(f" {self.book.symbol} ", "bold")
        if self.book.mark_price:
            title.append(f"mark {self.book.mark_price} ", "dim")
        if self.book.is_doubtful:
            title.append(" DOUBTFUL: may differ from the node's book ", "bold reverse red")
        elif not self.book.is_current and self.book.sequence:
            title.append(" OLD: waiting for a snapshot ", "bold reverse yellow")
        return title

    def _status(self, width: int, now_ns: int) -> Text:
        book, style = self.book, self.feed.age_style(now_ns)
        if not book.height:
            return Text("waiting for the first snapshot", "yellow", no_wrap=True)
        text = Text(f"{'height ' if width > 66 else ''}{book.height:,}  ", "dim")
        text.append("block ", "dim").append(f"{duration(now_ns - book.block_time_ns):>7}  ", style)
        if width >= 48:
            text.append("published ", "dim").append(f"{duration(now_ns - book.publish_time_ns):>7}  ", style)
        if width >= 58 or width < 48:
            text.append(f"{self.updates.per_second(now_ns):5.1f}/s", "dim")
        return text

    def _spread(self, bids: list[BookLevel], asks: list[BookLevel]) -> Text:
        if not bids or not asks:
            side = "bids" if asks else "asks" if bids else "orders"
            return Text(f"no {side}" if self.book.is_current else "", "yellow")
        bid, ask = bids[0].price_e8, asks[0].price_e8
        middle = (bid + ask) // 2
        text = Text()
        text.append(fixed(middle, min(8, self.places.price + 1)).rjust(self._widths[0] + 1), "bold")
        text.append(f" mid{_GAP}", "dim")
        text.append("spread ", "dim").append(fixed(abs(ask - bid), self.places.price))
        text.append(f" ({basis_points(ask - bid, middle):.2f} bps)", "dim")
        if bid >= ask:
            text.append("  CROSSED", "bold reverse red")
        return text

    def _choose_scale(self, asks: list[BookLevel], bids: list[BookLevel]) -> None:
        scale = calm_scale(max([level.size_e8 for level in (*asks, *bids)], default=1))
        # Up at once, down only when the bars have become small.
        if scale > self._scale_e8 or scale * 4 < self._scale_e8:
            self._scale_e8 = scale

    def _rows(self, levels: list[BookLevel], style: str, now_ns: int) -> Iterable[_Row]:
        total = 0
        for level in levels:
            total += level.size_e8
            yield _Row(
                (
                    fixed(level.price_e8, self.places.price),
                    fixed(level.size_e8, self.places.size),
                    str(level.order_count),
                    fixed(total, self.places.size) if total < 10**17 else compact(total / 10**8),
                ),
                level.size_e8 / self._scale_e8,
                now_ns - self._changed_ns.get((style, level.price_e8), 0) < FLASH_NS,
            )

    def _widen(self, rows: list[_Row]) -> None:
        for row in rows:
            for column, cell in enumerate(row.cells):
                self._widths[column] = max(self._widths[column], len(cell))

    def _columns(self, width: int) -> tuple[int, ...]:
        """Return the columns that fit, the most important first to stay: price, size, total, orders."""
        for columns in ((0, 1, 2, 3), (0, 1, 3), (0, 1), (0,)):
            if sum(self._widths[column] + len(_GAP) for column in columns) + 4 <= width:
                return columns
        return (0,)

    def _headings(self, columns: tuple[int, ...]) -> Text:
        cells = [_HEADINGS[column].rjust(self._widths[column]) for column in columns]
        return Text(_GAP.join(cells), "dim")

    def _line(self, row: _Row, side: str, columns: tuple[int, ...], width: int) -> Text:
        line = Text()
        used = 0
        for column in columns:
            cell = row.cells[column].rjust(self._widths[column])
            if column == 0:
                style = f"bold {side}" if row.is_fresh else side
            elif column == 1:
                style = f"bold {side}" if row.is_fresh else "default"
            else:
                style = "dim"
            # Only the digits flash, not the blanks before them.
            digits = cell.lstrip()
            line.append(cell[: len(cell) - len(digits)]).append(digits, style).append(_GAP)
            used += len(cell) + len(_GAP)
        return line.append(bar(row.share, max(0, width - used)), side)
