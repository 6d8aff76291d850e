"""Order-level snapshots and changes as protobuf."""

from hyperstream.market.book import ADDED, REMOVED, UPDATED
from hyperstream.market.decimals import format_e8
from hyperstream.market.order import Order, OrderAttributes
from hyperstream.market.updates import OrdersChunk, OrdersDelta
from hyperstream.v1 import common_pb2, orderbook_pb2
from hyperstream.wire.statuses import decoded_attributes

_KINDS = {
    ADDED: orderbook_pb2.ORDER_CHANGE_KIND_ADDED,
    UPDATED: orderbook_pb2.ORDER_CHANGE_KIND_UPDATED,
    REMOVED: orderbook_pb2.ORDER_CHANGE_KIND_REMOVED,
}


def orders_chunk_message(update: OrdersChunk) -> bytes:
    """The fields of an OrdersSnapshot after its head."""
    message = orderbook_pb2.OrdersSnapshot(
        orders=[_order(order) for order in update.orders],
        doubtful=update.is_doubtful,
        chunk=update.chunk,
        last_chunk=update.is_last,
    )
    return message.SerializeToString()


def orders_delta_message(update: OrdersDelta) -> bytes:
    """The fields of an OrdersDelta after its head."""
    changes = []
    for kind, order, detail in update.entries:
        changes.append(
            orderbook_pb2.OrderChange(
                kind=_KINDS[kind],
                order=_order(order) if kind == ADDED else _brief_order(order),
                insert_before_oid=detail if kind == ADDED else None,
                status=update.statuses.get(order.oid) if kind == REMOVED else None,
            )
        )
    changes += [
        orderbook_pb2.OrderChange(kind=orderbook_pb2.ORDER_CHANGE_KIND_ATTRIBUTES, order=_order(order))
        for order in update.late
    ]
    message = orderbook_pb2.OrdersDelta(
        changes=changes, doubtful=update.is_doubtful, previous_sequence=update.sequence - 1
    )
    return message.SerializeToString()


def _brief_order(order: Order) -> orderbook_pb2.Order:
    level = order.level
    return orderbook_pb2.Order(
        oid=order.oid,
        side=common_pb2.SIDE_BID if level.key > 0 else common_pb2.SIDE_ASK,
        price=level.price,
        size=format_e8(order.size_e8),
    )


def _order(order: Order) -> orderbook_pb2.Order:
    attributes = decoded_attributes(order)
    if attributes is not None:
        try:
            return _whole_order(order, attributes)
        except (TypeError, ValueError):
            order.attributes = None  # a value of another type or range than the node ever wrote
    message = _brief_order(order)
    message.user = order.user
    return message


def _whole_order(order: Order, attributes: OrderAttributes) -> orderbook_pb2.Order:
    level = order.level
    side = common_pb2.SIDE_BID if level.key > 0 else common_pb2.SIDE_ASK
    return orderbook_pb2.Order(
        oid=order.oid,
        user=order.user,
        side=side,
        price=level.price,
        size=format_e8(order.size_e8),
        has_attributes=True,
        original_size=format_e8(attributes.original_size_e8),
        placed_time_ns=attributes.placed_time_ns,
        order_type=attributes.order_type,
        tif=attributes.tif,
        reduce_only=attributes.reduce_only,
        cloid=attributes.cloid,
        trigger_condition=attributes.trigger_condition,
        trigger_price=attributes.trigger_price,
        is_position_tpsl=attributes.is_position_tpsl,
    )
