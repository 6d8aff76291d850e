"""Updates as the venue spells them, and with what we add for those who ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.candles import Candle, CandleUpdate
from hyperstream.market.level import Bucket
from hyperstream.market.mids import MidsUpdate
from hyperstream.market.trades import Trade
from hyperstream.market.updates import (
    GAP_RESYNC,
    NOTICE_DRAINING,
    BboUpdate,
    BookDelta,
    BookSnapshot,
    GapNote,
    MarketName,
    NoticeNote,
    ResumePoint,
    TradesUpdate,
)
from hyperstream.wire.json.candles import CandleFormat
from hyperstream.wire.json.frames import text_frame
from hyperstream.wire.json.hyperliquid import (
    BboFormat,
    HyperliquidFormat,
    L2BookFormat,
    TradesFormat,
    l2_book,
)
from hyperstream.wire.json.mids import AllMidsFormat

from .values import HEAD, NAME, PROVENANCE, STAMP, TIME_MS, level, messages, only

BID = level("84143.0", 84143 * 10**8, 10**8, 25_923_000)
ASK = level("84144.0", -84144 * 10**8, 1)
BUCKET = Bucket(-84200 * 10**8, "84200.0")
BUCKET.size_e8, BUCKET.order_count = 250_000_000, 7
TRADE = Trade(
    "BTC", 1045359869404765, "84143.0", "0.00036", "A", 1790232216193, "0x7a", "0xb", "0xs", 1, 2, False
)
NOTE = GapNote(NAME, 11, 3, 9, 7, GAP_RESYNC, "why")


def test_a_book_is_spelled_as_l2book() -> None:
    update = BookSnapshot(*HEAD, [BID], [ASK, BUCKET])
    book = {
        "coin": "BTC",
        "time": TIME_MS,
        "levels": [
            [{"px": "84143.0", "sz": "1.25923", "n": 2}],
            [{"px": "84144.0", "sz": "0.00000001", "n": 1}, {"px": "84200.0", "sz": "2.5", "n": 7}],
        ],
    }
    assert only(L2BookFormat(text_frame).encode(update)) == {"channel": "l2Book", "data": book}
    assert json.loads(l2_book(update)) == book


def test_the_best_prices_are_spelled_as_bbo_with_null_for_an_empty_side() -> None:
    wire_format = BboFormat(text_frame)
    assert only(wire_format.encode(BboUpdate(*HEAD, BID, None))) == {
        "channel": "bbo",
        "data": {"coin": "BTC", "time": TIME_MS, "bbo": [{"px": "84143.0", "sz": "1.25923", "n": 2}, None]},
    }
    assert only(wire_format.encode(BboUpdate(*HEAD, None, ASK)))["data"]["bbo"][0] is None


def test_trades_name_buyer_and_seller_in_this_order() -> None:
    assert only(TradesFormat(text_frame).encode(TradesUpdate(*HEAD, [TRADE, TRADE]))) == {
        "channel": "trades",
        "data": [
            {
                "coin": "BTC",
                "side": "A",
                "px": "84143.0",
                "sz": "0.00036",
                "time": 1790232216193,
                "hash": "0x7a",
                "tid": 1045359869404765,
                "users": ["0xb", "0xs"],
            }
        ]
        * 2,
    }


def test_a_candle_is_spelled_with_strings_and_its_last_millisecond() -> None:
    candle = Candle(60_000, 120_000, 2 * 10**8, 3 * 10**8, 10**8, 25 * 10**7, 5 * 10**7, 4)
    assert only(CandleFormat(text_frame).encode(CandleUpdate(*HEAD, "1m", candle)))["data"] == {
        "t": 60_000,
        "T": 119_999,
        "s": "BTC",
        "i": "1m",
        "o": "2.0",
        "c": "2.5",
        "h": "3.0",
        "l": "1.0",
        "v": "0.5",
        "n": 4,
    }


def test_mids_name_the_dex_only_when_one_was_asked_for() -> None:
    wire_format = AllMidsFormat(text_frame)
    plain = MidsUpdate(MarketName(""), 11, 5, STAMP, False, {"BTC": "1.5"})
    assert only(wire_format.encode(plain)) == {"channel": "allMids", "data": {"mids": {"BTC": "1.5"}}}
    dex = MidsUpdate(MarketName("xyz"), 11, 5, STAMP, False, {"xyz:A": "2.0"})
    assert only(wire_format.encode(dex))["data"] == {"dex": "xyz", "mids": {"xyz:A": "2.0"}}


@given(st.text(max_size=20))
def test_no_symbol_breaks_the_json(symbol: str) -> None:
    head = (MarketName(symbol), *HEAD[1:])
    for frame in (
        L2BookFormat(text_frame).encode(BookSnapshot(*head, [], [])),
        BboFormat(text_frame, tells=True).encode(BboUpdate(*head, None, None)),
    ):
        assert only(frame)["data"]["coin"] == symbol


def test_who_asks_is_told_where_an_update_comes_from() -> None:
    told = only(TradesFormat(text_frame, tells=True).encode(TradesUpdate(*HEAD, [TRADE])))
    assert told["provenance"] == PROVENANCE
    assert set(told) == {"channel", "data", "provenance"}


def test_gaps_notices_and_merges_are_told_to_who_asks_and_to_nobody_else() -> None:
    plain, telling = L2BookFormat(text_frame), L2BookFormat(text_frame, tells=True)
    note = NoticeNote(NOTICE_DRAINING, 99, (ResumePoint("BTC", 11, 5),), "bye")
    frame = telling.encode(BookSnapshot(*HEAD, [], []))
    assert (plain.gap(NOTE), plain.notice(note), plain.merged(frame, 3)) == (b"", b"", frame)
    assert only(telling.gap(NOTE)) == {
        "channel": "gap",
        "data": {
            "channel": "l2Book",
            "coin": "BTC",
            "epoch": 11,
            "from_sequence": 3,
            "to_sequence": 9,
            "dropped": 7,
            "reason": "RESYNC",
            "detail": "why",
        },
    }
    assert only(telling.notice(note))["data"] == {
        "channel": "l2Book",
        "kind": "DRAINING",
        "deadline_time_ns": 99,
        "resume": {"BTC": {"epoch": 11, "sequence": 5}},
        "detail": "bye",
    }
    first, second = (json.loads(text) for text in messages(telling.merged(frame, 3)))
    assert first["channel"] == "l2Book"
    assert second == {"channel": "merged", "data": {"channel": "l2Book", "count": 3}}


FORMATS: list[Any] = [L2BookFormat, BboFormat, TradesFormat, CandleFormat, AllMidsFormat]


@pytest.mark.parametrize("made_by", FORMATS)
def test_what_a_channel_does_not_spell_is_an_error_of_ours(made_by: type[HyperliquidFormat]) -> None:
    delta = BookDelta(*HEAD, [], [], [], [])
    with pytest.raises(TypeError, match=f"{made_by.__name__} does not spell BookDelta"):
        made_by(text_frame).encode(delta)
