"""Every frame, decoded with the generated classes, equals the message built with them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.order import OrderAttributes
from hyperstream.market.updates import (
    BboUpdate,
    BlockStamp,
    BookDelta,
    BookSnapshot,
    GapNote,
    MarketName,
    NoticeNote,
    OrdersChunk,
    OrdersDelta,
    TradesUpdate,
    Update,
)
from hyperstream.v1 import common_pb2, orderbook_pb2
from hyperstream.wire.protobuf.formats import (
    BBO,
    ORDERBOOK,
    ORDERS,
    TRADES,
    ProtobufFormat,
    snapshot_message,
)
from hyperstream.wire.statuses import decoded_attributes

from . import spelling, values

# Of each streaming call: its format, its response, and the updates it spells with how.
CALLS: list[tuple[ProtobufFormat, Any]] = [
    (ORDERBOOK, orderbook_pb2.SubscribeOrderbookResponse),
    (BBO, orderbook_pb2.SubscribeBboResponse),
    (TRADES, orderbook_pb2.SubscribeTradesResponse),
    (ORDERS, orderbook_pb2.SubscribeOrdersResponse),
]
RESPONSES = dict(CALLS)
every_call = pytest.mark.parametrize(("wire_format", "response"), CALLS)


def event_of(wire_format: ProtobufFormat, frame: bytes) -> Any:
    """The only event of a frame; everything in it is known to the contract."""
    (event,) = RESPONSES[wire_format].FromString(frame).events
    return event


def check_deterministic(message: Message, body: bytes) -> None:
    """The bytes are the library's own: nothing spelled twice, nothing out of order, no default."""
    assert message.SerializeToString(deterministic=True) == body


@given(values.book_snapshots)
def test_a_book_snapshot(update: BookSnapshot) -> None:
    expected = spelling.book_snapshot(update)
    assert event_of(ORDERBOOK, ORDERBOOK.encode(update)) == orderbook_pb2.OrderbookEvent(snapshot=expected)
    assert orderbook_pb2.OrderbookSnapshot.FromString(snapshot_message(update)) == expected
    if update.epoch:
        check_deterministic(expected, snapshot_message(update))


@given(values.book_deltas)
def test_a_book_delta(update: BookDelta) -> None:
    event = event_of(ORDERBOOK, ORDERBOOK.encode(update))
    assert event == orderbook_pb2.OrderbookEvent(delta=spelling.book_delta(update))


@given(values.bbo_updates)
def test_a_bbo(update: BboUpdate) -> None:
    event = event_of(BBO, BBO.encode(update))
    assert event == orderbook_pb2.BboEvent(bbo=spelling.bbo(update))
    assert event.bbo.HasField("bid") == (update.bid is not None)
    assert event.bbo.HasField("ask") == (update.ask is not None)


@given(values.trades_updates)
def test_trades(update: TradesUpdate) -> None:
    event = event_of(TRADES, TRADES.encode(update))
    assert event == orderbook_pb2.TradesEvent(trades=spelling.trade_batch(update))


@given(values.orders_chunks)
def test_a_chunk_of_orders(update: OrdersChunk) -> None:
    event = event_of(ORDERS, ORDERS.encode(update))
    assert event == orderbook_pb2.OrdersEvent(snapshot=spelling.orders_snapshot(update))


@given(values.orders_deltas())
def test_changes_of_orders(update: OrdersDelta) -> None:
    event = event_of(ORDERS, ORDERS.encode(update))
    assert event == orderbook_pb2.OrdersEvent(delta=spelling.orders_delta(update))


@every_call
@given(values.gap_notes)
def test_a_gap(wire_format: ProtobufFormat, response: Any, note: GapNote) -> None:
    event = event_of(wire_format, wire_format.gap(note))
    assert event.WhichOneof("event") == "gap"
    assert event.gap == spelling.gap(note)
    assert event.gap.HasField("market_id") == (note.name.market_id is not None)


@every_call
@given(values.notice_notes)
def test_a_notice(wire_format: ProtobufFormat, response: Any, note: NoticeNote) -> None:
    event = event_of(wire_format, wire_format.notice(note))
    assert event.WhichOneof("event") == "notice"
    assert event.notice == spelling.notice(note)


@every_call
@given(values.TIMES, values.UINT64)
def test_a_heartbeat(wire_format: ProtobufFormat, response: Any, time_ns: int, height: int) -> None:
    event = event_of(wire_format, wire_format.heartbeat(time_ns, height))
    assert event.WhichOneof("event") == "heartbeat"
    assert event.heartbeat == common_pb2.Heartbeat(publish_time_ns=time_ns, height=height)


@given(values.book_snapshots, st.integers(1, 2**32 - 1))
def test_a_merged_snapshot_differs_only_in_its_count(update: BookSnapshot, count: int) -> None:
    merged = event_of(ORDERBOOK, ORDERBOOK.merged(ORDERBOOK.encode(update), count))
    assert merged == orderbook_pb2.OrderbookEvent(snapshot=spelling.book_snapshot(update), merged=count)


@given(values.bbo_updates, st.integers(1, 2**32 - 1))
def test_a_merged_bbo_differs_only_in_its_count(update: BboUpdate, count: int) -> None:
    merged = event_of(BBO, BBO.merged(BBO.encode(update), count))
    assert merged == orderbook_pb2.BboEvent(bbo=spelling.bbo(update), merged=count)


@pytest.mark.parametrize("wire_format", [TRADES, ORDERS])
def test_what_is_never_conflated_has_no_merged_count(wire_format: ProtobufFormat) -> None:
    with pytest.raises(TypeError, match="no merged field"):
        wire_format.merged(wire_format.heartbeat(1, 1), 1)


@given(
    st.lists(values.book_snapshots | values.book_deltas, max_size=4), values.gap_notes, values.notice_notes
)
def test_frames_joined_are_a_response_with_all_their_events(
    updates: list[Update], gap: GapNote, notice: NoticeNote
) -> None:
    frames = [ORDERBOOK.encode(update) for update in updates]
    frames += [ORDERBOOK.gap(gap), ORDERBOOK.notice(notice), ORDERBOOK.heartbeat(1, 2)]
    response = orderbook_pb2.SubscribeOrderbookResponse.FromString(b"".join(frames))
    assert list(response.events) == [event_of(ORDERBOOK, frame) for frame in frames]


@every_call
def test_a_format_refuses_updates_of_other_calls(wire_format: ProtobufFormat, response: Any) -> None:
    stamp = BlockStamp(1, 1, 1, 1, 1)
    stranger: Update = BboUpdate(MarketName("BTC"), 1, 1, stamp, False, None, None)
    if wire_format is BBO:
        stranger = TradesUpdate(MarketName("BTC"), 1, 1, stamp, False, [])
    with pytest.raises(TypeError, match=f"{type(wire_format).__name__} does not spell"):
        wire_format.encode(stranger)


OPEN_STATUS = (
    b'{"time":"2026-05-05T17:39:13.024084407","user":"0x01","hash":null,"builder":null,"status":"open",'
    b'"order":{"coin":"BTC","side":"B","limitPx":"100.0","sz":"2.0","oid":7,"timestamp":1778002753024,'
    b'"triggerCondition":"N/A","isTrigger":false,"triggerPx":"0.0","children":[],"isPositionTpsl":false,'
    b'"reduceOnly":true,"orderType":"Limit","origSz":"3.0","tif":"Alo","cloid":null}}'
)


@given(values.orders())
def test_a_status_kept_as_bytes_is_decoded_once_when_somebody_asks(order: Any) -> None:
    order.attributes = OPEN_STATUS[1:]  # as opening_statuses keeps it
    told = decoded_attributes(order)
    assert told == OrderAttributes(1778002753024 * 10**6, 3 * 10**8, "Limit", "Alo", True, "", "", "", False)
    assert order.attributes is told
    assert decoded_attributes(order) is told


@given(values.orders(), st.binary(max_size=50))
def test_a_status_that_cannot_be_read_leaves_the_order_without_attributes(order: Any, status: bytes) -> None:
    order.attributes = status
    assert decoded_attributes(order) is None
    assert order.attributes is None
