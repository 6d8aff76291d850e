"""Bybit's frames, forwarded: topics named, what they amount to, and what must not be forwarded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import TopicError
from hyperstream.market.venue_frames import Verdict
from hyperstream.market.venues import BYBIT, Channel, FeedTopic, VenueFrame
from hyperstream.wire.bybit import topic_of
from hyperstream.wire.bybit_frames import BybitMemory, feed_topic

BOOK = "orderbook.50.BTCUSDT"


def book_frame(update_id: int, bids: Any = (), asks: Any = (), *, is_snapshot: bool = False) -> VenueFrame:
    kind = "snapshot" if is_snapshot else "delta"
    data = {"s": "BTCUSDT", "b": list(bids), "a": list(asks), "u": update_id, "seq": update_id * 10}
    message = {"topic": BOOK, "type": kind, "ts": 100 + update_id, "data": data, "cts": 90 + update_id}
    return VenueFrame(BYBIT, BOOK, orjson.dumps(message), is_snapshot, update_id, 1)


def frame(topic: str, kind: str, data: Any, **more: Any) -> VenueFrame:
    message = {"topic": topic, "type": kind, "ts": 5, "data": data, **more}
    return VenueFrame(BYBIT, topic, orjson.dumps(message), kind == "snapshot", 0, 1)


def snapshot(memory: BybitMemory) -> Any:
    data = memory.snapshot()
    return None if data is None else orjson.loads(data)


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("orderbook.1.BTCUSDT", FeedTopic(BYBIT, Channel.QUOTES, "BTCUSDT")),
        (BOOK, FeedTopic(BYBIT, Channel.BOOK, "BTCUSDT", "50")),
        ("orderbook.1000.X", FeedTopic(BYBIT, Channel.BOOK, "X", "1000")),
        ("publicTrade.BTCUSDT", FeedTopic(BYBIT, Channel.TRADES, "BTCUSDT")),
        ("tickers.BTCUSDT", FeedTopic(BYBIT, Channel.TICKER, "BTCUSDT")),
        ("kline.60.BTCUSDT", FeedTopic(BYBIT, Channel.BARS, "BTCUSDT", "1h")),
    ],
)
def test_a_name_means_a_topic_of_the_feed_and_the_other_way_round(name: str, topic: FeedTopic) -> None:
    assert feed_topic(name) == topic
    assert topic_of(topic) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("orderbook.60.BTCUSDT", "there is no orderbook.60; there are 1, 50, 200, 1000, the nearest is 50"),
        ("orderbook.x.BTCUSDT", "there are 1, 50, 200, 1000"),
        ("orderbook.50.", "ends with a symbol"),
        ("publicTrade", "ends with a symbol"),
        ("kline.7.BTCUSDT", "there is no kline.7; there are 1, 3, 5"),
        ("liquidation.BTCUSDT", "there is no topic 'liquidation'; there are orderbook, publicTrade"),
        ("", "there is no topic ''"),
    ],
)
def test_what_is_no_topic_is_refused_with_what_there_is(name: str, words: str) -> None:
    with pytest.raises(TopicError, match=words):
        feed_topic(name)


@given(st.text(max_size=30))
def test_any_name_means_a_topic_or_is_refused(name: str) -> None:
    try:
        topic = feed_topic(name)
    except TopicError:
        return
    assert topic.symbol


PRICES = st.integers(1, 30).map(lambda price: f"{price}.5")
LEVELS = st.lists(st.tuples(PRICES, st.sampled_from(["0", "0.000", "1", "2.5"])), max_size=6)


@given(
    st.lists(st.tuples(st.sampled_from(["delta", "delta", "delta", "snapshot"]), LEVELS, LEVELS), max_size=30)
)
def test_a_newcomer_begins_with_the_book_that_the_frames_amount_to(changes: list[Any]) -> None:
    memory = BybitMemory(BOOK)
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    update_id = 0
    assert memory.snapshot() is None
    for kind, *levels in [("snapshot", [("10.5", "1")], []), *changes]:
        update_id = 1000 if kind == "snapshot" and update_id > 500 else update_id + 1
        taken = book_frame(update_id, *levels, is_snapshot=kind == "snapshot")
        assert memory.take(taken) is Verdict.FORWARD
        if kind == "snapshot":
            sides = ({}, {})
        for side, told in zip(sides, levels, strict=True):
            for price, size in told:
                side[price] = size
                if not Decimal(size):
                    del side[price]
        shown = snapshot(memory)
        assert (shown["topic"], shown["type"], shown["data"]["u"]) == (BOOK, "snapshot", update_id)
        assert (shown["ts"], shown["cts"], shown["data"]["seq"]) == (
            100 + update_id,
            90 + update_id,
            update_id * 10,
        )
        if kind == "snapshot":
            assert memory.snapshot() == taken.data, "a snapshot of the venue's is not encoded again"
            continue
        bids, asks = shown["data"]["b"], shown["data"]["a"]
        assert (dict(bids), dict(asks)) == sides
        assert [float(price) for price, _ in bids] == sorted(
            (float(price) for price, _ in bids), reverse=True
        )
        assert [float(price) for price, _ in asks] == sorted(float(price) for price, _ in asks)


def test_a_repeated_update_is_dropped_and_a_hole_ends_all_until_the_next_snapshot() -> None:
    memory = BybitMemory(BOOK)
    assert memory.take(book_frame(5)) is Verdict.BROKEN, "nothing is known before a snapshot"
    assert memory.take(book_frame(5, [["1", "1"]], is_snapshot=True)) is Verdict.FORWARD
    assert memory.take(book_frame(6)) is Verdict.FORWARD
    assert memory.take(book_frame(6)) is Verdict.REPEATED
    assert memory.take(book_frame(8)) is Verdict.BROKEN
    assert memory.snapshot() is None
    assert memory.take(book_frame(9)) is Verdict.BROKEN
    assert memory.take(book_frame(1, [["2", "1"]], is_snapshot=True)) is Verdict.FORWARD
    assert snapshot(memory)["data"]["b"] == [["2", "1"]]


def test_a_ticker_is_merged() -> None:
    memory = BybitMemory("tickers.BTCUSDT")
    assert memory.take(frame("tickers.BTCUSDT", "delta", {"lastPrice": "1"})) is Verdict.BROKEN
    first = frame(
        "tickers.BTCUSDT", "snapshot", {"symbol": "BTCUSDT", "lastPrice": "1", "bid1Price": ""}, cs=1
    )
    assert memory.take(first) is Verdict.FORWARD
    assert memory.snapshot() == first.data
    memory.take(frame("tickers.BTCUSDT", "delta", {"symbol": "BTCUSDT", "lastPrice": "2"}, cs=2))
    assert snapshot(memory) == {
        "topic": "tickers.BTCUSDT",
        "type": "snapshot",
        "ts": 5,
        "data": {"symbol": "BTCUSDT", "lastPrice": "2", "bid1Price": ""},
        "cs": 2,
    }


@pytest.mark.parametrize("name", ["kline.1.BTCUSDT", "orderbook.1.BTCUSDT"])
def test_where_every_frame_is_whole_the_last_one_is_the_snapshot(name: str) -> None:
    memory = BybitMemory(name)
    for number in range(3):
        told = frame(name, "snapshot", {"u": number})
        assert memory.take(told) is Verdict.FORWARD
        assert memory.snapshot() == told.data


def test_trades_have_no_snapshot() -> None:
    memory = BybitMemory("publicTrade.BTCUSDT")
    assert not memory.has_snapshots
    assert memory.take(frame("publicTrade.BTCUSDT", "snapshot", [])) is Verdict.FORWARD
    assert memory.snapshot() is None


def test_what_is_told_whole_each_time_is_old_after_an_interruption() -> None:
    memory = BybitMemory("kline.5.BTCUSDT")
    memory.take(frame("kline.5.BTCUSDT", "snapshot", []))
    memory.interrupt()
    assert memory.snapshot() is None
    memory.take(frame("kline.5.BTCUSDT", "snapshot", []))
    assert memory.is_known


def test_a_book_goes_on_from_the_next_snapshot_after_an_interruption() -> None:
    memory = BybitMemory(BOOK)
    memory.take(book_frame(5, [["1", "1"]], is_snapshot=True))
    memory.interrupt()
    assert memory.take(book_frame(1, [["2", "1"]], is_snapshot=True)) is Verdict.FORWARD
    assert snapshot(memory)["data"]["b"] == [["2", "1"]]
