"""Rows of cells whose columns only grow, and things side by side."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from hyperstream.cli.views.grid import Beside, Column, Grid

COLUMNS = (Column("market", 4), Column("price", 6, right=True), Column("note", 4, from_width=40))


def rows(*cells: tuple[str, str, str]) -> list[list[Text]]:
    return [[Text(cell) for cell in row] for row in cells]


def test_numbers_are_right_aligned_under_their_heading() -> None:
    body = Grid(COLUMNS).lay_out(rows(("BTC", "1.5", "x")), 80, 3)
    assert body.plain.splitlines() == ["market   price  note", "BTC        1.5  x"]


def test_a_column_is_shown_from_its_width_on() -> None:
    grid = Grid(COLUMNS)
    assert "note" not in grid.lay_out([], 39, 2).plain
    assert "note" in grid.lay_out([], 40, 2).plain


def test_columns_never_move_back() -> None:
    grid = Grid(COLUMNS)
    wide = grid.lay_out(rows(("a-long-market", "1.5", "x")), 80, 2).plain.splitlines()[0]
    narrow = grid.lay_out(rows(("BTC", "1.5", "x")), 80, 2).plain.splitlines()[0]
    assert wide == narrow


@given(st.integers(0, 20), st.integers(1, 30))
def test_a_grid_has_exactly_the_lines_asked_for(count: int, height: int) -> None:
    body = Grid(COLUMNS).lay_out(rows(*[("BTC", "1.5", "x")] * count), 80, height)
    assert body.plain.count("\n") == height - 1


def test_things_stand_beside_one_another_cut_and_filled_to_one_height() -> None:
    console = Console(file=io.StringIO(), width=30, record=True)
    left = Panel("left", width=10, height=3)
    console.print(Beside(((left, 10), (Text("a\nb\nc\nd\ne"), 8)), 4), end="")
    assert [line.rstrip() for line in console.export_text().splitlines()] == [
        "╭────────╮a",
        "│ left   │b",
        "╰────────╯c",
        "          d",
    ]
