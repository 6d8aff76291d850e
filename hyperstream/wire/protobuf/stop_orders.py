"""Stop orders as protobuf. An order never changes while it waits, so its bytes are made once."""

from __future__ import annotations

from hyperstream.market.stop_orders import StopChange, StopOrder, StopOrdersChunk, StopOrdersDelta
from hyperstream.market.updates import Update
from hyperstream.v1 import common_pb2, stop_order_pb2
from hyperstream.wire.protobuf.fields import bytes_field, string_field, tag_bytes, varint_field
from hyperstream.wire.protobuf.formats import ProtobufFormat
from hyperstream.wire.protobuf.parts import event_frame, head_bytes

_SNAPSHOT, _DELTA = 1, 2
_ORDERS = _CHANGES = tag_bytes(10)
_DOUBTFUL = 11
_CHUNK, _LAST_CHUNK, _COMPLETE = 12, 13, 14
_PREVIOUS_SEQUENCE, _DELTA_COMPLETE = 12, 13
_KIND, _ORDER, _STATUS = 1, tag_bytes(2), 3
_SNAPSHOTS = tag_bytes(1)  # of GetStopOrdersResponse


class StopOrdersFormat(ProtobufFormat):
    """StopOrdersEvent: snapshot chunk, delta."""

    gap_number = 3
    notice_number = 4
    heartbeat_number = 5

    def encode(self, update: Update) -> bytes:
        """A StopOrdersChunk or StopOrdersDelta."""
        if type(update) is StopOrdersDelta:
            return event_frame(_DELTA, _delta_message(update))
        if type(update) is StopOrdersChunk:
            return event_frame(_SNAPSHOT, _chunk_message(update))
        return super().encode(update)


def snapshot_field(update: StopOrdersChunk) -> bytes:
    """A snapshot as one element of a GetStopOrdersResponse."""
    return bytes_field(_SNAPSHOTS, _chunk_message(update))


def _chunk_message(update: StopOrdersChunk) -> bytes:
    return b"".join(
        (
            head_bytes(update),
            *[bytes_field(_ORDERS, order.protobuf_bytes or _order_bytes(order)) for order in update.orders],
            varint_field(_DOUBTFUL, update.is_doubtful),
            varint_field(_CHUNK, update.chunk),
            varint_field(_LAST_CHUNK, update.is_last),
            varint_field(_COMPLETE, update.is_complete),
        )
    )


def _delta_message(update: StopOrdersDelta) -> bytes:
    return b"".join(
        (
            head_bytes(update),
            *[bytes_field(_CHANGES, _change_bytes(change)) for change in update.changes],
            varint_field(_DOUBTFUL, update.is_doubtful),
            varint_field(_PREVIOUS_SEQUENCE, update.sequence - 1),
            varint_field(_DELTA_COMPLETE, update.is_complete),
        )
    )


def _change_bytes(change: StopChange) -> bytes:
    kind = (
        stop_order_pb2.STOP_ORDER_CHANGE_KIND_REMOVED
        if change.status
        else stop_order_pb2.STOP_ORDER_CHANGE_KIND_ADDED
    )
    order = change.order.protobuf_bytes or _order_bytes(change.order)
    return varint_field(_KIND, kind) + bytes_field(_ORDER, order) + string_field(_STATUS, change.status)


def _order_bytes(order: StopOrder) -> bytes:
    """The StopOrder message; kept in the order."""
    message = stop_order_pb2.StopOrder(
        oid=order.oid,
        user=order.user,
        side=common_pb2.SIDE_BID if order.is_bid else common_pb2.SIDE_ASK,
        trigger_price=order.trigger_price,
        trigger_condition=stop_order_pb2.TriggerCondition.Name(order.trigger_condition.value),
        limit_price=order.limit_price,
        size=order.size,
        order_type=order.order_type,
        reduce_only=order.reduce_only,
        is_position_tpsl=order.is_position_tpsl,
        tif=order.tif,
        cloid=order.cloid,
        placed_time_ns=order.placed_time_ns,
    )
    order.protobuf_bytes = encoded = message.SerializeToString()
    return encoded


STOP_ORDERS = StopOrdersFormat()
