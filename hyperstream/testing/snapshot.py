"""The L4 snapshot file of the fake exchange.

``capture`` remembers every order and its size at one moment (about 0.1 µs an order);
``pieces`` turns that into bytes a slice at a time. An order changes nothing but its size
while it rests, so blocks may go on being made in between and the file is still of one height.
"""

from collections.abc import Iterator
from typing import NamedTuple

from hyperstream.testing import lines
from hyperstream.testing.exchange import Exchange
from hyperstream.testing.matching import Side
from hyperstream.testing.orders import Order

SLICE = 250  # orders rendered between two chances to do something else


class Queue(NamedTuple):
    """One side of a market in the file's order. ``texts`` has the orders whose text may change later."""

    orders: list[Order]
    sizes: list[int]
    texts: dict[int, str]


class Capture(NamedTuple):
    """All books at one height."""

    height: int
    markets: list[tuple[str, Queue, Queue]]


def capture(exchange: Exchange, height: int, *, include_trigger_orders: bool = False) -> Capture:
    """Remember all books as they are. Empty markets are left out, as the node does."""
    markets = []
    for symbol, market in exchange.markets.items():
        # The node appends the untriggered orders to the tail of both sides.
        stops = list(market.stops.values()) if include_trigger_orders else []
        bids = _queue(symbol, market.book.bids, stops)
        asks = _queue(symbol, market.book.asks, stops)
        if bids.orders or asks.orders:
            markets.append((symbol, bids, asks))
    return Capture(height, markets)


def pieces(captured: Capture, *, include_users: bool = True, include_height: bool = True) -> Iterator[bytes]:
    """Yield the file's bytes in slices of at most ``SLICE`` orders."""
    yield f"[{captured.height},[".encode() if include_height else b"["
    for index, (symbol, bids, asks) in enumerate(captured.markets):
        yield f'{"," if index else ""}["{symbol}",[['.encode()
        yield from _slices(symbol, bids, include_users)
        yield b"],["
        yield from _slices(symbol, asks, include_users)
        yield b"]]]"
    yield b"]]\n" if include_height else b"]\n"


def _queue(symbol: str, side: Side, stops: list[Order]) -> Queue:
    orders = [order for px in side.best_first() for order in side.levels[px].values()] + stops
    texts = {order.oid: lines.order(symbol, order, order.size) for order in orders if order.extra is not None}
    return Queue(orders, [order.size for order in orders], texts)


def _slices(symbol: str, queue: Queue, include_users: bool) -> Iterator[bytes]:
    for start in range(0, len(queue.orders), SLICE):
        part = zip(queue.orders[start : start + SLICE], queue.sizes[start : start + SLICE], strict=True)
        texts = [
            (order.user.address, queue.texts.get(order.oid) or lines.order(symbol, order, size))
            for order, size in part
        ]
        if include_users:
            body = ",".join([f'["{address}",{text}]' for address, text in texts])
        else:
            body = ",".join([text for _, text in texts])
        yield (("," if start else "") + body).encode()
