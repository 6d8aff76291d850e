"""Order statuses, taken from the node's lines as bytes.

Most status lines of a node are rejections that never touch a book, and of the rest only those
that open an order tell something the diffs do not. So nothing is parsed here before somebody
asks for it: the statuses wanted are found by a byte search (4 GB/s), and the order object is
kept as the bytes the node wrote until its attributes are needed.

``{"time":…,"user":…,"hash":…,"builder":…,"status":"open","order":{"coin":"BTC","side":"A",…,"oid":412036451270,…}}``

An order opens with ``open`` (``isTrigger`` false) or with ``triggered``: then it rests as a plain
order from the time of that status (``tif`` "Gtc", no trigger price). Format: Hyperliquid's
"L1 data schemas" and recorded files.
"""

import re
from collections.abc import Collection
from itertools import chain
from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.market.decimals import parse_e8
from hyperstream.market.order import Order, OrderAttributes
from hyperstream.wire.node_lines import parse_time_ns

_STATUS = b'"status":"'
_OPENING = re.compile(
    rb'"status":"(open|triggered)","order":\{"coin":"[^"]*","side":"[^"]*","limitPx":"[^"]*","sz":"[^"]*",'
    rb'"oid":([0-9]+),'
)
_OPEN = b'"status":"open"'
_TRIGGERED = b'"status":"triggered"'
_NEXT = b'},{"time":"'
_LEAVING = re.compile(rb'"status":"(filled|[A-Za-z]*[cC]ancel(?:ed)?)","order":\{')
_TIME = b'{"time":"'
_ORDER = b'"order":{'
_OID = b'"oid":'
_TRIGGER = b'"isTrigger":true'
_CLOID = b'"cloid":'
_NS_PER_MS = 1_000_000
_LATEST_MS = 2**63 // _NS_PER_MS - 1  # times are signed 64-bit numbers of ns


def opening_statuses(line: bytes) -> dict[int, bytes]:
    """Return the statuses of a node line, or of several, that may open a resting order, by oid, unparsed.

    Each is a JSON object without its opening brace and what stands before ``"status"``; ``triggered``
    ones are whole, for their time. Untriggered trigger orders are left out; they do not rest. Raises
    FormatError if the line holds events that are not order statuses in the node's own spelling.
    """
    found: dict[int, bytes] = {}
    find, rfind = line.find, line.rfind
    is_one = b"\n" not in line
    for match in _OPENING.finditer(line):
        at = match.end()
        stop = -1 if is_one else find(b"\n", at)
        if stop < 0:
            stop = len(line)
        end = find(_NEXT, at, stop)
        if end < 0:
            end = rfind(b"}", at, rfind(b"]", at, stop))
        if match[1] == b"open":
            status = line[match.start() : end + 1]
            if _TRIGGER in status and _is_untriggered(status):
                continue
        else:
            status = line[line.rfind(_TIME, 0, match.start()) + 1 : end + 1]
        found[int(match[2])] = status
    if not found and (_OPEN in line or _TRIGGERED in line):
        return _parsed_statuses(line)
    return found


def _parsed_statuses(line: bytes) -> dict[int, bytes]:
    """The same by way of JSON, for lines whose orders do not have their fields in the usual order."""
    found: dict[int, bytes] = {}
    try:
        for event in chain.from_iterable(orjson.loads(each)["events"] for each in line.split(b"\n")):
            order = event["order"]
            if event["status"] == "triggered" or (event["status"] == "open" and not order["isTrigger"]):
                found[order["oid"]] = orjson.dumps(event)[1:]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise FormatError(f"order statuses cannot be read: {exc!r} in {line[:200]!r}") from exc
    return found


def _is_untriggered(status: bytes) -> bool:
    """Whether an ``open`` status is that of a trigger order; children are always trigger orders."""
    order = _object(status)["order"]
    return bool(order["isTrigger"])


def _object(status: bytes) -> dict[str, Any]:
    """A status as ``opening_statuses`` keeps it; raises FormatError."""
    try:
        value = orjson.loads(b"{" + status)
    except orjson.JSONDecodeError as exc:
        raise FormatError(f"an order status cannot be read: {exc} in {status[:300]!r}") from exc
    if not isinstance(value, dict):
        raise FormatError(f"an order status cannot be read: {status[:300]!r}")
    return value


def leaving_statuses(line: bytes) -> dict[int, str]:
    """Return what the node's line says of orders that are gone: oid → ``"filled"``, ``"canceled"``, …."""
    found: dict[int, str] = {}
    for match in _LEAVING.finditer(line):
        oid_at = line.find(_OID, match.end()) + len(_OID)
        found[int(line[oid_at : line.find(b",", oid_at)])] = match[1].decode()
    return found


def statuses_of(line: bytes, symbols: Collection[str]) -> dict[str, list[bytes]]:
    """Return the statuses of these markets in a node line, whole and as the node wrote them, by symbol."""
    found: dict[str, list[bytes]] = {}
    for symbol in symbols:
        coin = b'"order":{"coin":' + orjson.dumps(symbol) + b","
        at = line.find(coin)
        while at >= 0:
            end = line.find(_NEXT, at)
            if end < 0:
                end = line.rfind(b"}", at, line.rfind(b"]"))
            found.setdefault(symbol, []).append(line[line.rfind(_TIME, 0, at) : end + 1])
            at = line.find(coin, end)
    return found


def joined_lines(lines: list[bytes]) -> list[bytes]:
    """Return lines as one text to search, if each of them holds a status; else as they are."""
    if len(lines) > 1 and all(_STATUS in line for line in lines):
        return [b"\n".join(lines)]
    return lines


def is_readable(line: bytes) -> bool:
    """Whether a status line with events is in the spelling that the searches above rely on."""
    return line.endswith(b'"events":[]}') or (_STATUS in line and _TIME in line and _ORDER in line)


def decoded_attributes(order: Order) -> OrderAttributes | None:
    """The order's attributes; decodes the status bytes the first time. None if it has none.

    A status that cannot be read leaves the order without attributes.
    """
    attributes = order.attributes
    if isinstance(attributes, bytes):
        try:
            order.attributes = attributes = attributes_of(attributes)
        except FormatError:
            order.attributes = attributes = None
    return attributes


def attributes_of(status: bytes) -> OrderAttributes:
    """Decode an opening status kept by ``opening_statuses``; raises FormatError."""
    value = _object(status)
    try:
        order = value["order"]
        if value["status"] == "triggered":
            order = order | {
                "timestamp": parse_time_ns(value["time"].encode()) // _NS_PER_MS,
                "triggerCondition": "Triggered",
                "triggerPx": "0.0",
                "tif": "Gtc",
            }
    except (KeyError, TypeError, AttributeError) as exc:
        raise FormatError(f"an order status cannot be read: {exc!r} in {status[:300]!r}") from exc
    return snapshot_attributes(order)


def snapshot_attributes(order: dict[str, Any]) -> OrderAttributes:
    """The attributes in an order object as snapshots and statuses spell it; raises FormatError."""
    try:
        condition = text_of(order["triggerCondition"])
        trigger_price = text_of(order["triggerPx"])
        return OrderAttributes(
            placed_time_ns=placed_time_ns_of(order),
            original_size_e8=parse_e8(order["origSz"]),
            order_type=text_of(order["orderType"]),
            tif=text_of(order["tif"] or ""),
            reduce_only=truth_of(order["reduceOnly"]),
            cloid=text_of(order.get("cloid") or ""),
            trigger_condition="" if condition == "N/A" else condition,
            trigger_price="" if trigger_price == "0.0" else trigger_price,
            is_position_tpsl=truth_of(order["isPositionTpsl"]),
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise FormatError(f"an order cannot be read: {exc!r} in {order!r:.300}") from exc


def placed_time_ns_of(order: dict[str, Any]) -> int:
    """When an order object says it was placed, in ns; raises FormatError, or KeyError if it does not."""
    placed_time_ms = order["timestamp"]
    if type(placed_time_ms) is not int or not 0 <= placed_time_ms <= _LATEST_MS:
        raise FormatError(f"an order has no time: {placed_time_ms!r:.100}")
    return placed_time_ms * _NS_PER_MS


def text_of(value: object) -> str:
    """A field that has to be text; raises FormatError."""
    if not isinstance(value, str):
        raise FormatError(f"an order has something else where text should be: {value!r:.100}")
    return value


def truth_of(value: object) -> bool:
    """A field that has to be true or false; raises FormatError."""
    if not isinstance(value, bool):
        raise FormatError(f"an order has something else where true or false should be: {value!r:.100}")
    return value
