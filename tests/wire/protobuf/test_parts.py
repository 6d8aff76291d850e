"""Parts that many updates share: encoded once, and anew when they have changed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.aggregation import AggregatedSide, Aggregation
from hyperstream.market.book import Book
from hyperstream.market.level import AnyLevel
from hyperstream.market.updates import BboUpdate, BlockStamp, MarketName, Update
from hyperstream.v1 import orderbook_pb2
from hyperstream.wire.diff_lines import read_diff
from hyperstream.wire.diffs import Applied, DiffApplier
from hyperstream.wire.protobuf.parts import (
    gone_level_bytes,
    head_bytes,
    level_bytes,
    levels_bytes,
    name_bytes,
    stamp_bytes,
)
from tests.market.flows import blocks

from . import spelling, values

SIGNS = st.sampled_from([1, -1])


def as_snapshot(parts: bytes) -> orderbook_pb2.OrderbookSnapshot:
    return orderbook_pb2.OrderbookSnapshot.FromString(parts)


@given(st.data(), SIGNS)
def test_a_level_is_an_element_of_its_side_and_is_encoded_once(data: st.DataObject, sign: int) -> None:
    level: AnyLevel = data.draw(values.any_levels(sign))
    encoded = level_bytes(level, sign)
    side = {"bids" if sign > 0 else "asks": [spelling.level(level)]}
    expected = orderbook_pb2.OrderbookSnapshot(**side)  # type: ignore[arg-type]
    assert encoded == expected.SerializeToString(deterministic=True)
    assert level_bytes(level, sign) is encoded
    assert level.protobuf_bytes is encoded


@given(values.PRICES_E8, SIGNS)
def test_a_level_that_is_gone_has_size_zero_and_no_orders(price_e8: int, sign: int) -> None:
    side = {"bids" if sign > 0 else "asks": [spelling.gone(price_e8)]}
    expected = orderbook_pb2.OrderbookSnapshot(**side)  # type: ignore[arg-type]
    assert gone_level_bytes(price_e8 * sign, sign) == expected.SerializeToString(deterministic=True)


@given(values.sides(1), values.sides(-1))
def test_the_levels_of_a_message_keep_their_order(bids: list[AnyLevel], asks: list[AnyLevel]) -> None:
    message = as_snapshot(b"".join(levels_bytes(bids, asks)))
    assert list(message.bids) == [spelling.level(each) for each in bids]
    assert list(message.asks) == [spelling.level(each) for each in asks]


@given(values.names, values.stamps, values.UINT64, values.UINT64)
def test_a_head(name: MarketName, stamp: BlockStamp, epoch: int, sequence: int) -> None:
    update = Update(name, epoch, sequence, stamp, False)
    message = as_snapshot(head_bytes(update))
    assert message == orderbook_pb2.OrderbookSnapshot(**spelling.head(update))
    assert message.HasField("market_id") == (name.market_id is not None)


@given(values.names, values.stamps)
def test_name_and_stamp_are_encoded_once(name: MarketName, stamp: BlockStamp) -> None:
    if name.symbol:
        assert name_bytes(name) is name_bytes(name)
    if stamp.height:
        assert stamp_bytes(stamp) is stamp_bytes(stamp)


def test_a_level_that_is_both_in_a_book_and_a_bbo_is_encoded_once() -> None:
    book = Book("BTC")
    level = book.bids.add(1, "0x1", "100.0", 10**8, None).level
    encoded = level_bytes(level, 1)
    update = BboUpdate(MarketName("BTC"), 1, 1, BlockStamp(1, 1, 1, 1, 1), False, book.bids.best, None)
    assert update.bid is not None
    assert update.bid.protobuf_bytes is encoded


@given(blocks())
def test_no_change_of_a_book_leaves_an_old_encoding_behind(flow: list[list[dict[str, Any]]]) -> None:
    book = Book("BTC")
    applier = DiffApplier(lambda *_: None)
    aggregated = [AggregatedSide(side, Aggregation(2)) for side in book.sides()]
    for events in flow:
        applier.apply(book, [read_diff(event) for event in events], Applied())
        for buckets in aggregated:
            buckets.follow()
        for side in book.sides():
            side.touched.clear()
        bids: list[AnyLevel] = [*book.bids.levels.values(), *aggregated[0].levels.values()]
        asks: list[AnyLevel] = [*book.asks.levels.values(), *aggregated[1].levels.values()]
        message = as_snapshot(b"".join(levels_bytes(bids, asks)))
        assert list(message.bids) == [spelling.level(each) for each in bids]
        assert list(message.asks) == [spelling.level(each) for each in asks]
