"""Rows of cells, and things side by side: what the live views need of a table, and no more.

rich's Table measures every cell of every row anew for each frame, and columns move when the
widest cell scrolls away. A ``Grid`` remembers its widths, which only grow: several times
cheaper, and nothing jumps.
"""

from collections.abc import Sequence

from attrs import define, field, frozen
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text


@frozen
class Column:
    """A column: numbers are ``right`` aligned; it is shown where the view is ``from_width`` wide."""

    heading: str
    least_width: int
    right: bool = False
    from_width: int = 0


@define(eq=False)
class Grid:
    """Lays out rows under headings; keeps the widths it has needed so far."""

    columns: Sequence[Column]
    gap: int = 2
    _widths: list[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._widths = [max(column.least_width, len(column.heading)) for column in self.columns]

    def lay_out(self, rows: Sequence[Sequence[Text]], width: int, height: int) -> Text:
        """Return the headings and as many rows as fit, cut at ``width``, in exactly ``height`` lines."""
        shown = [number for number, column in enumerate(self.columns) if width >= column.from_width]
        fitting = rows[: max(0, height - 1)]
        for row in fitting:
            for number in shown:
                self._widths[number] = max(self._widths[number], row[number].cell_len)
        lines = [self._line([Text(column.heading, "dim") for column in self.columns], shown)]
        lines += [self._line(row, shown) for row in fitting]
        lines += [Text()] * (height - len(lines))
        body = Text("\n").join(lines[: max(1, height)])
        body.no_wrap, body.overflow = True, "ellipsis"
        return body

    def _line(self, row: Sequence[Text], shown: Sequence[int]) -> Text:
        line = Text()
        for number in shown:
            cell = row[number]
            blank = " " * (self._widths[number] - cell.cell_len)
            if self.columns[number].right:
                line.append(blank).append_text(cell)
            else:
                line.append_text(cell).append(blank)
            line.append(" " * self.gap)
        line.rstrip()
        return line


@frozen
class Beside:
    """Renderables next to one another, each with its width, all cut or filled to one height."""

    parts: Sequence[tuple[RenderableType, int]]
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [
            Segment.set_shape(
                console.render_lines(part, options.update(width=width, height=self.height)),
                width,
                self.height,
            )
            for part, width in self.parts
        ]
        for row in zip(*columns, strict=True):
            for line in row:
                yield from line
            yield Segment.line()
