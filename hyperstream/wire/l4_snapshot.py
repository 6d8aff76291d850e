"""L4 snapshots: the file a node writes for ``fileSnapshot``, read piece by piece.

``[985148181,[["BTC",[[["0xuser",{order}],…bids],[…asks]]],["ETH",…]]]`` with height and users;
the height and the users may be missing (``[["BTC",…]]``, bare order objects). Best price first,
oldest first within a price. Untriggered trigger orders, when included, stand at the tail of both
sides with ``isTrigger`` true: they are not part of the book and are left out here.

All markets together are hundreds of megabytes, so nothing is parsed at once: markets are found
by a byte search, and a large market is cut between two orders. ``read_snapshot`` is an ordinary
generator; whoever drives it may let others run between two pieces.
"""

import re
from collections.abc import Iterator
from mmap import mmap
from typing import Any

import orjson

from hyperstream.errors import SnapshotError
from hyperstream.wire.node_blocks import SnapshotOrders

PIECE_BYTES = 512 * 1024

_HEAD = re.compile(rb"\s*\[\s*(?:([0-9]+)\s*,\s*\[)?")
_MARKET = re.compile(rb'\["([^"\\]{1,64})",\[(?=\[)')
_BETWEEN_ORDERS = b'}],["'
_BETWEEN_SIDES = re.compile(rb"\]\],\[(?=\[)")
# Markets, market, sides, side; a height and users put one more list round each order.
_LISTS_ROUND_AN_ORDER = 4


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
    return first > 0 and bytes(data[first - 1 : first]) == b","


def read_snapshot(data: bytes | mmap) -> Iterator[SnapshotOrders]:
    """Yield the orders of every market in pieces of about half a megabyte; raises SnapshotError."""
    check_is_complete(data)
    match = _MARKET.search(data)
    end_of_markets = data.rfind(b"]")
    if snapshot_height(data) is not None:
        end_of_markets = data.rfind(b"]", 0, end_of_markets)
    can_cut = _has_users(data)
    while match is not None:
        following = _MARKET.search(data, match.end())
        end = following.start() - 1 if following is not None else end_of_markets
        yield from _read_market(_symbol(match[1]), data, match.end() - 1, end - 1, can_cut)
        match = following


def _symbol(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as exc:
        raise SnapshotError(f"a market of the snapshot has no readable name: {name!r}") from exc


def _read_market(
    symbol: str, data: bytes | mmap, start: int, end: int, can_cut: bool
) -> Iterator[SnapshotOrders]:
    """Yield the pieces of ``[bids,asks]``, which stands at ``data[start:end]``.

    Without users there is no cut between orders that cannot be mistaken for one between an
    order's children, so such a market is one piece.
    """
    if end - start <= PIECE_BYTES or not can_cut:
        sides = _loads(bytes(data[start:end]), symbol)
        if not isinstance(sides, list) or len(sides) != 2:
            raise SnapshotError(f"{symbol} in the snapshot is not a pair of bids and asks")
        for side, rows in zip("BA", sides, strict=True):
            yield SnapshotOrders(symbol, side, _orders(rows, symbol))
        return
    # data[start] and data[end - 1] are the brackets of the pair, data[middle] the comma inside.
    boundary = _BETWEEN_SIDES.search(data, start, end)
    if bytes(data[start + 1 : start + 3]) == b"[]":
        middle = start + 3
    elif boundary is not None:
        middle = boundary.start() + 2
    else:
        middle = end - len(b",[]]")
    yield from _read_side(symbol, "B", data, start + 1, middle)
    yield from _read_side(symbol, "A", data, middle + 1, end - 1)


def _read_side(symbol: str, side: str, data: bytes | mmap, start: int, end: int) -> Iterator[SnapshotOrders]:
    """Yield the pieces of one list of orders, ``data[start:end]``, cut between two orders."""
    start, end = start + 1, end - 1
    while True:
        cut = data.find(_BETWEEN_ORDERS, min(start + PIECE_BYTES, end), end)
        stop = cut + len(b"}]") if cut >= 0 else end
        rows = _loads(b"[" + bytes(data[start:stop]) + b"]", symbol)
        yield SnapshotOrders(symbol, side, _orders(rows, symbol))
        if cut < 0:
            return
        start = stop + 1


def _loads(text: bytes, symbol: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise SnapshotError(f"{symbol} in the snapshot cannot be read: {exc}") from exc


def _orders(rows: Any, symbol: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        pairs = [("", row) if isinstance(row, dict) else (row[0], row[1]) for row in rows]
        return [(user, order) for user, order in pairs if not order["isTrigger"]]
    except (TypeError, KeyError, IndexError) as exc:
        raise SnapshotError(f"an order of {symbol} in the snapshot is not as documented: {exc!r}") from exc
