"""Hyperliquid's WebSocket: keys, requests, answers, and recorded frames."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError, TopicError
from hyperstream.market.venue_book import BookUpdate
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import (
    HYPERLIQUID,
    Channel,
    FeedTopic,
    Quote,
    VenueBar,
    VenueInstrument,
    VenueMids,
    VenueTrade,
)
from hyperstream.wire.hyperliquid import (
    PING,
    HyperliquidDecoder,
    is_fast,
    is_pong,
    key_of,
    key_of_subscription,
    subscribe_message,
    subscription_of,
    unsubscribe_message,
)
from hyperstream.wire.hyperliquid_fields import read_dexes, read_meta, read_spot_meta
from hyperstream.wire.venue_fields import Payload, Pong, RawPayload, Reply, Unknown
from tests.wire.venue_frames import any_json, equal, value_or_one_error

NOW = 1_790_232_240_000_000_000
MS = 1_000_000
KEYS = (
    "l2Book:BTC",
    "bbo:BTC",
    "trades:BTC",
    "candle:1m:BTC",
    "activeAssetCtx:BTC",
    "allMids:xyz",
    "allMids:",
)


def decoder(*, is_fast: bool = False) -> HyperliquidDecoder:
    found = HyperliquidDecoder(is_fast=is_fast)
    for key in (*KEYS, "l2BookFast:BTC"):
        found.follow(key)
    return found


def read(key: str, frame: str) -> Payload | RawPayload:
    found, payload = decoder().decode(frame.encode(), NOW)
    assert found == key
    return payload


@pytest.mark.parametrize(
    ("channel", "symbol", "detail", "key"),
    [
        (Channel.QUOTES, "BTC", "", "bbo:BTC"),
        (Channel.TRADES, "@107", "", "trades:@107"),
        (Channel.BOOK, "xyz:XYZ100", "", "l2Book:xyz:XYZ100"),
        (Channel.BOOK, "BTC", "20", "l2Book:BTC"),
        (Channel.BOOK, "BTC", "5", "l2BookFast:BTC"),
        (Channel.BARS, "xyz:XYZ100", "1h", "candle:1h:xyz:XYZ100"),
        (Channel.TICKER, "BTC", "", "activeAssetCtx:BTC"),
        (Channel.MIDS, "", "", "allMids:"),
        (Channel.MIDS, "xyz", "", "allMids:xyz"),
    ],
)
def test_a_topics_key_is_its_subscription(channel: Channel, symbol: str, detail: str, key: str) -> None:
    assert key_of(FeedTopic(HYPERLIQUID, channel, symbol, detail)) == key
    assert key_of_subscription(subscription_of(key)) == key
    assert is_fast(key) == ("Fast" in key)


def test_an_interval_there_is_not_is_told() -> None:
    with pytest.raises(TopicError, match="no bars of '6h'"):
        key_of(FeedTopic(HYPERLIQUID, Channel.BARS, "BTC", "6h"))


def test_requests_are_as_documented() -> None:
    assert subscribe_message("l2Book:BTC") == (
        '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}'
    )
    assert unsubscribe_message("candle:1m:BTC") == (
        '{"method":"unsubscribe","subscription":{"type":"candle","coin":"BTC","interval":"1m"}}'
    )
    assert '"fast":true' in subscribe_message("l2BookFast:BTC")
    assert subscribe_message("allMids:") == '{"method":"subscribe","subscription":{"type":"allMids"}}'
    assert PING == '{"method":"ping"}'


def test_an_answer_with_defaults_filled_in_is_matched() -> None:
    frame = (
        b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book",'
        b'"coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}}}'
    )
    assert decoder().decode(frame, NOW) == ("", Reply("subscribe l2Book:BTC", True, stream="l2Book:BTC"))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (
            'Already subscribed: {"type":"l2Book","coin":"SOL","nSigFigs":null,"mantissa":null,"fast":false}',
            Reply("subscribe l2Book:SOL", True, "Already subscribed", "l2Book:SOL", is_repetition=True),
        ),
        (
            'Already unsubscribed: {"type":"bbo","coin":"SOL"}',
            Reply("unsubscribe bbo:SOL", True, "Already unsubscribed", "bbo:SOL", is_repetition=True),
        ),
        (
            "Error parsing JSON into valid websocket request: "
            '{"method":"subscribe","subscription":{"type":"bbq","coin":"BTC"}}',
            Reply(
                "subscribe bbq:BTC",
                False,
                "Error parsing JSON into valid websocket request",
                "bbq:BTC",
            ),
        ),
        (
            "Error parsing JSON into valid websocket request: "
            '{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC","ETH"]}}',
            Reply(
                "",
                False,
                "Error parsing JSON into valid websocket request: "
                '{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC","ETH"]}}',
            ),
        ),
        ("something else", Reply("", False, "something else")),
    ],
)
def test_errors_name_what_they_are_about(text: str, reply: Reply) -> None:
    assert decoder().decode(orjson.dumps({"channel": "error", "data": text}), NOW) == ("", reply)


def test_a_pong_is_known_from_its_bytes_alone() -> None:
    assert is_pong(b'{"channel":"pong"}')
    assert not is_pong(b'{"channel":"bbo","data":{"coin":"pong"}}')
    assert isinstance(decoder().decode(b'{"channel":"pong"}', NOW)[1], Pong)


BOOK = (
    '{"channel":"l2Book","data":{"coin":"BTC","time":1790232236546,"levels":[[{"px":"84143.0","sz":"10.25923",'
    '"n":36},{"px":"84142.0","sz":"1.65875","n":7}],[{"px":"84144.0","sz":"50.66449","n":18}]]}}'
)


def test_a_book() -> None:
    expected = BookUpdate(
        "BTC",
        True,
        1790232236546,
        1790232236546,
        0,
        [("84143.0", "10.25923"), ("84142.0", "1.65875")],
        [("84144.0", "50.66449")],
        1790232236546 * MS,
        NOW,
    )
    assert equal(read("l2Book:BTC", BOOK), expected)


def test_a_fast_book_is_known_by_its_connection() -> None:
    assert decoder(is_fast=True).decode(BOOK.encode(), NOW)[0] == "l2BookFast:BTC"


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        (
            '[{"px":"84143.0","sz":"10.25923","n":36},{"px":"84144.0","sz":"50.66422","n":18}]',
            ("84143.0", "10.25923", "84144.0", "50.66422"),
        ),
        ('[null,{"px":"84144.0","sz":"50.66422","n":18}]', ("", "", "84144.0", "50.66422")),
        ('[{"px":"84143.0","sz":"10.25923","n":36},null]', ("84143.0", "10.25923", "", "")),
    ],
)
def test_a_quote_may_lack_a_side(sides: str, expected: tuple[str, str, str, str]) -> None:
    frame = f'{{"channel":"bbo","data":{{"coin":"BTC","time":1790232237145,"bbo":{sides}}}}}'
    assert equal(read("bbo:BTC", frame), Quote(HYPERLIQUID, "BTC", *expected, 1790232237145 * MS, NOW))


def test_trades_tell_the_taker() -> None:
    trade = (
        '{"coin":"BTC","side":"A","px":"84143.0","sz":"0.00036","time":1790232216193,"hash":"0x7a",'
        '"tid":1045359869404765,"users":["0x9a","0x82"]}'
    )
    other = trade.replace('"A"', '"B"').replace("765", "766")
    payload = read("trades:BTC", f'{{"channel":"trades","data":[{trade},{other}]}}')
    common = ("84143.0", "0.00036")
    assert equal(
        payload,
        [
            VenueTrade(HYPERLIQUID, "BTC", "1045359869404765", *common, False, 1790232216193 * MS, NOW),
            VenueTrade(HYPERLIQUID, "BTC", "1045359869404766", *common, True, 1790232216193 * MS, NOW),
        ],
    )


CANDLE = (
    '{"t":1790232180000,"T":1790232239999,"s":"BTC","i":"1m","o":"84143.0","c":"84143.5","h":"84144.0",'
    '"l":"84142.0","v":"14.27847","n":114}'
)


@pytest.mark.parametrize("data", [CANDLE, f"[{CANDLE}]"])
def test_a_candle_is_an_object_or_a_list(data: str) -> None:
    bar = VenueBar(
        HYPERLIQUID, "BTC", "1m", 1790232180000 * MS, 1790232240000 * MS, "84143.0", "84144.0", "84142.0",
        "84143.5", "14.27847", "", 114, False, NOW,
    )  # fmt: skip
    assert equal(read("candle:1m:BTC", f'{{"channel":"candle","data":{data}}}'), [bar])


def test_an_asset_may_have_nulls_and_a_negative_rate() -> None:
    frame = (
        '{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"-0.0000018952",'
        '"openInterest":"36585.31848","prevDayPx":"86627.0","premium":null,"oraclePx":"84198.0",'
        '"markPx":"84148.0","midPx":null,"impactPxs":null}}}'
    )
    fields = {
        "mark_price": "84148.0",
        "index_price": "84198.0",
        "funding_rate": "-0.0000018952",
        "open_interest": "36585.31848",
    }
    assert equal(read("activeAssetCtx:BTC", frame), TickerUpdate("BTC", False, fields, 0, NOW))


def test_mids_of_a_dex_and_of_the_main_one() -> None:
    frame = '{"channel":"allMids","data":{"dex":"xyz","mids":{"xyz:AAPL":"336.355"}}}'
    assert equal(read("allMids:xyz", frame), VenueMids(HYPERLIQUID, "xyz", {"xyz:AAPL": "336.355"}, NOW))
    frame = '{"channel":"allMids","data":{"mids":{"BTC":"1.5"}}}'
    assert equal(read("allMids:", frame), VenueMids(HYPERLIQUID, "", {"BTC": "1.5"}, NOW))


@pytest.mark.parametrize(
    "frame",
    [
        '{"channel":"bbo","data":{"coin":"ETH","time":1,"bbo":[null,null]}}',
        '{"channel":"notification","data":{}}',
        '{"channel":"trades","data":[]}',
    ],
)
def test_what_nobody_asked_for_is_nobodys(frame: str) -> None:
    assert isinstance(decoder().decode(frame.encode(), NOW)[1], Unknown)


@pytest.mark.parametrize(
    "frame",
    [
        '{"channel":"trades","data":[{"coin":"BTC","side":"X","px":"1","sz":"1","time":1,"tid":1}]}',
        '{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[]]}}',
        '{"channel":"l2Book","data":null}',
        '{"channel":["bbo"]}',
        "[]",
        "",
    ],
)
def test_malformed_frames_are_one_error(frame: str) -> None:
    with pytest.raises(FormatError, match="hyperliquid sent what cannot be read"):
        decoder().decode(frame.encode(), NOW)


CHANNELS = ("l2Book", "bbo", "trades", "candle", "activeAssetCtx", "allMids", "subscriptionResponse", "error")
DATA_KEYS = (
    "coin", "time", "levels", "bbo", "px", "sz", "n", "side", "tid", "t", "T", "s", "i", "o", "c", "h", "l",
    "v", "ctx", "mids", "dex", "method", "subscription", "type", "interval",
)  # fmt: skip


@given(st.one_of(st.binary(), any_json(("channel", "data")).map(orjson.dumps)))
def test_any_bytes_are_a_message_or_one_error(frame: bytes) -> None:
    value_or_one_error(lambda: decoder().decode(frame, NOW))


@given(st.sampled_from(CHANNELS), any_json(DATA_KEYS))
def test_any_data_of_a_channel_is_a_message_or_one_error(channel: str, data: Any) -> None:
    value_or_one_error(lambda: decoder().decode(orjson.dumps({"channel": channel, "data": data}), NOW))


def test_instruments_of_the_main_dex_of_others_and_spot() -> None:
    meta = (
        b'{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":40},'
        b'{"name":"MATIC","szDecimals":1,"isDelisted":true}]}'
    )
    odd: list[str] = []
    assert read_meta(meta, "", {0: "USDC"}, odd) == [
        VenueInstrument("BTC", "BTC", "USDC", "perpetual", "", "0.00001"),
        VenueInstrument("MATIC", "MATIC", "USDC", "perpetual", "", "0.1", is_active=False),
    ]
    assert read_dexes(b'[null,{"name":"xyz"}]') == ["xyz"]
    dex = b'{"universe":[{"name":"xyz:XYZ100","szDecimals":0}],"collateralToken":360}'
    assert read_meta(dex, "xyz", {0: "USDC", 360: "USDH"}, odd) == [
        VenueInstrument("xyz:XYZ100", "XYZ100", "USDH", "perpetual", "", "1")
    ]
    spot = (
        b'{"universe":[{"name":"PURR/USDC","index":0,"tokens":[1,0]},{"name":"@1","index":1,"tokens":[2,0]}],'
        b'"tokens":[{"name":"USDC","index":0,"szDecimals":8},{"name":"PURR","index":1,"szDecimals":0},'
        b'{"name":"HFUN","index":2,"szDecimals":2}]}'
    )
    pairs, tokens = read_spot_meta(spot, odd)
    assert pairs == [
        VenueInstrument("PURR/USDC", "PURR", "USDC", "spot", "", "1"),
        VenueInstrument("@1", "HFUN", "USDC", "spot", "", "0.01"),
    ]
    assert tokens == {0: "USDC", 1: "PURR", 2: "HFUN"}
    assert odd == []


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"null", b'{"universe":[{"name":"A","szDecimals":99}]}', b"[1]"]
)
def test_answers_that_cannot_be_read_are_one_error(answer: bytes) -> None:
    with pytest.raises(FormatError, match="hyperliquid's meta"):
        read_meta(answer, "", {}, [])
    with pytest.raises(FormatError, match="hyperliquid's spotMeta"):
        read_spot_meta(answer, [])
    if answer != b"{}":
        with pytest.raises(FormatError, match="hyperliquid's perpDexs"):
            read_dexes(answer)
