"""What a benchmark prints: tables for people, or one JSON object a line."""

import os
import platform
from collections.abc import Mapping, Sequence

import click
import orjson
from attrs import define
from rich import box
from rich.console import Console
from rich.table import Table

from hyperstream.config import LogSettings
from hyperstream.logs import set_up

Value = str | int | float | None
Row = Mapping[str, Value]

PLAIN_WIDTH = 140

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last sums up."
)


@define(eq=False)
class Report:
    """Prints the tables of one benchmark as they are finished, and its summary last."""

    benchmark: str
    as_json: bool

    def __attrs_post_init__(self) -> None:
        set_up(LogSettings(level="warning"))

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """Print rows that have the same keys; a JSON line each says which table it belongs to."""
        if self.as_json:
            for row in rows:
                self._line({"benchmark": self.benchmark, "table": title, **row})
            return
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for key in rows[0] if rows else ():
            is_text = any(isinstance(row[key], str) for row in rows)
            table.add_column(key.replace("_", " "), justify="left" if is_text else "right")
        for row in rows:
            table.add_row(*(spell(value) for value in row.values()))
        self._console().print(table)

    def note(self, sentence: str) -> None:
        """Say something that is not a figure, such as why a part was skipped."""
        if self.as_json:
            self._line({"benchmark": self.benchmark, "note": sentence})
        else:
            self._console().print(sentence, highlight=False)

    def summary(self, figures: Row) -> None:
        """Print the figures that matter; called once, at the end."""
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        if self.as_json:
            self._line({"benchmark": self.benchmark, "summary": True, **machine, **figures})
            return
        table = Table(
            title=f"{self.benchmark}: summary", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
        )
        table.add_column("figure")
        table.add_column("value", justify="right")
        for key, value in {**figures, **machine}.items():
            table.add_row(key.replace("_", " "), spell(value))
        self._console().print(table)

    def _line(self, values: Row) -> None:
        click.echo(orjson.dumps(values))

    def _console(self) -> Console:
        console = Console()
        return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def spell(value: Value) -> str:
    """Return a value as a table shows it: three significant digits for fractions, none for None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return value
