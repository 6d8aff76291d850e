"""Statuses of stop and take-profit orders, found among all others by a byte search.

Few statuses are about trigger orders, and none of the others is parsed. The node writes its JSON without
blanks: the only ones of a line stand in words of trigger orders, ``"Price below 77409"`` and
``"Stop Market"``. So one search for a single byte, five times as fast as one for ``"isTrigger":true``
because it is memchr, tells whether there is anything to look at.

``{"time":…,"user":…,"status":"open","order":{…,"triggerCondition":"Price below 77409","isTrigger":true,…}}``

An order waits after ``open``; after any other status it does not. One that is rejected when its price has
come was ``triggered`` before, so rejections may be dropped unread. Children of an order are trigger orders
that begin to wait when their parent is ``filled``; the node tells of each by an ``open`` of its own as well.
Format: Hyperliquid's "L1 data schemas" and recorded files.
"""

from collections.abc import Iterator
from typing import Any

import orjson
from attrs import frozen

from hyperstream.errors import FormatError
from hyperstream.market.decimals import parse_e8
from hyperstream.market.order import MAX_OID
from hyperstream.market.stop_orders import StopOrder, TriggerCondition
from hyperstream.wire.statuses import placed_time_ns_of, text_of, truth_of

BLANK = b" "
_TRIGGER = b'"isTrigger":true'
_TIME = b'{"time":"'
_NEXT = b'},{"time":"'


@frozen
class TriggerStatus:
    """What a status says of one trigger order: it waits now (``order``), or no more (None).

    ``is_by_parent`` marks a child of which only the status of its parent told.
    """

    symbol: str
    oid: int
    status: str
    order: StopOrder | None
    is_by_parent: bool = False


def trigger_lines(text: bytes) -> Iterator[bytes]:
    """Yield the lines of a text that may be about trigger orders: nearly always none is."""
    at = text.find(BLANK)
    while at >= 0:
        end = text.find(b"\n", at)
        if end < 0:
            end = len(text)
        yield text[text.rfind(b"\n", 0, at) + 1 : end]
        at = text.find(BLANK, end)


def trigger_statuses(line: bytes) -> list[TriggerStatus]:
    """Return what one line of the node says of trigger orders, in its order; raises FormatError."""
    found: list[TriggerStatus] = []
    at = line.find(BLANK)
    while at >= 0:
        end = line.find(_NEXT, at)
        if end < 0:
            end = line.rfind(b"}", at, line.rfind(b"]", at))
        begin = line.rfind(_TIME, 0, at)
        if begin < 0:
            return _parsed(line)
        status = line[begin : end + 1]
        if _TRIGGER in status:
            try:
                found += _told_by(orjson.loads(status))
            except orjson.JSONDecodeError:
                return _parsed(line)
        at = line.find(BLANK, max(end, at + 1))
    return found


def _parsed(line: bytes) -> list[TriggerStatus]:
    """The same by way of JSON, for lines that cannot be cut between two statuses."""
    try:
        events = orjson.loads(line)["events"]
        return [status for event in events for status in _told_by(event)]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise FormatError(f"order statuses cannot be read: {exc!r} in {line[:200]!r}") from exc


def _told_by(event: dict[str, Any]) -> Iterator[TriggerStatus]:
    try:
        user, name, order = event["user"], event["status"], event["order"]
        if order["isTrigger"]:
            waits = name == "open"
            symbol, oid = order["coin"], order["oid"]
            if type(symbol) is not str or type(oid) is not int or type(name) is not str:
                raise FormatError(f"a trigger order has no oid, market or status: {event!r:.300}")
            yield TriggerStatus(symbol, oid, name, stop_order(user, order) if waits else None)
        elif name == "filled":
            for child in order["children"]:
                yield TriggerStatus(child["coin"], child["oid"], name, stop_order(user, child), True)
    except (KeyError, TypeError) as exc:
        raise FormatError(f"an order status cannot be read: {exc!r} in {event!r:.300}") from exc


def stop_order(user: str, order: dict[str, Any]) -> StopOrder:
    """A trigger order as snapshots and statuses spell it; raises FormatError."""
    try:
        oid = order["oid"]
        if type(oid) is not int or not 0 <= oid <= MAX_OID:
            raise FormatError(f"the oid of an order is impossible: {oid!r:.100}")
        if order["side"] not in ("A", "B"):
            raise FormatError(f"an order is on no side: {order['side']!r:.100}")
        return StopOrder(
            oid=oid,
            user=text_of(user),
            is_bid=order["side"] == "B",
            trigger_price=_decimal(order["triggerPx"]),
            trigger_condition=TriggerCondition.parse(text_of(order["triggerCondition"])),
            limit_price=_decimal(order["limitPx"]),
            size=_decimal(order["sz"]),
            order_type=text_of(order["orderType"]),
            reduce_only=truth_of(order["reduceOnly"]),
            is_position_tpsl=truth_of(order["isPositionTpsl"]),
            tif=text_of(order["tif"] or ""),
            cloid=text_of(order.get("cloid") or ""),
            placed_time_ns=placed_time_ns_of(order),
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise FormatError(f"an order cannot be read: {exc!r} in {order!r:.300}") from exc


def _decimal(value: str) -> str:
    parse_e8(value)
    return value
