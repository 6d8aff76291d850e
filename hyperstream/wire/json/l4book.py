"""``l4Book``: every order of a market, as the public order_book_server sends it.

First ``{"Snapshot":{"coin","time","height","levels":[[bids],[asks]]}}``, then one ``{"Updates":{"time",
"height","order_statuses","book_diffs"}}`` for each block that concerned the market. Shapes: that server's
source (``types/mod.rs``, ``types/node_data.rs``). An order placed in front of another says so in
``insertBefore``, as the node does; without it a follower could not keep the queue.

A snapshot is one message, however many orders there are. It is sent in frames of some hundred orders each,
which clients put together again; so nothing else may be sent on the connection until the last has gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from hyperstream.market.book import ADDED, REMOVED, JournalEntry
from hyperstream.market.decimals import format_e8
from hyperstream.market.order import Order
from hyperstream.market.updates import OrdersChunk, OrdersDelta, Update
from hyperstream.wire.json.frames import text_part
from hyperstream.wire.json.hyperliquid import HyperliquidFormat
from hyperstream.wire.statuses import decoded_attributes

_MS = 1_000_000
_STATUS_FIELDS = ("time", "user", "status")
_ORDER_FIELDS = (
    "coin",
    "side",
    "limitPx",
    "sz",
    "oid",
    "timestamp",
    "triggerCondition",
    "isTrigger",
    "triggerPx",
    "isPositionTpsl",
    "reduceOnly",
    "orderType",
    "tif",
    "cloid",
)


class L4BookFormat(HyperliquidFormat):
    """Snapshots in parts that are one message, and updates by block."""

    channel = "l4Book"

    def encode(self, update: Update) -> bytes:
        """The frame of an update, or of a part of a snapshot; parts are not compressed."""
        if type(update) is OrdersChunk:
            is_first = update.chunk == 0
            return text_part(self._part(update), is_first=is_first, is_last=update.is_last)
        return super().encode(update)

    def data(self, update: Update) -> Sequence[bytes]:
        """What a block changed."""
        if type(update) is not OrdersDelta:
            return super().data(update)
        symbol = update.name.symbol
        updates = {
            "time": update.stamp.block_time_ns // _MS,
            "height": update.stamp.height,
            "order_statuses": [status for event in update.events if (status := _status(event)) is not None],
            "book_diffs": [_diff(symbol, entry) for entry in update.entries],
        }
        return (b'{"Updates":%b}' % orjson.dumps(updates),)

    def _part(self, update: OrdersChunk) -> bytes:
        """A piece of the snapshot's JSON: the bids end where the first ask, or the end, is."""
        symbol = update.name.symbol
        time_ms = update.stamp.block_time_ns // _MS
        bids_here = max(0, update.bid_count - update.first)
        orders = [orjson.dumps(_order(symbol, order, time_ms)) for order in update.orders]
        parts = []
        if update.chunk == 0:
            parts.append(
                b'{"channel":"l4Book","data":{"Snapshot":{"coin":%b,"time":%d,"height":%d,"levels":[['
                % (orjson.dumps(symbol), time_ms, update.stamp.height)
            )
        if update.first and update.first != update.bid_count:
            parts.append(b",")
        parts.append(b",".join(orders[:bids_here]))
        if update.first <= update.bid_count and (bids_here < len(orders) or update.is_last):
            parts.append(b"],[")
        parts.append(b",".join(orders[bids_here:]))
        if update.is_last:
            parts += (b"]]}}", self.end(update))
        return b"".join(parts)


def _order(symbol: str, order: Order, time_ms: int) -> dict[str, object]:
    """A resting order. One whose status the node never wrote (its own liquidity) looks placed now."""
    level = order.level
    attributes = decoded_attributes(order)
    return {
        "user": order.user,
        "coin": symbol,
        "side": "B" if level.key > 0 else "A",
        "limitPx": level.price,
        "sz": format_e8(order.size_e8),
        "oid": order.oid,
        "timestamp": attributes.placed_time_ns // _MS if attributes else time_ms,
        "triggerCondition": (attributes and attributes.trigger_condition) or "N/A",
        "isTrigger": False,
        "triggerPx": (attributes and attributes.trigger_price) or "0.0",
        "isPositionTpsl": bool(attributes and attributes.is_position_tpsl),
        "reduceOnly": bool(attributes and attributes.reduce_only),
        "orderType": attributes.order_type if attributes else "Limit",
        "tif": (attributes.tif or None) if attributes else "Alo",
        "cloid": (attributes.cloid or None) if attributes else None,
    }


def _status(event: bytes) -> dict[str, object] | None:
    """A status as the node wrote it, without what that server leaves out; None if it cannot be read."""
    try:
        status = orjson.loads(event)
        order = status["order"]
        told: dict[str, object] = {name: status[name] for name in _STATUS_FIELDS}
        told["order"] = {"user": None, **{name: order[name] for name in _ORDER_FIELDS}}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return told


def _diff(symbol: str, entry: JournalEntry) -> dict[str, object]:
    """A change of the book, spelled as the node's raw book diffs are."""
    kind, order, detail = entry
    change: object
    if kind == ADDED:
        new: dict[str, object] = {"sz": format_e8(order.size_e8)}
        if detail is not None:
            new["insertBefore"] = detail
        change = {"new": new}
    elif kind == REMOVED:
        change = "remove"
    else:
        change = {"update": {"origSz": format_e8(detail or 0), "newSz": format_e8(order.size_e8)}}
    return {
        "user": order.user,
        "oid": order.oid,
        "px": order.level.price,
        "coin": symbol,
        "raw_book_diff": change,
    }
