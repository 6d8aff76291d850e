"""The L4 snapshot file of the fake exchange.

``capture`` remembers every order and its size at one moment (about 0.1 µs an order);
``pieces`` turns that into bytes a slice at a time. An order changes nothing but its size
while it rests, so blocks may go on being made in between and the file is still of one height.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hyperstream.testing import lines
from hyperstream.testing.exchange import Exchange
from hyperstream.testing.orders import Order

SLICE = 250  # orders rendered between two chances to do something else

_Entry = tuple[Order, int | str]  # an order and its size, or its text where that may change


class Capture(NamedTuple):
    """All books at one height."""

    height: int
    markets: list[tuple[str, list[_Entry], list[_Entry]]]


def capture(exchange: Exchange, height: int, *, include_trigger_orders: bool = False) -> Capture:
    """Remember all books as they are. Empty markets are left out, as the node does."""
    markets = []
    for symbol, market in exchange.markets.items():
        bids = _entries(symbol, market.book.bids)
        asks = _entries(symbol, market.book.asks)
        if include_trigger_orders:  # the node appends them to the tail of both sides
            stops: list[_Entry] = [
                (stop, lines.order(symbol, stop, stop.size)) for stop in market.stops.values()
            ]
            bids += stops
            asks += stops
        if bids or asks:
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


def _entries(symbol: str, side: Iterable[Order]) -> list[_Entry]:
    return [
        (order, order.size if order.extra is None else lines.order(symbol, order, order.size))
        for order in side
    ]


def _slices(symbol: str, entries: list[_Entry], include_users: bool) -> Iterator[bytes]:
    for start in range(0, len(entries), SLICE):
        texts = [
            (order.user.address, size if isinstance(size, str) else lines.order(symbol, order, size))
            for order, size in entries[start : start + SLICE]
        ]
        if include_users:
            body = ",".join([f'["{address}",{text}]' for address, text in texts])
        else:
            body = ",".join([text for _, text in texts])
        yield (("," if start else "") + body).encode()
