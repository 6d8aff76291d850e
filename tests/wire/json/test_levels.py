"""A level's JSON is made once, and anew after whatever changed it."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from hyperstream.market.aggregation import AggregatedSide, Aggregation
from hyperstream.market.book import Book
from hyperstream.market.decimals import format_e8
from hyperstream.market.level import AnyLevel
from hyperstream.wire.json.hyperliquid import level_json
from tests.market.flows import blocks
from tests.market.test_book import applier_for, apply


def spelled(level: AnyLevel) -> bytes:
    size = format_e8(level.size_e8)
    return b'{"px":"%b","sz":"%b","n":%d}' % (level.price.encode(), size.encode(), level.order_count)


@given(blocks())
def test_a_level_is_spelled_anew_after_every_change(flow: list[list[dict[str, Any]]]) -> None:
    book = Book("BTC")
    applier = applier_for(book)
    aggregated = [AggregatedSide(side, Aggregation(3)) for side in book.sides()]
    for events in flow:
        apply(applier, book, events)
        for side in aggregated:
            side.follow()
        shown: list[AnyLevel] = [level for side in book.sides() for level in side.levels.values()]
        shown += [bucket for side in aggregated for bucket in side.levels.values()]
        for level in shown:
            assert level_json(level) == spelled(level)
            assert level_json(level) is level.json_bytes
        for source in book.sides():
            source.touched.clear()
