"""Bybit v5: topics, requests, answers, and recorded frames."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError, TopicError
from hyperstream.market.venue_book import BookUpdate
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import BYBIT, Channel, FeedTopic, Quote, VenueBar, VenueInstrument, VenueTrade
from hyperstream.wire.bybit import (
    PING,
    BybitDecoder,
    batches_of,
    is_pong,
    subscribe_message,
    topic_of,
    unsubscribe_message,
)
from hyperstream.wire.bybit_fields import read_instruments
from hyperstream.wire.venue_fields import Payload, Pong, RawPayload, Reply, Unknown
from tests.wire.venue_frames import any_json, equal, value_or_one_error

NOW = 1_790_134_713_000_000_000
MS = 1_000_000
TOPICS = (
    "orderbook.50.BTCUSDT",
    "orderbook.1.BTCUSDT",
    "publicTrade.BTCUSDT",
    "tickers.BTCUSDT",
    "kline.5.BTCUSDT",
)


def decoder() -> BybitDecoder:
    found = BybitDecoder()
    for topic in TOPICS:
        found.follow(topic)
    return found


def read(frame: str) -> Payload | RawPayload:
    key, payload = decoder().decode(frame.encode(), NOW)
    assert key in TOPICS
    return payload


@pytest.mark.parametrize(
    ("channel", "detail", "topic"),
    [
        (Channel.QUOTES, "", "orderbook.1.BTCUSDT"),
        (Channel.TRADES, "", "publicTrade.BTCUSDT"),
        (Channel.BOOK, "", "orderbook.50.BTCUSDT"),
        (Channel.BOOK, "1", "orderbook.1.BTCUSDT"),
        (Channel.BOOK, "51", "orderbook.200.BTCUSDT"),
        (Channel.BOOK, "1000", "orderbook.1000.BTCUSDT"),
        (Channel.TICKER, "", "tickers.BTCUSDT"),
        (Channel.BARS, "1h", "kline.60.BTCUSDT"),
        (Channel.BARS, "1d", "kline.D.BTCUSDT"),
    ],
)
def test_a_topic_has_the_venues_spelling(channel: Channel, detail: str, topic: str) -> None:
    assert topic_of(FeedTopic(BYBIT, channel, "BTCUSDT", detail)) == topic
    BybitDecoder().follow(topic)


@pytest.mark.parametrize(
    ("channel", "detail"),
    [
        (Channel.BOOK, "1001"),
        (Channel.BOOK, "x"),
        (Channel.BOOK, "0"),
        (Channel.BARS, "8h"),
        (Channel.MIDS, ""),
    ],
)
def test_what_there_is_not_is_told(channel: Channel, detail: str) -> None:
    with pytest.raises(TopicError, match="bybit has no"):
        topic_of(FeedTopic(BYBIT, channel, "BTCUSDT", detail))


@pytest.mark.parametrize("topic", ["orderbook.50", "allLiquidation.X", "", "tickers"])
def test_a_topic_nobody_can_read_is_not_followed(topic: str) -> None:
    with pytest.raises(TopicError, match="not known here"):
        BybitDecoder().follow(topic)


def test_requests_are_as_documented() -> None:
    assert subscribe_message(["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"], "c1-7") == (
        '{"req_id":"c1-7","op":"subscribe","args":["orderbook.50.BTCUSDT","publicTrade.BTCUSDT"]}'
    )
    assert unsubscribe_message(["publicTrade.BTCUSDT"], "c1-8") == (
        '{"req_id":"c1-8","op":"unsubscribe","args":["publicTrade.BTCUSDT"]}'
    )
    assert PING == '{"op":"ping"}'


@pytest.mark.parametrize(("is_spot", "sizes"), [(True, [10, 10, 5]), (False, [25])])
def test_a_request_has_at_most_ten_topics_on_spot(is_spot: bool, sizes: list[int]) -> None:
    topics = [f"tickers.{number}" for number in range(25)]
    batches = batches_of(topics, is_spot=is_spot)
    assert [len(batch) for batch in batches] == sizes
    assert [topic for batch in batches for topic in batch] == topics


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        (
            '{"success":true,"ret_msg":"","conn_id":"3c","req_id":"c1-7","op":"subscribe"}',
            Reply("c1-7", True),
        ),
        (
            '{"success":true,"ret_msg":"subscribe","conn_id":"3c","req_id":"","op":"subscribe"}',
            Reply("", True),
        ),
        (
            '{"success":false,"ret_msg":"error:handler not found,topic:orderbook.50.NOPEUSDT","conn_id":"d",'
            '"req_id":"e1","op":"subscribe"}',
            Reply(
                "e1", False, "error:handler not found,topic:orderbook.50.NOPEUSDT", "orderbook.50.NOPEUSDT"
            ),
        ),
        (
            '{"success":false,"ret_msg":"error:already subscribed,topic:orderbook.1.ETHUSDT","conn_id":"…",'
            '"req_id":"e6","op":"subscribe"}',
            Reply(
                "e6",
                False,
                "error:already subscribed,topic:orderbook.1.ETHUSDT",
                "orderbook.1.ETHUSDT",
                is_repetition=True,
            ),
        ),
        (
            '{"success":false,"ret_msg":"args size >10","conn_id":"…","op":"subscribe"}',
            Reply("", False, "args size >10"),
        ),
        (
            '{"success":true,"conn_id":"x","data":{"failTopics":["a.b"],"successTopics":[]},"type":"COMMAND_RESP"}',
            Reply("", False, "", "a.b"),
        ),
        (
            '{"success":true,"conn_id":"x","data":{"failTopics":[],"successTopics":["a.b"]},"type":"COMMAND_RESP"}',
            Reply("", True),
        ),
    ],
)
def test_answers_and_refusals(frame: str, reply: Reply) -> None:
    assert decoder().decode(frame.encode(), NOW) == ("", reply)


@pytest.mark.parametrize(
    "frame",
    [
        '{"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}',
        '{"req_id":"1","success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}',
        '{"args":["1672916271846"],"op":"pong"}',
    ],
)
def test_a_pong_says_ping(frame: str) -> None:
    assert is_pong(frame.encode())
    assert isinstance(decoder().decode(frame.encode(), NOW)[1], Pong)
    assert not is_pong(b'{"topic":"tickers.BTCUSDT"}')


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_a_book_whatever_the_order_of_its_keys(kind: str) -> None:
    data = '"data":{"s":"BTCUSDT","b":[["86723.40","0.194"]],"a":[],"u":173678160,"seq":814547787693}'
    first = (
        f'{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","ts":1790134712130,{data},"cts":1790134712126}}'
    )
    second = (
        f'{{"cts":1790134712126,{data},"ts":1790134712130,"type":"{kind}","topic":"orderbook.50.BTCUSDT"}}'
    )
    expected = BookUpdate(
        "BTCUSDT",
        kind == "snapshot",
        173678160,
        173678160,
        173678159,
        [["86723.40", "0.194"]],
        [],
        1790134712126 * MS,
        NOW,
    )
    assert equal(read(first), expected)
    assert equal(read(second), expected)


@pytest.mark.parametrize(("bids", "expected"), [('[["1.5","2"]]', ("1.5", "2")), ("[]", ("", ""))])
def test_the_book_of_depth_one_is_a_quote(bids: str, expected: tuple[str, str]) -> None:
    frame = (
        f'{{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":7,"data":{{"s":"BTCUSDT","b":{bids},'
        '"a":[["1.6","3"]],"u":5,"seq":6},"cts":6}'
    )
    assert equal(read(frame), Quote(BYBIT, "BTCUSDT", *expected, "1.6", "3", 6 * MS, NOW, 5))


def test_trades_tell_the_taker() -> None:
    frame = (
        '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,'
        '"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick",'
        '"i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1783284617}]}'
    )
    trade = VenueTrade(
        BYBIT,
        "BTCUSDT",
        "20f43950-d8dd-5b31-9112-a178eb6023af",
        "16578.50",
        "0.001",
        True,
        1672304486865 * MS,
        NOW,
    )
    assert equal(read(frame), [trade])


def test_a_tickers_delta_tells_only_what_changed() -> None:
    frame = (
        '{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"86716.30",'
        '"indexPrice":"86756.70","openInterestValue":"5250990127.10"},"cs":814547789569,"ts":1790134712383}'
    )
    fields = {"mark_price": "86716.30", "index_price": "86756.70"}
    assert equal(read(frame), TickerUpdate("BTCUSDT", False, fields, 1790134712383 * MS, NOW))


def test_a_spot_ticker_has_another_name_for_the_index() -> None:
    frame = (
        '{"topic":"tickers.BTCUSDT","ts":5,"type":"snapshot","cs":2588407389,"data":{"symbol":"BTCUSDT",'
        '"lastPrice":"21109.77","usdIndexPrice":"21120.2400136"}}'
    )
    fields = {"last_price": "21109.77", "index_price": "21120.2400136"}
    assert equal(read(frame), TickerUpdate("BTCUSDT", True, fields, 5 * MS, NOW))


def test_two_bars_at_a_rollover() -> None:
    bar = (
        '{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677",'
        '"high":"16677.5","low":"16608","volume":"2.081","turnover":"34666.4005","confirm":true,"timestamp":1}'
    )
    following = bar.replace("1672324800000", "1672325100000").replace("true", "false")
    payload = read(
        f'{{"topic":"kline.5.BTCUSDT","data":[{bar},{following}],"ts":1672324988882,"type":"snapshot"}}'
    )
    assert isinstance(payload, list)
    first, second = payload
    expected = VenueBar(
        BYBIT, "BTCUSDT", "5m", 1672324800000 * MS, 1672325100000 * MS, "16649.5", "16677.5", "16608",
        "16677", "2.081", "34666.4005", 0, True, NOW,
    )  # fmt: skip
    assert equal(first, expected)
    assert isinstance(second, VenueBar)
    assert not second.is_closed


def test_raw_frames_are_handed_on_untouched() -> None:
    found = decoder()
    found.raw_topics.add("orderbook.50.BTCUSDT")
    frame = (
        b'{"topic":"orderbook.50.BTCUSDT", "type":"delta","ts":9,'
        b'"data":{"s":"BTCUSDT","b":[],"a":[],"u":7,"seq":8},"cts":8}'
    )
    _, payload = found.decode(frame, NOW)
    assert isinstance(payload, RawPayload)
    assert payload.frame.data == frame
    assert (payload.frame.topic, payload.frame.is_snapshot, payload.frame.sequence) == (
        "orderbook.50.BTCUSDT",
        False,
        7,
    )
    found.unfollow("orderbook.50.BTCUSDT")
    assert isinstance(found.decode(frame, NOW)[1], Unknown)
    assert not found.raw_topics


@pytest.mark.parametrize(
    "frame",
    [
        '{"topic":"orderbook.50.BTCUSDT","type":"other","ts":9,"data":{"b":[],"a":[],"u":7},"cts":8}',
        '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":9,"data":{"b":{},"a":[],"u":7},"cts":8}',
        '{"topic":"publicTrade.BTCUSDT","data":[{"S":"Hold","p":"1","v":"1","T":1,"i":"x"}]}',
        '{"topic":"kline.5.BTCUSDT","data":[{"interval":"7"}]}',
        '{"success":1}',
        "[]",
        "",
    ],
)
def test_malformed_frames_are_one_error(frame: str) -> None:
    with pytest.raises(FormatError, match="bybit sent what cannot be read"):
        decoder().decode(frame.encode(), NOW)


KEYS = (
    "type", "ts", "cts", "data", "b", "a", "u", "S", "p", "v", "T", "i", "lastPrice", "start", "end",
    "interval", "open", "high", "low", "close", "volume", "turnover", "confirm", "op", "success", "ret_msg",
    "req_id",
)  # fmt: skip


@given(st.one_of(st.binary(), any_json(KEYS).map(orjson.dumps)))
def test_any_bytes_are_a_message_or_one_error(frame: bytes) -> None:
    value_or_one_error(lambda: decoder().decode(frame, NOW))


@given(st.sampled_from(TOPICS), st.booleans(), st.dictionaries(st.sampled_from(KEYS), any_json(KEYS)))
def test_any_data_of_a_topic_is_a_message_or_one_error(
    topic: str, is_raw: bool, message: dict[str, Any]
) -> None:
    found = decoder()
    if is_raw:
        found.raw_topics.add(topic)
    value_or_one_error(lambda: found.decode(orjson.dumps({**message, "topic": topic}), NOW))


def test_instruments_come_in_pages() -> None:
    answer = (
        b'{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"BTCUSDT",'
        b'"contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT",'
        b'"priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001"}}],"nextPageCursor":"abc%3D"}}'
    )
    instruments, cursor = read_instruments(answer, [])
    assert instruments == [VenueInstrument("BTCUSDT", "BTC", "USDT", "LinearPerpetual", "0.10", "0.001")]
    assert cursor == "abc%3D"


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'{"retCode":10001,"retMsg":"params error"}', b'{"result":{}}']
)
def test_a_list_that_cannot_be_read_is_one_error(answer: bytes) -> None:
    with pytest.raises(FormatError, match="instruments-info"):
        read_instruments(answer, [])
