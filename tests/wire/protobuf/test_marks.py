"""Mark prices as bytes: what the generated classes read is what was computed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.mark_price import InputKind, MarkInput, Told
from hyperstream.market.mark_updates import Absence, Mark, MarkUpdate
from hyperstream.market.updates import (
    GAP_SLOW_CONSUMER,
    NOTICE_DRAINING,
    BboUpdate,
    BlockStamp,
    GapNote,
    MarketName,
    NoticeNote,
    ResumePoint,
)
from hyperstream.market.venue_decimals import format_e12
from hyperstream.v1 import common_pb2, mark_price_pb2
from hyperstream.wire.protobuf.marks import MARK_PRICES

TEXT = st.text(max_size=20)
TIME = st.integers(0, 2**62)
PRICES = st.integers(0, 10**20)
PARTS = st.lists(st.builds(Told, TEXT, st.integers(-(10**20), 10**20), TIME, st.integers(0, 5)), max_size=3)
INPUTS = st.lists(st.builds(MarkInput, st.sampled_from(InputKind), PRICES, PARTS.map(tuple)), max_size=4)
MARKS = st.builds(
    Mark,
    TEXT,
    INPUTS.map(tuple),
    st.lists(st.builds(Absence, TEXT, TEXT), max_size=3).map(tuple),
    TEXT,
    st.none() | st.floats(allow_nan=False),
    TIME,
)
STAMP = BlockStamp(5, 1, 2, 3, 4)


def only(frame: bytes) -> mark_price_pb2.MarkPriceEvent:
    """The one event of a frame, which is a response by itself."""
    (event,) = mark_price_pb2.SubscribeMarkPricesResponse.FromString(frame).events
    return event


def spelled(value_e12: int) -> str:
    return format_e12(value_e12) if value_e12 >= 0 else "-" + format_e12(-value_e12)


@given(MARKS, st.none() | st.integers(0, 2**32 - 1), TEXT, st.integers(1, 2**60), st.booleans())
def test_a_mark_is_read_as_it_was_computed(
    mark: Mark, market_id: int | None, symbol: str, sequence: int, is_doubtful: bool
) -> None:
    update = MarkUpdate(MarketName(symbol, market_id), 7, sequence, STAMP, is_doubtful, mark)
    event = only(MARK_PRICES.encode(update))
    expected = mark_price_pb2.MarkPrice(
        market_id=market_id,
        symbol=symbol,
        epoch=7,
        sequence=sequence,
        height=5,
        block_time_ns=1,
        node_time_ns=2,
        read_time_ns=3,
        publish_time_ns=4,
        price=mark.price,
        inputs=[
            mark_price_pb2.MarkPriceInput(
                kind=f"MARK_PRICE_INPUT_KIND_{each.kind.name}",
                price=spelled(each.price_e12),
                parts=[
                    mark_price_pb2.MarkPricePart(
                        name=part.name,
                        value=spelled(part.price_e12),
                        read_time_ns=part.read_time_ns,
                        weight=part.weight,
                    )
                    for part in each.parts
                ],
            )
            for each in mark.inputs
        ],
        doubtful=is_doubtful,
        absent=[
            mark_price_pb2.MarkPriceAbsence(source=each.source, reason=each.reason) for each in mark.absent
        ],
        venue_price=mark.venue_price,
        difference_basis_points=mark.difference_basis_points,
        averaging_since_time_ns=mark.averaging_since_ns,
    )
    assert event.mark_price == expected
    merged = only(MARK_PRICES.merged(MARK_PRICES.encode(update), 300))
    assert (merged.mark_price, merged.merged) == (expected, 300)


def test_what_every_stream_has_is_spelled_under_the_numbers_of_this_one() -> None:
    name = MarketName("BTC", 0)
    gap = only(MARK_PRICES.gap(GapNote(name, 1, 2, 3, 2, GAP_SLOW_CONSUMER, "slow"))).gap
    assert (gap.symbol, gap.reason) == ("BTC", common_pb2.GAP_REASON_SLOW_CONSUMER)
    points = (ResumePoint("BTC", 1, 2),)
    notice = only(MARK_PRICES.notice(NoticeNote(NOTICE_DRAINING, 9, points, "ends"))).notice
    assert (notice.deadline_time_ns, notice.resume[0].sequence) == (9, 2)
    assert only(MARK_PRICES.heartbeat(8, 7)).heartbeat.height == 7


def test_what_is_no_mark_is_not_spelled() -> None:
    with pytest.raises(TypeError, match="does not spell BboUpdate"):
        MARK_PRICES.encode(BboUpdate(MarketName("BTC"), 1, 1, STAMP, False, None, None))
