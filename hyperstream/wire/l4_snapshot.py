"""L4 snapshots: the file a node writes for ``fileSnapshot``, read piece by piece.

``[985148181,[["BTC",[[["0xuser",{order}],…bids],[…asks]]],["ETH",…]]]`` with height and users;
the height and the users may be missing (``[["BTC",…]]``, bare order objects). Best price first,
oldest first within a price. Untriggered trigger orders, when included, stand at the tail of both
sides with ``isTrigger`` true: they are not part of the book and come apart from its orders.

All markets together are hundreds of megabytes, so nothing is parsed at once: the file is cut between
two orders, a few milliseconds' worth at a time. ``read_snapshot`` is an ordinary generator; whoever
drives it may let others run between two pieces.
"""

import re
from collections.abc import Container, Generator, Iterator
from mmap import mmap
from typing import Any

import orjson

from hyperstream.errors import SnapshotError
from hyperstream.wire.node_blocks import SnapshotOrders

PIECE_BYTES = 128 * 1024

_HEAD = re.compile(rb"\s*\[\s*(?:([0-9]+)\s*,\s*\[)?")
_MARKET = re.compile(rb'\["([^"\\]{1,64})",\[')
_BETWEEN_ORDERS = b'}],["'
_TRIGGER = b'"isTrigger":true'
_LAST_ORDER = b"}]]"
# Markets, market, sides, side; a height and users put one more list round each order.
_LISTS_ROUND_AN_ORDER = 4
_BLANK = re.compile(rb"[\[,{]\s")
_MOST_BLANKS = 200


def snapshot_height(data: bytes | mmap) -> int | None:
    """Return the height the snapshot stands at, None if the file carries none."""
    match = _HEAD.match(data)
    if match is None:
        raise SnapshotError(f"not an L4 snapshot: begins with {bytes(data[:40])!r}")
    return int(match[1]) if match[1] else None


def check_is_complete(data: bytes | mmap) -> None:
    """Raise SnapshotError if the file stops before its outermost list is closed.

    Only the end is looked at: behind the last order, every list that was open there is closed.
    """
    has_height = snapshot_height(data) is not None
    last_order = data.rfind(b"}")
    depth = 0
    if last_order >= 0:
        depth = _LISTS_ROUND_AN_ORDER + has_height + _has_users(data)
    rest = bytes(data[last_order + 1 :]).rstrip()
    if depth + rest.count(b"[") != rest.count(b"]") or not rest:
        raise SnapshotError(f"the snapshot is not complete: it ends with {rest[-40:]!r}")


def _has_users(data: bytes | mmap) -> bool:
    """Whether orders stand in pairs with their user: the first one follows a comma then."""
    first = data.find(b"{")
    return first > 0 and bytes(data[max(0, first - _MOST_BLANKS) : first]).rstrip().endswith(b",")


def _has_blanks(data: bytes | mmap) -> bool:
    """Whether another program spelled the snapshot, which the node does without a blank."""
    first = data.find(b"{")
    return _BLANK.search(data, 0, first + 2 if first >= 0 else len(data)) is not None


def read_snapshot(data: bytes | mmap, wanted: Container[str] | None = None) -> Iterator[SnapshotOrders]:
    """Yield the orders of every market in pieces of about PIECE_BYTES; raises SnapshotError.

    A market that is not ``wanted`` (None: all are) is passed over unparsed, as pieces without
    orders, so that whoever drives this can let others run as often. If it ends with trigger orders, the
    last of them is there all the same.
    """
    check_is_complete(data)
    if not _has_users(data) or _has_blanks(data):
        yield from _read_at_once(data)
        return
    head = _HEAD.match(data)
    position = head.end() if head is not None else 0
    while bytes(data[position : position + 1]) != b"]":
        market = _MARKET.match(data, position)
        if market is None:
            raise SnapshotError(f"no market where one should be: {bytes(data[position : position + 60])!r}")
        symbol = _symbol(market[1])
        is_wanted = wanted is None or symbol in wanted
        position = yield from _read_side(symbol, "B", data, market.end(), is_wanted)
        position = _expect(b",", data, position, symbol)
        position = yield from _read_side(symbol, "A", data, position, is_wanted)
        position = _expect(b"]]", data, position, symbol)
        if bytes(data[position : position + 1]) == b",":
            position += 1


def _read_at_once(data: bytes | mmap) -> Iterator[SnapshotOrders]:
    """Where no cut between orders can be told from one between an order's children, as without users."""
    rows = _loads(bytes(data), "a market")
    if snapshot_height(data) is not None:
        rows = rows[1]
    try:
        sides = [
            (symbol, side, orders) for symbol, both in rows for side, orders in zip("BA", both, strict=True)
        ]
    except (TypeError, ValueError) as exc:
        raise SnapshotError(f"the snapshot's list of markets is not as documented: {exc}") from exc
    for symbol, side, orders in sides:
        if not isinstance(symbol, str):
            raise SnapshotError(f"a market of the snapshot has no readable name: {symbol!r:.100}")
        yield _piece(symbol, side, orders)


def _symbol(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as exc:
        raise SnapshotError(f"a market of the snapshot has no readable name: {name!r}") from exc


def _expect(what: bytes, data: bytes | mmap, position: int, symbol: str) -> int:
    """The position behind ``what``, which must stand here."""
    end = position + len(what)
    if bytes(data[position:end]) != what:
        raise SnapshotError(f"{symbol} in the snapshot is broken at byte {position}")
    return end


def _read_side(
    symbol: str, side: str, data: bytes | mmap, position: int, is_wanted: bool
) -> Generator[SnapshotOrders, None, int]:
    """Yield the pieces of one list of orders, which opens here; returns the position behind it.

    A pair ends with ``}]``. Behind it stands ``,["`` before the next pair, or the ``]`` that closes
    the list; an order's children also end with ``}]``, but behind them stands ``,"``.
    """
    position = _expect(b"[", data, position, symbol)
    size = PIECE_BYTES
    is_first = True
    while is_first or bytes(data[position : position + 1]) != b"]":
        window = bytes(data[position : position + size])
        if window[:1] == b"]":
            stop = 0
        else:
            last = window.find(_LAST_ORDER)
            stop = (last if last >= 0 else window.rfind(_BETWEEN_ORDERS)) + len(b"}]")
            if stop < len(b"}]"):
                if position + size > len(data):
                    raise SnapshotError(f"{symbol} in the snapshot has an order without an end")
                size *= 2  # one order longer than a whole piece
                continue
        if is_wanted:
            yield _piece(symbol, side, _loads(b"[" + window[:stop] + b"]", symbol))
        else:
            yield SnapshotOrders(symbol, side, [], _trigger_at_the_end(symbol, window[:stop]))
        is_first = False
        position += stop
        if bytes(data[position : position + 1]) == b",":
            position += 1
    return position + 1


def _trigger_at_the_end(symbol: str, text: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The last of some orders, if it is a trigger order: that tells whether a snapshot includes them."""
    cut = text.rfind(_BETWEEN_ORDERS)
    last = text[cut + len(b"}],") :] if cut >= 0 else text
    if _TRIGGER not in last:
        return []
    return _piece(symbol, "", _loads(b"[" + last + b"]", symbol)).triggers


def _loads(text: bytes, symbol: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise SnapshotError(f"{symbol} in the snapshot cannot be read: {exc}") from exc


def _piece(symbol: str, side: str, rows: Any) -> SnapshotOrders:
    piece = SnapshotOrders(symbol, side, [])
    try:
        for row in rows:
            pair = ("", row) if isinstance(row, dict) else (row[0], row[1])
            (piece.triggers if pair[1]["isTrigger"] else piece.orders).append(pair)
    except (TypeError, KeyError, IndexError) as exc:
        raise SnapshotError(f"an order of {symbol} in the snapshot is not as documented: {exc!r}") from exc
    return piece
