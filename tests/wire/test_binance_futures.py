"""Binance USD-M: what differs from spot."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError, TopicError
from hyperstream.market.venue_book import BookUpdate
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import BINANCE_FUTURES, Channel, FeedTopic, Quote
from hyperstream.wire.binance_futures import (
    MARKET,
    PUBLIC,
    BinanceFuturesDecoder,
    path_of,
    read_instruments,
    reader_of,
    streams_of,
)
from hyperstream.wire.venue_fields import Payload, RawPayload
from tests.wire.venue_frames import any_json, equal, value_or_one_error

NOW = 1_700_000_000_000_000_000
MS = 1_000_000
STREAMS = (
    "ethusdt@bookTicker",
    "ethusdt@aggTrade",
    "ethusdt@depth@100ms",
    "ethusdt@markPrice@1s",
    "ethusdt@kline_1h",
)


def read(stream: str, data: str) -> Payload | RawPayload:
    decoder = BinanceFuturesDecoder()
    decoder.follow(stream)
    key, payload = decoder.decode(f'{{"stream":"{stream}","data":{data}}}'.encode(), NOW)
    assert key == stream
    return payload


@pytest.mark.parametrize(
    ("channel", "detail", "streams", "path"),
    [
        (Channel.QUOTES, "", ("btcusdt@bookTicker",), PUBLIC),
        (Channel.BOOK, "", ("btcusdt@depth@100ms",), PUBLIC),
        (Channel.TRADES, "", ("btcusdt@aggTrade",), MARKET),
        (Channel.BARS, "1m", ("btcusdt@kline_1m",), MARKET),
        (Channel.TICKER, "", ("btcusdt@markPrice@1s", "btcusdt@miniTicker"), MARKET),
    ],
)
def test_a_topic_is_made_of_streams_of_one_path(
    channel: Channel, detail: str, streams: tuple[str, ...], path: str
) -> None:
    assert streams_of(FeedTopic(BINANCE_FUTURES, channel, "BTCUSDT", detail)) == streams
    assert {path_of(stream) for stream in streams} == {path}
    for stream in streams:
        reader_of(stream)


def test_single_trades_are_on_the_public_path() -> None:
    (stream,) = streams_of(FeedTopic(BINANCE_FUTURES, Channel.TRADES, "BTCUSDT"), "trade")
    assert path_of(stream) == PUBLIC


def test_there_are_no_bars_of_a_second() -> None:
    with pytest.raises(TopicError, match="no bars of '1s'"):
        streams_of(FeedTopic(BINANCE_FUTURES, Channel.BARS, "BTCUSDT", "1s"))


def test_a_real_quote_has_its_matching_time() -> None:
    payload = read(
        "ethusdt@bookTicker",
        '{"e":"bookTicker","u":11139947831981,"s":"ETHUSDT","ps":"ETHUSDT","b":"1943.64","B":"113.445",'
        '"a":"1943.65","A":"182.433","T":1785121247583,"E":1785121247584,"st":1}',
    )
    assert equal(
        payload,
        Quote(
            BINANCE_FUTURES,
            "ETHUSDT",
            "1943.64",
            "113.445",
            "1943.65",
            "182.433",
            1785121247583 * MS,
            NOW,
            11139947831981,
        ),
    )


def test_a_change_of_the_book_is_linked_to_the_one_before() -> None:
    payload = read(
        "ethusdt@depth@100ms",
        '{"e":"depthUpdate","E":123456789,"T":123456788,"s":"ETHUSDT","ps":"ETHUSDT","U":157,"u":160,"pu":149,'
        '"b":[["0.0024","10"]],"a":[["0.0026","100"]],"st":1}',
    )
    expected = BookUpdate(
        "ETHUSDT", False, 157, 160, 149, [["0.0024", "10"]], [["0.0026", "100"]], 123456788 * MS, NOW
    )
    assert equal(payload, expected)


@pytest.mark.parametrize("rate", ["0.00038167", "-0.0001", ""])
def test_mark_index_and_funding(rate: str) -> None:
    payload = read(
        "ethusdt@markPrice@1s",
        '{"e":"markPriceUpdate","E":1562305380000,"s":"ETHUSDT","p":"11794.15000000","i":"11784.62659091",'
        f'"P":"11784.25641265","r":"{rate}","ap":"11794.15000000","T":1562306400000,"st":1}}',
    )
    fields = {"mark_price": "11794.15000000", "index_price": "11784.62659091", "funding_rate": rate}
    assert equal(payload, TickerUpdate("ETHUSDT", False, fields, 1562305380000 * MS, NOW))


@given(
    st.sampled_from(STREAMS),
    any_json(("u", "U", "pu", "b", "a", "B", "A", "T", "E", "p", "i", "r", "k", "q", "m")),
)
def test_any_data_is_a_message_or_one_error(stream: str, value: object) -> None:
    decoder = BinanceFuturesDecoder()
    decoder.follow(stream)
    value_or_one_error(lambda: decoder.decode(orjson.dumps({"stream": stream, "data": value}), NOW))


def test_instruments_tell_the_kind_of_contract() -> None:
    listed = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "contractType": "PERPETUAL",
    }
    (instrument,) = read_instruments(orjson.dumps({"symbols": [listed]}), [])
    assert (instrument.symbol, instrument.kind, instrument.is_active) == ("BTCUSDT", "perpetual", True)
    with pytest.raises(FormatError, match="exchangeInfo"):
        read_instruments(b'{"code":-1,"msg":"x"}', [])
