"""Mid prices: halfway between the best bid and the best ask; without one of them, the last trade's price."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from hyperstream.market.book import Book
from hyperstream.market.decimals import format_e8
from hyperstream.market.updates import Update

_HALF_PLACES = 9


@define(eq=False)
class MidsUpdate(Update):
    """The mid prices of many markets, by symbol."""

    mids: Mapping[str, str]


def mid_price(book: Book, last_price_e8: int | None = None) -> str:
    """The mid price, exact, as the venue spells decimals; empty if there is none to tell."""
    bid, ask = book.bids.best, book.asks.best
    if bid is None or ask is None:
        return format_e8(last_price_e8) if last_price_e8 is not None else ""
    return _halved(bid.key - ask.key)  # an ask's key is minus its price


def _halved(sum_e8: int) -> str:
    """Half of a number of 10^-8 units, which may need a ninth place."""
    if sum_e8 % 2 == 0:
        return format_e8(sum_e8 // 2)
    whole, fraction = divmod(sum_e8 * 5, 10**_HALF_PLACES)
    return f"{whole}.{fraction:09d}"
