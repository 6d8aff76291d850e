"""The same messages built with the generated classes: what the hand-written bytes must equal."""

from __future__ import annotations

from typing import Any

from hyperstream.market.book import ADDED, REMOVED, UPDATED
from hyperstream.market.decimals import format_e8
from hyperstream.market.level import AnyLevel
from hyperstream.market.order import Order, OrderAttributes
from hyperstream.market.updates import (
    BboUpdate,
    BookDelta,
    BookSnapshot,
    GapNote,
    NoticeNote,
    OrdersChunk,
    OrdersDelta,
    TradesUpdate,
    Update,
)
from hyperstream.v1 import common_pb2, orderbook_pb2

SIDES = {1: common_pb2.SIDE_BID, -1: common_pb2.SIDE_ASK}
KINDS = {
    ADDED: orderbook_pb2.ORDER_CHANGE_KIND_ADDED,
    UPDATED: orderbook_pb2.ORDER_CHANGE_KIND_UPDATED,
    REMOVED: orderbook_pb2.ORDER_CHANGE_KIND_REMOVED,
}


def head(update: Update) -> dict[str, Any]:
    stamp = update.stamp
    return {
        "market_id": update.name.market_id,
        "symbol": update.name.symbol,
        "epoch": update.epoch,
        "sequence": update.sequence,
        "height": stamp.height,
        "block_time_ns": stamp.block_time_ns,
        "node_time_ns": stamp.node_time_ns,
        "read_time_ns": stamp.read_time_ns,
        "publish_time_ns": stamp.publish_time_ns,
    }


def level(each: AnyLevel) -> orderbook_pb2.Level:
    return orderbook_pb2.Level(price=each.price, size=format_e8(each.size_e8), order_count=each.order_count)


def gone(key: int) -> orderbook_pb2.Level:
    return orderbook_pb2.Level(price=format_e8(abs(key)), size="0")


def book_snapshot(update: BookSnapshot) -> orderbook_pb2.OrderbookSnapshot:
    return orderbook_pb2.OrderbookSnapshot(
        **head(update),
        doubtful=update.is_doubtful,
        bids=map(level, update.bids),
        asks=map(level, update.asks),
    )


def book_delta(update: BookDelta) -> orderbook_pb2.OrderbookDelta:
    return orderbook_pb2.OrderbookDelta(
        **head(update),
        doubtful=update.is_doubtful,
        bids=[*map(level, update.bids), *map(gone, update.gone_bids)],
        asks=[*map(level, update.asks), *map(gone, update.gone_asks)],
        previous_sequence=update.sequence - 1,
    )


def bbo(update: BboUpdate) -> orderbook_pb2.Bbo:
    return orderbook_pb2.Bbo(
        **head(update),
        doubtful=update.is_doubtful,
        bid=level(update.bid) if update.bid else None,
        ask=level(update.ask) if update.ask else None,
    )


def trade_batch(update: TradesUpdate) -> orderbook_pb2.TradeBatch:
    return orderbook_pb2.TradeBatch(
        **head(update),
        trades=[
            orderbook_pb2.Trade(
                trade_id=trade.trade_id,
                price=trade.price,
                size=trade.size,
                side=common_pb2.SIDE_BID if trade.side == "B" else common_pb2.SIDE_ASK,
                trade_time_ns=trade.time_ms * 1_000_000,
                hash=trade.hash,
                buyer=trade.buyer,
                seller=trade.seller,
                buyer_oid=trade.buyer_oid,
                seller_oid=trade.seller_oid,
                liquidation=trade.is_liquidation,
            )
            for trade in update.trades
        ],
    )


def order(each: Order) -> orderbook_pb2.Order:
    message = brief(each)
    message.user = each.user
    told = each.attributes
    if isinstance(told, OrderAttributes):
        message.MergeFrom(
            orderbook_pb2.Order(
                has_attributes=True,
                original_size=format_e8(told.original_size_e8),
                placed_time_ns=told.placed_time_ns,
                order_type=told.order_type,
                tif=told.tif,
                reduce_only=told.reduce_only,
                cloid=told.cloid,
                trigger_condition=told.trigger_condition,
                trigger_price=told.trigger_price,
                is_position_tpsl=told.is_position_tpsl,
            )
        )
    return message


def brief(each: Order) -> orderbook_pb2.Order:
    return orderbook_pb2.Order(
        oid=each.oid,
        side=SIDES[1 if each.level.key > 0 else -1],
        price=each.level.price,
        size=format_e8(each.size_e8),
    )


def orders_snapshot(update: OrdersChunk) -> orderbook_pb2.OrdersSnapshot:
    return orderbook_pb2.OrdersSnapshot(
        **head(update),
        orders=map(order, update.orders),
        doubtful=update.is_doubtful,
        chunk=update.chunk,
        last_chunk=update.is_last,
    )


def orders_delta(update: OrdersDelta) -> orderbook_pb2.OrdersDelta:
    changes = [
        orderbook_pb2.OrderChange(
            kind=KINDS[kind],
            order=order(each) if kind == ADDED else brief(each),
            insert_before_oid=detail or 0 if kind == ADDED else 0,
            status=update.statuses.get(each.oid, "") if kind == REMOVED else "",
        )
        for kind, each, detail in update.entries
    ]
    changes += [
        orderbook_pb2.OrderChange(kind=orderbook_pb2.ORDER_CHANGE_KIND_ATTRIBUTES, order=order(each))
        for each in update.late
    ]
    return orderbook_pb2.OrdersDelta(
        **head(update),
        changes=changes,
        doubtful=update.is_doubtful,
        previous_sequence=update.sequence - 1,
    )


def gap(note: GapNote) -> common_pb2.Gap:
    return common_pb2.Gap(
        market_id=note.name.market_id,
        symbol=note.name.symbol,
        epoch=note.epoch,
        from_sequence=note.from_sequence,
        to_sequence=note.to_sequence,
        dropped=note.dropped,
        reason=f"GAP_REASON_{note.reason}",
        detail=note.detail,
    )


def notice(note: NoticeNote) -> common_pb2.Notice:
    return common_pb2.Notice(
        kind=f"NOTICE_KIND_{note.kind}",
        deadline_time_ns=note.deadline_time_ns,
        resume=[
            common_pb2.ResumePoint(symbol=point.symbol, epoch=point.epoch, sequence=point.sequence)
            for point in note.resume
        ],
        detail=note.detail,
    )
