"""A book compared with the fake node's truth, level by level."""

from collections.abc import Iterable, Sequence

from attrs import frozen

from hyperstream.cli.client_book import BookLevel
from hyperstream.market.decimals import parse_e8
from hyperstream.testing import TrueBook
from hyperstream.v1 import orderbook_pb2


@frozen
class Comparison:
    """One market. ``levels`` were compared on both sides together; prices are the venue's strings."""

    symbol: str
    is_equal: bool
    levels: int
    best: str
    true_best: str


def compare(snapshot: orderbook_pb2.OrderbookSnapshot, truth: TrueBook) -> Comparison:
    """Compare a served book with the truth to the same depth: every price, size and order count."""
    served = (list(_read(snapshot.bids)), list(_read(snapshot.asks)))
    true = (list(_true(truth.bids)), list(_true(truth.asks)))
    return Comparison(
        snapshot.symbol,
        served == true,
        sum(map(len, true)),
        _best([level.price for level in snapshot.bids[:1]], [level.price for level in snapshot.asks[:1]]),
        _best([price for price, _, _ in truth.bids[:1]], [price for price, _, _ in truth.asks[:1]]),
    )


def equals_truth(bids: Sequence[BookLevel], asks: Sequence[BookLevel], truth: TrueBook) -> bool:
    """Whether a rebuilt book is the truth to the same depth."""
    return list(bids) == list(_true(truth.bids)) and list(asks) == list(_true(truth.asks))


def _read(levels: Iterable[orderbook_pb2.Level]) -> Iterable[BookLevel]:
    return (BookLevel(parse_e8(level.price), parse_e8(level.size), level.order_count) for level in levels)


def _true(levels: Iterable[tuple[str, str, int]]) -> Iterable[BookLevel]:
    return (BookLevel(parse_e8(price), parse_e8(size), count) for price, size, count in levels)


def _best(bids: Sequence[str], asks: Sequence[str]) -> str:
    return f"{bids[0] if bids else 'none'} / {asks[0] if asks else 'none'}"
