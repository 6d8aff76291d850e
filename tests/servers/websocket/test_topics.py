"""The topic dialect: an exchange's own frames to those who follow them, without holes or repetitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from hyperstream.market.venues import BYBIT, FeedGap, TopicRefused, VenueFrame
from hyperstream.servers.door import transport
from hyperstream.wire.bybit_frames import feed_topic

from .raw_peer import raw_peer, request
from .serving import Client, Served, client, serving, wait_until

BOOK = "orderbook.50.BTCUSDT"
TRADES = "publicTrade.BTCUSDT"
UNSERVED = "error:handler not found,topic:"


class Market:
    """Bybit's order book of one symbol, moving by one level at a time."""

    def __init__(self, served: Served) -> None:
        self.board = served.board
        self.update_id = 100
        self.bids = {f"{price}.00": "1" for price in range(50, 100)}

    def snapshot(self) -> bytes:
        return self._tell("snapshot", [list(level) for level in self.bids.items()])

    def move(self, times: int = 1) -> None:
        for _ in range(times):
            self.update_id += 1
            price, size = f"{50 + self.update_id % 50}.00", str(self.update_id)
            self.bids[price] = size
            self._tell("delta", [[price, size]])

    def repeat(self) -> None:
        self._tell("delta", [["1.00", "666"]])

    def skip(self) -> None:
        self.update_id += 1

    def trade(self, number: int) -> None:
        data = orjson.dumps({"topic": TRADES, "type": "snapshot", "ts": 1, "data": [{"i": str(number)}]})
        self.board.on_frame(VenueFrame(BYBIT, TRADES, data, True, 0, 1))

    def _tell(self, kind: str, bids: list[list[str]]) -> bytes:
        data = {"s": "BTCUSDT", "b": bids, "a": [], "u": self.update_id, "seq": self.update_id}
        told = orjson.dumps({"topic": BOOK, "type": kind, "ts": 1, "data": data, "cts": 1})
        self.board.on_frame(VenueFrame(BYBIT, BOOK, told, kind == "snapshot", self.update_id, 1))
        return told


class Follower:
    """A book rebuilt by the venue's rules, strictly."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.update_id = 0
        self.gaps = 0

    def apply(self, message: Any) -> None:
        if message["type"] == "gap":
            self.gaps += 1
            return
        data = message["data"]
        if message["type"] == "snapshot":
            self.bids = {}
        else:
            assert data["u"] == self.update_id + 1, "a hole or a repetition"
        self.update_id = data["u"]
        self.bids.update(data["b"])


def ours(**fields: Any) -> dict[str, Any]:
    return {"method": "subscribe", **fields}


def venues(*topics: str, operation: str = "subscribe") -> dict[str, Any]:
    return {"op": operation, "args": list(topics), "req_id": "r1"}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (ours(topic="orderbook", symbol="BTCUSDT", levels=50), BOOK),
        (ours(topic="orderbook", symbol="BTCUSDT"), BOOK),
        (ours(topic="publicTrade", symbol="BTCUSDT"), TRADES),
        (ours(topic="ticker", symbol="BTCUSDT"), "tickers.BTCUSDT"),
        (ours(topic="tickers", symbol="BTCUSDT"), "tickers.BTCUSDT"),
        (ours(topic="orderbook.200.ETHUSDT"), "orderbook.200.ETHUSDT"),
        (venues(BOOK), BOOK),
    ],
)
async def test_a_topic_is_asked_for_in_either_spelling(tmp_path: Path, asked: Any, name: str) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        answer = await peer.ask(asked)
        assert answer.pop("conn_id")
        assert answer == {
            "success": True,
            "ret_msg": "",
            "req_id": asked.get("req_id", ""),
            "op": "subscribe",
        }
        assert served.upstream.wanted == [feed_topic(name)]
        undone = venues(name, operation="unsubscribe")
        assert (await peer.ask(undone))["success"]
        assert served.upstream.wanted == []


@pytest.mark.parametrize(
    ("asked", "text", "hint"),
    [
        (
            ours(topic="ticker", symbol="BTCUSDTT"),
            UNSERVED + "tickers.BTCUSDTT",
            "BTCUSDT",
        ),
        (
            ours(topic="orderbook", symbol="BTCUSDT", levels=60),
            UNSERVED,
            "the nearest is 50",
        ),
        (venues("orderbook.050.BTCUSDT"), UNSERVED + "orderbook.050.BTCUSDT", "the nearest is 50"),
        (ours(topic="orderbook", symbol="BTCUSDT", levels=10**6), UNSERVED, "the nearest is 1000"),
        (venues("orderbok.50.BTCUSDT"), UNSERVED, "did you mean 'orderbook'?"),
        (venues("kline.7.BTCUSDT"), UNSERVED, "the nearest is 5"),
        (ours(topic="orderbok"), "there is no topic 'orderbok'; did you mean 'orderbook'?", ""),
        (ours(topic="candles", symbol="BTCUSDT"), "there is no topic 'candles'; there are orderbook", ""),
        (ours(topic="orderbook"), "name a symbol", ""),
        (ours(topic="orderbook", symbol="BTCUSDT", levels="50"), "levels must be a whole number", ""),
        (ours(topic=7), "topics and symbols are strings", ""),
        ({"method": "dance", "topic": "orderbook"}, "method must be subscribe or unsubscribe", ""),
        ({"op": "dance"}, "error:invalid op", ""),
        ({"op": "subscribe", "args": "orderbook"}, "args must be a list", ""),
        (venues(*(f"publicTrade.X{index}" for index in range(201))), "args size >200", ""),
        (
            venues(BOOK, "publicTrade.NOPE", TRADES),
            UNSERVED + "publicTrade.NOPE",
            "BTCUSDT",
        ),
        (venues(BOOK, operation="unsubscribe"), f"error:not subscribed,topic:{BOOK}", ""),
    ],
)
async def test_what_is_not_served_is_an_error_and_the_socket_lives(
    tmp_path: Path, asked: Any, text: str, hint: str
) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        answer = await peer.ask(asked)
        assert (answer["success"], answer["ret_msg"][: len(text)]) == (False, text)
        assert hint in answer.get("hint", "")
        assert served.upstream.wanted == [], "a request is refused as a whole"
        pong = await peer.ask({"op": "ping", "req_id": "7"})
        assert (pong["success"], pong["ret_msg"], pong["op"], pong["req_id"]) == (True, "pong", "ping", "7")


@pytest.mark.parametrize("name", ["op", "method", "req_id", "topic", "args", "symbol", "levels"])
async def test_a_request_as_deep_as_a_message_may_be_is_an_error_and_the_socket_lives(
    tmp_path: Path, name: str
) -> None:
    rest = {"op": "subscribe", "topic": "orderbook", "args": [BOOK]}
    if name in ("method", "symbol", "levels"):
        del rest["op"]
    async with serving(tmp_path) as served, client(served.port) as peer:
        for depth in (300, 900, 3_000):
            nested = "[" * depth + "]" * depth
            await peer.send(orjson.dumps({**rest, name: "HERE"}).decode().replace('"HERE"', nested))
            await peer.receive()
            pong = await peer.ask({"op": "ping"})
            assert pong["ret_msg"] == "pong"


async def test_the_first_subscriber_opens_a_topic_upstream_and_the_last_one_closes_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as first:
        await first.ask(ours(topic=BOOK))
        async with client(served.port) as second:
            await second.ask(venues(BOOK))
            again = await second.ask(ours(topic=BOOK))
            assert again["ret_msg"] == f"error:already subscribed,topic:{BOOK}"
            assert served.upstream.wanted == [feed_topic(BOOK)]
            await first.ask(venues(BOOK, operation="unsubscribe"))
            assert served.upstream.wanted == [feed_topic(BOOK)]
        await wait_until(lambda: not served.upstream.wanted)
        assert not served.board.topics


async def test_frames_are_forwarded_byte_for_byte(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade()
        assert (await peer.ask(venues(BOOK, TRADES)))["success"]
        market = Market(served)
        told = market.snapshot()
        event: Any = await peer.event()
        assert event.data.encode() == told
        odd = b'{"topic": "publicTrade.BTCUSDT","type":"snapshot" ,"data":[{"p":"1.10", "x":"\\u00e4"}]}'
        served.board.on_frame(VenueFrame(BYBIT, TRADES, odd, True, 0, 1))
        event = await peer.event()
        assert event.data.encode() == odd


async def test_a_newcomer_gets_the_book_of_now_and_every_update_after_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        market = Market(served)
        async with client(served.port) as first:
            await first.ask(ours(topic=BOOK))
            market.move(2)
            market.snapshot()
            market.move(30)
            async with client(served.port) as second:
                await second.ask(venues(BOOK))
                market.move(30)
                for peer in (first, second):
                    assert await _followed(served, peer) == (market.bids, market.update_id, 0)


async def _followed(served: Served, peer: Client) -> tuple[dict[str, str], int, int]:
    """The book that a client has by now, its update, and the gaps it was told."""
    follower = Follower()
    for message in await peer.so_far(served):
        follower.apply(message)
    return follower.bids, follower.update_id, follower.gaps


async def test_a_repetition_is_dropped_and_a_hole_is_mended_by_the_next_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as told, client(served.port) as plain:
        await told.ask(ours(topic=BOOK))
        await plain.ask(venues(BOOK))
        market = Market(served)
        market.snapshot()
        market.move(3)
        market.repeat()
        market.skip()
        market.move(3)
        market.snapshot()
        market.move(3)
        assert await _followed(served, told) == (market.bids, market.update_id, 1)
        assert await _followed(served, plain) == (market.bids, market.update_id, 0)
        assert served.board.counts == {"repeated frames": 1, "broken frames": 3}


@pytest.mark.parametrize("is_telling", [True, False])
async def test_who_lags_gets_a_new_book_and_is_told_if_it_asked_in_our_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_telling: bool
) -> None:
    monkeypatch.setattr(transport, "SEND_BUFFER_BYTES", 4096)
    settings: dict[str, Any] = {"max_subscriber_queue_messages": 20}
    async with serving(tmp_path, **settings) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.ask(ours(topic=BOOK) if is_telling else venues(BOOK))
        market = Market(served)
        market.snapshot()
        for _ in range(100):
            market.move(20)
            await trio.lowlevel.checkpoint()
        assert served.hub.counts["resync_slow_consumer"] >= 1
        follower = Follower()
        while follower.update_id < market.update_id:
            follower.apply(await peer.message())
        assert follower.bids == market.bids
        assert (follower.gaps > 0) is is_telling


async def test_a_slow_topic_of_a_client_does_not_lag_its_others(tmp_path: Path) -> None:
    """Each topic has a buffer of its own."""
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.ask(venues(BOOK, TRADES))
        assert len(served.hub.subscriptions) == 2


async def test_what_the_feed_missed_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as told, client(served.port) as plain:
        await told.ask(ours(topic=TRADES))
        await plain.ask(venues(TRADES))
        market = Market(served)
        market.trade(1)
        gap = FeedGap(BYBIT, (feed_topic(TRADES),), 1, "disconnected", "the venue hung up")
        served.board.on_news(gap)
        market.trade(2)
        messages = await told.so_far(served)
        assert [message["type"] for message in messages] == ["snapshot", "gap", "snapshot"]
        assert messages[1]["data"]["detail"] == "disconnected: the venue hung up"
        assert [message["data"][0]["i"] for message in await plain.so_far(served)] == ["1", "2"]


async def test_what_was_missed_before_the_first_snapshot_of_a_book_is_no_gap(tmp_path: Path) -> None:
    """The feed renews a stream whose frames somebody wants: a gap for others, the beginning for this one."""
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.ask(ours(topic=BOOK))
        gap = FeedGap(BYBIT, (feed_topic(BOOK),), 1, "renewal", "its frames are wanted")
        served.board.on_news(gap)
        market = Market(served)
        market.snapshot()
        assert [message["type"] for message in await peer.so_far(served)] == ["snapshot"]
        served.board.on_news(gap)
        market.snapshot()
        assert [message["type"] for message in await peer.so_far(served)] == ["gap", "snapshot"]


async def test_who_waits_for_a_first_frame_is_woken_by_nobody_elses(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as waiting, client(served.port) as busy:
        await waiting.ask(venues(BOOK))
        await busy.ask(venues(TRADES))
        market = Market(served)
        market.trade(1)
        await wait_until(lambda: not any(session.is_sending for session in served.server.sessions))
        market.trade(2)
        assert not any(session.is_sending for session in served.server.sessions)
        market.move(1)
        told = market.snapshot()
        assert await waiting.receive() == orjson.loads(told)


async def test_no_frames_are_kept_for_those_who_come_back(tmp_path: Path) -> None:
    """They begin with a snapshot: there is nothing to resume from in the venue's frames."""
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.ask(ours(topic=BOOK))
        market = Market(served)
        market.snapshot()
        await peer.receive()
        market.move(50)
        (topic,) = served.board.topics[BOOK].topics.values()
        assert topic.find(topic.sequence) is not None
        assert topic.find(topic.sequence - 20) is None


async def test_a_topic_that_the_venue_refuses_is_told_and_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.ask(venues(BOOK, TRADES))
        served.board.on_news(TopicRefused(feed_topic(BOOK), "bybit does not list it"))
        refused = await peer.receive()
        assert refused["ret_msg"] == UNSERVED + BOOK
        assert refused["hint"] == "bybit does not list it"
        assert served.upstream.wanted == [feed_topic(TRADES)]
        Market(served).trade(1)
        assert (await peer.receive())["topic"] == TRADES


async def test_both_dialects_are_spoken_on_one_socket_and_share_its_limits(tmp_path: Path) -> None:
    async with serving(tmp_path, max_subscriptions_per_connection=2) as served, client(served.port) as peer:
        assert (await peer.subscribe(type="trades", coin="BTC"))["channel"] == "subscriptionResponse"
        assert (await peer.ask(ours(topic=TRADES)))["success"]
        refused = await peer.ask(ours(topic=BOOK))
        assert "a connection may have 2 subscriptions" in refused["ret_msg"]
        assert (await peer.ask({"method": "ping"})) == {"channel": "pong"}


async def test_programs_may_connect_where_the_venues_socket_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request("/v5/public/linear"))
        assert (await peer.answer())[0] == 101


async def test_compressed_frames_of_a_topic_are_shared_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port, compression="deflate") as peer:
        await peer.ask(venues(BOOK))
        market = Market(served)
        market.snapshot()
        market.move(10)
        assert await _followed(served, peer) == (market.bids, market.update_id, 0)
