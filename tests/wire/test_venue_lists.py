"""Lists of instruments with members unlike the others, in the shapes in which venues send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.market.venues import VenueInstrument
from hyperstream.wire import binance, binance_futures
from hyperstream.wire.bybit_fields import read_instruments
from hyperstream.wire.hyperliquid_fields import read_meta, read_spot_meta
from hyperstream.wire.venue_lists import optional_name, read_each, step
from tests.wire.venue_frames import any_json, value_or_one_error

BTC = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"}
KEYS = (
    "symbols",
    "symbol",
    "status",
    "baseAsset",
    "contractType",
    "filters",
    "filterType",
    "tickSize",
    "result",
    "list",
    "retCode",
    "category",
    "priceFilter",
    "qtyStep",
    "nextPageCursor",
    "universe",
    "name",
    "szDecimals",
    "isDelisted",
    "tokens",
    "index",
    "collateralToken",
)


def bybit(*members: object, **more: object) -> bytes:
    return orjson.dumps({"retCode": 0, "retMsg": "OK", "result": {"list": list(members), **more}})


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("0.10", "0.10"),
        (0.1, "0.1"),
        (1e-08, "0.00000001"),
        (5, "5"),
        (100.0, "100"),
        ("", ""),
        ("1e-8", ""),
        (None, ""),
        (True, ""),
        (0, ""),
        (-1, ""),
        ([], ""),
    ],
)
def test_a_step_is_a_decimal_string_or_none(value: object, spelled: str) -> None:
    assert step(value) == spelled


def test_a_member_that_cannot_be_read_takes_no_other_with_it() -> None:
    odd: list[str] = []
    members: list[object] = [BTC, {"status": "TRADING"}, None, {**BTC, "symbol": "ETHUSDT"}, {"symbol": 7}]
    found = binance.read_instruments(orjson.dumps({"symbols": members}), odd)
    assert [instrument.symbol for instrument in found] == ["BTCUSDT", "ETHUSDT"]
    assert len(odd) == 3
    assert "KeyError('symbol')" in odd[0]


def test_a_list_of_which_nothing_can_be_read_is_one_error() -> None:
    odd: list[str] = []
    with pytest.raises(FormatError, match="none of its 2 members can be read"):
        binance.read_instruments(b'{"symbols":[{"name":"A"},{"name":"B"}]}', odd)
    assert odd == []
    assert binance.read_instruments(b'{"symbols":[]}', odd) == []


def test_what_nothing_depends_on_may_be_missing_or_odd() -> None:
    odd: list[str] = []
    member = {"symbol": "AUSDT", "status": "BREAK", "baseAsset": None, "filters": None}
    assert binance.read_instruments(orjson.dumps({"symbols": [member]}), odd) == [
        VenueInstrument("AUSDT", kind="spot", is_active=False)
    ]
    assert odd == []
    assert optional_name(3) == ""


def test_contracts_of_binance_that_are_not_launched_or_of_another_kind() -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.0000001", "minPrice": "0.0000001"},
        {"filterType": "LOT_SIZE", "stepSize": 1},
        {"filterType": "POSITION_RISK_CONTROL"},
    ]
    members = [
        {
            **BTC,
            "symbol": "1000PEPEUSDT",
            "baseAsset": "1000PEPE",
            "contractType": "PERPETUAL",
            "filters": filters,
        },
        {**BTC, "symbol": "XAUUSDT", "baseAsset": "XAU", "contractType": "TRADIFI_PERPETUAL"},
        {**BTC, "symbol": "BTCUSDT_260925", "contractType": "CURRENT_QUARTER"},
        {**BTC, "symbol": "NEWUSDT", "contractType": "", "status": "PENDING_TRADING"},
        {**BTC, "symbol": "OLDUSDT", "contractType": "PERPETUAL", "status": "SETTLING"},
        {**BTC, "symbol": "币安人生USDT", "baseAsset": "币安人生"},
    ]
    odd: list[str] = []
    found = binance_futures.read_instruments(orjson.dumps({"symbols": members}), odd)
    assert odd == []
    assert found[0] == VenueInstrument("1000PEPEUSDT", "1000PEPE", "USDT", "perpetual", "0.0000001", "1")
    assert [(one.symbol, one.kind, one.is_active) for one in found[1:]] == [
        ("XAUUSDT", "tradifi_perpetual", True),
        ("BTCUSDT_260925", "current_quarter", True),
        ("NEWUSDT", "", False),
        ("OLDUSDT", "perpetual", False),
        ("币安人生USDT", "", True),
    ]


def test_instruments_of_bybit_of_every_family_and_state() -> None:
    odd: list[str] = []
    linear = {"baseCoin": "NEW", "quoteCoin": "USDT", "contractType": "LinearPerpetual"}
    found, cursor = read_instruments(
        bybit(
            {
                "symbol": "NEWUSDT",
                **linear,
                "status": "PreLaunch",
                "isPreListing": True,
                "preListingInfo": {},
            },
            {"symbol": "BTCUSDC", **linear, "status": "Trading"},
            {"symbol": "OLDUSDT", **linear, "status": "Delivering", "deliveryFeeRate": ""},
            {
                "symbol": "AAPLUSDT",
                "status": "Trading",
                "symbolId": 42,
                "lotSizeFilter": {"basePrecision": "0.01"},
            },
            {"symbol": "BTC-30JUN27-100000-C", "status": "Trading", "optionsType": "Call"},
            {"status": "Trading"},
            nextPageCursor=None,
            category="linear",
        ),
        odd,
    )
    assert cursor == ""
    assert len(odd) == 1
    assert [(one.symbol, one.kind, one.size_step, one.is_active) for one in found] == [
        ("NEWUSDT", "LinearPerpetual", "", False),
        ("BTCUSDC", "LinearPerpetual", "", True),
        ("OLDUSDT", "LinearPerpetual", "", False),
        ("AAPLUSDT", "linear", "0.01", True),
        ("BTC-30JUN27-100000-C", "linear", "", True),
    ]


def test_coins_of_hyperliquid_without_a_word_about_their_delisting() -> None:
    odd: list[str] = []
    meta = (
        b'{"universe":[{"isDelisted":null,"onlyIsolated":null,"name":"BTC","szDecimals":5},'
        b'{"name":"unit:NQ","szDecimals":2,"isDelisted":true,"marginMode":"strictIsolated"},'
        b'{"name":"kPEPE","szDecimals":0},{"name":"X","szDecimals":"2"}],"collateralToken":7}'
    )
    found = read_meta(meta, "", {}, odd)
    assert [(one.symbol, one.quote, one.is_active) for one in found] == [
        ("BTC", "", True),
        ("unit:NQ", "", False),
        ("kPEPE", "", True),
    ]
    assert len(odd) == 1


def test_a_pair_of_hyperliquid_whose_token_is_not_told_is_left_out() -> None:
    odd: list[str] = []
    spot = (
        b'{"universe":[{"name":"@5","index":5,"tokens":[9,0]},{"name":"@6","index":6,"tokens":[2,0]}],'
        b'"tokens":[{"name":"USDC","index":0,"szDecimals":8},{"name":"HFUN","index":2,"szDecimals":2},{"name":"?"}]}'
    )
    pairs, tokens = read_spot_meta(spot, odd)
    assert [pair.symbol for pair in pairs] == ["@6"]
    assert tokens == {0: "USDC", 2: "HFUN"}
    assert len(odd) == 1
    assert read_spot_meta(b'{"tokens":[{"index":0,"name":"USDC"}],"universe":[]}', odd) == ([], {0: "USDC"})


def test_a_member_is_read_by_whoever_reads_it() -> None:
    odd: list[str] = []
    assert read_each([1, "x"], lambda member: VenueInstrument(str(member + 1)), odd) == [VenueInstrument("2")]
    assert len(odd) == 1


READERS: list[Callable[[bytes], object]] = [
    lambda answer: binance.read_instruments(answer, []),
    lambda answer: binance_futures.read_instruments(answer, []),
    lambda answer: read_instruments(answer, []),
    lambda answer: read_meta(answer, "xyz", {0: "USDC"}, []),
    lambda answer: read_spot_meta(answer, []),
]


@given(st.sampled_from(READERS), any_json(KEYS))
def test_any_list_is_read_or_one_error(read: Callable[[bytes], object], value: Any) -> None:
    for answer in (value, {"symbols": value, "result": {"list": value}, "universe": value, "tokens": value}):
        value_or_one_error(lambda: read(orjson.dumps(answer)))  # noqa: B023 - called at once
