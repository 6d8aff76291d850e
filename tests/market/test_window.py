"""What a subscriber holds after each delta is exactly the top of the book."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.aggregation import AggregatedSide, Aggregation
from hyperstream.market.book import Book
from hyperstream.market.window import Window

from .flows import blocks
from .test_book import applier_for, apply


@given(blocks(), st.integers(1, 7), st.sampled_from([None, Aggregation(2), Aggregation(5, 5)]))
def test_applying_deltas_gives_the_top_levels_and_never_removes_what_is_not_held(
    flow: list[list[dict[str, Any]]], depth: int, aggregation: Aggregation | None
) -> None:
    book = Book("BTC")
    applier = applier_for(book)
    sides = [side if aggregation is None else AggregatedSide(side, aggregation) for side in book.sides()]
    windows = [Window(side, depth) for side in sides]
    held: list[dict[int, tuple[int, int]]] = [{}, {}]
    for events in flow:
        apply(applier, book, events)
        for side, window, mine in zip(sides, windows, held, strict=True):
            if isinstance(side, AggregatedSide):
                side.follow()
            changed, gone = window.changes()
            for key in gone:
                del mine[key]
            for level in changed:
                mine[level.key] = level.size_e8, level.order_count
            top = {level.key: (level.size_e8, level.order_count) for level in window.levels()}
            assert mine == top
            assert len(top) == min(depth, len(side.keys))
            side.touched.clear()
        for side in book.sides():
            side.touched.clear()
