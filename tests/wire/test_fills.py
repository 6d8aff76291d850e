"""Fills paired into trades."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.wire.fills import pair_fills

BUYER, SELLER = "0x" + "b" * 40, "0x" + "5" * 40


def fill(user: str, side: str, tid: int, *, crossed: bool, coin: str = "BTC", **more: Any) -> list[Any]:
    return [
        user,
        {
            "coin": coin,
            "px": "81308.0",
            "sz": "0.00033",
            "side": side,
            "time": 1778002753024,
            "hash": "0x" + "0" * 64,
            "oid": 100 if side == "B" else 200,
            "crossed": crossed,
            "tid": tid,
            **more,
        },
    ]


@pytest.mark.parametrize("taker", ["B", "A"])
def test_a_trade_has_the_takers_side_and_both_users_whichever_comes_first(taker: str) -> None:
    halves = [fill(BUYER, "B", 1, crossed=taker == "B"), fill(SELLER, "A", 1, crossed=taker == "A")]
    for order in (halves, halves[::-1]):
        (trade,) = pair_fills(order, pytest.fail)
        assert (trade.side, trade.buyer, trade.seller) == (taker, BUYER, SELLER)
        assert (trade.buyer_oid, trade.seller_oid, trade.trade_id) == (100, 200, 1)
        assert (trade.price, trade.size, trade.time_ms) == ("81308.0", "0.00033", 1778002753024)
        assert not trade.is_liquidation


def test_a_one_sided_fill_makes_a_trade_with_an_empty_user() -> None:
    (taken,) = pair_fills([fill(BUYER, "B", 1, crossed=True)], pytest.fail)
    assert (taken.side, taken.buyer, taken.seller, taken.seller_oid) == ("B", BUYER, "", 0)
    (made,) = pair_fills([fill(BUYER, "B", 1, crossed=False)], pytest.fail)
    assert (made.side, made.buyer, made.seller) == ("A", BUYER, "")


def test_the_same_tid_in_two_markets_is_two_trades() -> None:
    rows = [
        fill(user, side, 1, crossed=side == "B", coin=coin)
        for coin in ("BTC", "ETH")
        for user, side in ((BUYER, "B"), (SELLER, "A"))
    ]
    assert [trade.symbol for trade in pair_fills(rows, pytest.fail)] == ["BTC", "ETH"]


def test_a_liquidation_is_marked() -> None:
    liquidation = {"liquidatedUser": SELLER, "markPx": "1.0", "method": "market"}
    rows = [fill(BUYER, "B", 1, crossed=True), fill(SELLER, "A", 1, crossed=False, liquidation=liquidation)]
    assert pair_fills(rows, pytest.fail)[0].is_liquidation


@pytest.mark.parametrize(
    "bad",
    [[], ["0x", {}], ["0x"], 5, None, ["0x", {"coin": "BTC", "tid": 1}], fill(BUYER, "X", 9, crossed=True)],
)
def test_an_unreadable_fill_is_told_and_the_others_are_paired(bad: Any) -> None:
    told: list[str] = []
    rows = [fill(BUYER, "B", 2, crossed=True), bad, fill(SELLER, "A", 2, crossed=False)]
    assert [trade.trade_id for trade in pair_fills(rows, told.append)] == [2]
    assert len(told) == 1


@given(st.lists(st.integers(1, 5), max_size=6, unique=True), st.randoms())
def test_every_pair_makes_one_trade_in_any_order(tids: list[int], random: Any) -> None:
    rows = [fill(BUYER, "B", tid, crossed=True) for tid in tids] + [
        fill(SELLER, "A", tid, crossed=False) for tid in tids
    ]
    random.shuffle(rows)
    trades = pair_fills(rows, pytest.fail)
    assert sorted(trade.trade_id for trade in trades) == sorted(tids)
    assert all(trade.buyer == BUYER and trade.seller == SELLER for trade in trades)
