"""Binance spot: names of streams, requests, answers, and the documented frames."""

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
    BINANCE,
    Channel,
    FeedTopic,
    Quote,
    VenueBar,
    VenueInstrument,
    VenueTrade,
)
from hyperstream.wire.binance import BinanceDecoder, read_instruments, reader_of, streams_of
from hyperstream.wire.binance_fields import read_snapshot, subscribe_message, unsubscribe_message
from hyperstream.wire.venue_fields import Payload, RawPayload, Reply, ServerShutdown, Unknown
from tests.wire.venue_frames import any_json, equal, value_or_one_error

STREAMS = (
    "bnbbtc@bookTicker",
    "bnbbtc@trade",
    "bnbbtc@aggTrade",
    "bnbbtc@depth@100ms",
    "bnbbtc@kline_1m",
    "bnbbtc@miniTicker",
)
NOW = 1_700_000_000_000_000_000
MS = 1_000_000


def decoder() -> BinanceDecoder:
    found = BinanceDecoder()
    for stream in STREAMS:
        found.follow(stream)
    return found


def combined(stream: str, data: str) -> bytes:
    return f'{{"stream":"{stream}","data":{data}}}'.encode()


def read(stream: str, data: str) -> Payload | RawPayload:
    key, payload = decoder().decode(combined(stream, data), NOW)
    assert key == stream
    return payload


def topic(channel: Channel, detail: str = "") -> FeedTopic:
    return FeedTopic(BINANCE, channel, "BTCUSDT", detail)


@pytest.mark.parametrize(
    ("channel", "detail", "streams"),
    [
        (Channel.QUOTES, "", ("btcusdt@bookTicker",)),
        (Channel.TRADES, "", ("btcusdt@trade",)),
        (Channel.BOOK, "50", ("btcusdt@depth@100ms",)),
        (Channel.BARS, "1s", ("btcusdt@kline_1s",)),
        (Channel.BARS, "1M", ("btcusdt@kline_1M",)),
        (Channel.TICKER, "", ("btcusdt@miniTicker",)),
    ],
)
def test_a_topic_is_made_of_streams_that_can_be_read(
    channel: Channel, detail: str, streams: tuple[str, ...]
) -> None:
    assert streams_of(topic(channel, detail)) == streams
    for stream in streams:
        reader_of(stream)


def test_trades_come_from_the_stream_that_is_chosen() -> None:
    assert streams_of(topic(Channel.TRADES), "aggTrade") == ("btcusdt@aggTrade",)


@pytest.mark.parametrize("channel", [Channel.BARS, Channel.MIDS])
def test_what_there_is_not_is_told(channel: Channel) -> None:
    with pytest.raises(TopicError, match="binance has no"):
        streams_of(topic(channel, "7m"))


def test_requests_are_as_documented() -> None:
    assert subscribe_message(["btcusdt@aggTrade", "btcusdt@depth@100ms"], 1) == (
        '{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@depth@100ms"],"id":1}'
    )
    assert unsubscribe_message(["btcusdt@depth@100ms"], 312) == (
        '{"method":"UNSUBSCRIBE","params":["btcusdt@depth@100ms"],"id":312}'
    )


def test_a_quote() -> None:
    payload = read(
        "bnbbtc@bookTicker",
        '{"u":400900217,"s":"BNBBTC","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}',
    )
    assert equal(
        payload,
        Quote(
            BINANCE, "BNBBTC", "25.35190000", "31.21000000", "25.36520000", "40.66000000", 0, NOW, 400900217
        ),
    )


def test_a_side_without_a_price_is_absent() -> None:
    payload = read(
        "bnbbtc@bookTicker",
        '{"u":1,"s":"BNBBTC","b":"0.00000000","B":"0.00000000","a":"0.36520000","A":"4"}',
    )
    assert isinstance(payload, Quote)
    assert (payload.bid, payload.bid_size, payload.ask, payload.ask_size) == ("", "", "0.36520000", "4")


@pytest.mark.parametrize(("kind", "key", "value"), [("trade", "t", 12345), ("aggTrade", "a", 777)])
def test_a_trade_whose_buyer_is_the_maker_was_a_sell(kind: str, key: str, value: int) -> None:
    payload = read(
        f"bnbbtc@{kind}",
        f'{{"e":"{kind}","E":1672515782137,"s":"BNBBTC","{key}":{value},"p":"0.001","q":"100",'
        '"f":100,"l":105,"T":1672515782136,"m":true,"M":true}',
    )
    trade = VenueTrade(BINANCE, "BNBBTC", str(value), "0.001", "100", False, 1672515782136 * MS, NOW)
    assert equal(payload, [trade])


def test_a_change_of_the_book() -> None:
    payload = read(
        "bnbbtc@depth@100ms",
        '{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}',
    )
    expected = BookUpdate(
        "BNBBTC", False, 157, 160, 0, [["0.0024", "10"]], [["0.0026", "100"]], 1672515782136 * MS, NOW
    )
    assert equal(payload, expected)


def test_a_bar_and_where_it_ends() -> None:
    payload = read(
        "bnbbtc@kline_1m",
        '{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"s":"BNBBTC",'
        '"i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,'
        '"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}',
    )
    bar = VenueBar(
        BINANCE, "BNBBTC", "1m", 1672515780000 * MS, 1672515840000 * MS, "0.0010", "0.0025", "0.0015",
        "0.0020", "1000", "1.0000", 100, False, NOW,
    )  # fmt: skip
    assert equal(payload, [bar])


def test_the_last_price() -> None:
    payload = read(
        "bnbbtc@miniTicker",
        '{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010","h":"0.0025",'
        '"l":"0.0010","v":"10000","q":"18"}',
    )
    expected = TickerUpdate("BNBBTC", False, {"last_price": "0.0025"}, 1672515782136 * MS, NOW)
    assert equal(payload, expected)


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ('{"result":null,"id":1}', Reply("1", True)),
        ('{"result":["btcusdt@aggTrade"],"id":3}', Reply("3", True)),
        (
            '{"code":2,"msg":"Invalid request: too many parameters","id":7}',
            Reply("7", False, "Invalid request: too many parameters (code 2)"),
        ),
        ('{"code":3,"msg":"Invalid JSON"}', Reply("", False, "Invalid JSON (code 3)")),
        (
            '{"error":{"code":-1121,"msg":"Invalid symbol."},"id":"a"}',
            Reply("a", False, "Invalid symbol. (code -1121)"),
        ),
    ],
)
def test_answers_and_refusals(frame: str, reply: Reply) -> None:
    assert decoder().decode(frame.encode(), NOW) == ("", reply)


@pytest.mark.parametrize(
    "frame",
    [
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
        '{"e":"serverShutdown","E":1770123456789}',
    ],
)
def test_the_servers_goodbye_is_understood_in_both_forms(frame: str) -> None:
    assert isinstance(decoder().decode(frame.encode(), NOW)[1], ServerShutdown)


def test_a_stream_that_was_left_is_nobodys() -> None:
    found = decoder()
    found.unfollow("bnbbtc@trade")
    key, payload = found.decode(combined("bnbbtc@trade", '{"anything":1}'), NOW)
    assert key == "bnbbtc@trade"
    assert isinstance(payload, Unknown)


def test_keys_nobody_knows_are_tolerated() -> None:
    payload = read("bnbbtc@miniTicker", '{"E":1,"c":"1","st":2,"zz":{"deep":[1]}}')
    assert isinstance(payload, TickerUpdate)


@pytest.mark.parametrize(
    "data",
    [
        '{"u":1,"b":1,"B":"1","a":"1","A":"1"}',
        '{"u":1,"b":"1 2","B":"1","a":"1","A":"1"}',
        '{"u":1,"b":"1 2","B":"","a":"1","A":"1"}',
        '{"u":1,"b":"nan","B":"1","a":"1","A":"1"}',
        '{"u":1,"b":"","B":"","a":"1","A":"1"}',
        '{"u":"1","b":"1","B":"1","a":"1","A":"1"}',
        '{"u":true,"b":"1","B":"1","a":"1","A":"1"}',
        '{"b":"1","B":"1","a":"1","A":"1"}',
        '{"u":1,"b":"1","B":"1","a":"1","A":"1","T":"5"}',
        '{"u":1,"b":"1","B":"1","a":"1","A":"1","T":99999999999999999999}',
        "[]",
        "null",
        '"b"',
    ],
)
def test_a_malformed_quote_is_one_error(data: str) -> None:
    with pytest.raises(FormatError, match="binance sent what cannot be read"):
        read("bnbbtc@bookTicker", data)


@given(st.binary())
def test_any_bytes_are_a_message_or_one_error(frame: bytes) -> None:
    value_or_one_error(lambda: decoder().decode(frame, NOW))


@given(any_json(("stream", "data", "result", "id", "code", "msg", "error", "e")))
def test_any_json_is_a_message_or_one_error(value: Any) -> None:
    value_or_one_error(lambda: decoder().decode(orjson.dumps(value), NOW))


KEYS = (
    "u",
    "U",
    "pu",
    "b",
    "B",
    "a",
    "A",
    "t",
    "T",
    "p",
    "q",
    "m",
    "k",
    "i",
    "o",
    "c",
    "h",
    "l",
    "v",
    "n",
    "x",
    "E",
)


@given(st.sampled_from(STREAMS), any_json(KEYS))
def test_any_data_of_a_stream_is_a_message_or_one_error(stream: str, value: Any) -> None:
    value_or_one_error(lambda: decoder().decode(orjson.dumps({"stream": stream, "data": value}), NOW))


def test_a_snapshot() -> None:
    answer = b'{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}'
    snapshot = read_snapshot(BINANCE, answer)
    assert (snapshot.last_id, snapshot.bids, snapshot.asks) == (160, [["0.0024", "10"]], [["0.0026", "100"]])


@given(st.one_of(st.binary(), any_json(("lastUpdateId", "bids", "asks")).map(orjson.dumps)))
def test_any_answer_is_a_snapshot_or_one_error(answer: bytes) -> None:
    value_or_one_error(lambda: read_snapshot(BINANCE, answer))


def test_instruments_and_their_steps() -> None:
    answer = orjson.dumps(
        {
            "timezone": "UTC",
            "symbols": [
                {
                    "symbol": "BTCUSDT",
                    "status": "TRADING",
                    "baseAsset": "BTC",
                    "quoteAsset": "USDT",
                    "filters": [
                        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
                        {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
                    ],
                },
                {"symbol": "OLDUSDT", "status": "BREAK", "baseAsset": "OLD", "quoteAsset": "USDT"},
            ],
        }
    )
    assert read_instruments(answer, []) == [
        VenueInstrument("BTCUSDT", "BTC", "USDT", "spot", "0.01000000", "0.00001000"),
        VenueInstrument("OLDUSDT", "OLD", "USDT", "spot", is_active=False),
    ]


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b'{"symbols":3}', b'{"symbols":[{"symbol":1}]}'])
def test_a_list_that_cannot_be_read_is_one_error(answer: bytes) -> None:
    with pytest.raises(FormatError, match="exchangeInfo"):
        read_instruments(answer, [])
