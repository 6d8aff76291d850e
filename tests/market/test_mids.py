"""Mid prices are exact, and there is one as long as there is anything to tell."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.book import Book
from hyperstream.market.decimals import format_e8
from hyperstream.market.mids import mid_price

USER = "0x" + "1" * 40
PRICES = st.integers(1, 10**15)


def book_of(bid_e8: int | None, ask_e8: int | None) -> Book:
    book = Book("BTC")
    for oid, (side, price_e8) in enumerate(zip((book.bids, book.asks), (bid_e8, ask_e8), strict=True)):
        if price_e8 is not None:
            side.add(oid, USER, format_e8(price_e8), 10**8, None)
    return book


@given(PRICES, PRICES)
def test_the_mid_price_is_exactly_halfway(one: int, other: int) -> None:
    told = mid_price(book_of(min(one, other), max(one, other)))
    assert Decimal(told) == (Decimal(one) + Decimal(other)) / 2 / 10**8
    assert "E" not in told
    assert not told.endswith("0") or told.endswith(".0")  # as the venue spells decimals


@given(st.none() | PRICES, st.none() | PRICES)
def test_without_one_side_it_is_what_was_last_paid(bid_e8: int | None, last_e8: int | None) -> None:
    for book in (book_of(bid_e8, None), book_of(None, bid_e8)):
        assert mid_price(book, last_e8) == ("" if last_e8 is None else format_e8(last_e8))
