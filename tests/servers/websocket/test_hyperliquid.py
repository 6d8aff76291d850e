"""A foreign client in Hyperliquid's dialect: what it is answered, and what it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from hyperstream.testing import BUSY

from .oracle import l4_updates, trades
from .serving import Client, Served, client, serving, wait_until

L2_ECHO = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False}
UNREADABLE = "Error parsing JSON into valid websocket request: "


async def talk(served: Served, *messages: object) -> list[Any]:
    """Send these on a connection of their own, and return what each is answered with at once."""

    async with client(served.port) as peer:
        return [await peer.ask(message) for message in messages]


def subscribe(**subscription: Any) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": subscription}


def spelled(side: tuple[tuple[str, str, int], ...]) -> list[dict[str, Any]]:
    return [{"px": price, "sz": size, "n": count} for price, size, count in side]


async def test_a_ping_is_answered_with_a_pong(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert await talk(served, {"method": "ping"}) == [{"channel": "pong"}]


@pytest.mark.parametrize(
    ("asked", "echo"),
    [
        ({"type": "l2Book", "coin": "BTC"}, L2_ECHO),
        ({"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None}, L2_ECHO),
        (
            {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 2, "fast": True},
            L2_ECHO | {"nSigFigs": 5, "mantissa": 2, "fast": True},
        ),
        ({"type": "l2Book", "coin": "BTC", "nLevels": 20}, L2_ECHO | {"nLevels": 20}),
        ({"type": "l2Book", "coin": "BTC", "nLevels": None}, L2_ECHO),
        ({"type": "trades", "coin": "@107"}, {"type": "trades", "coin": "@107"}),
        (
            {"type": "candle", "coin": "BTC", "interval": "1M"},
            {"type": "candle", "coin": "BTC", "interval": "1M"},
        ),
        ({"type": "allMids"}, {"type": "allMids"}),
        ({"type": "allMids", "dex": "xyz"}, {"type": "allMids", "dex": "xyz"}),
        ({"type": "l4Book", "coin": "xyz:XYZ100"}, {"type": "l4Book", "coin": "xyz:XYZ100"}),
    ],
)
async def test_a_subscription_is_echoed_with_its_defaults(tmp_path: Path, asked: Any, echo: Any) -> None:
    async with serving(tmp_path) as served:
        (answer,) = await talk(served, subscribe(**asked))
        assert answer == {
            "channel": "subscriptionResponse",
            "data": {"method": "subscribe", "subscription": echo},
        }


async def test_what_is_subscribed_twice_or_unsubscribed_twice_is_told_as_the_venue_does(
    tmp_path: Path,
) -> None:
    async def run(peer: Client) -> None:
        await peer.subscribe(type="trades", coin="BTC")
        echo = '{"type":"trades","coin":"BTC"}'
        assert await peer.subscribe(coin="BTC", type="trades") == {
            "channel": "error",
            "data": f"Already subscribed: {echo}",
        }
        assert (await peer.unsubscribe(type="trades", coin="BTC"))["data"]["method"] == "unsubscribe"
        assert await peer.unsubscribe(type="trades", coin="BTC") == {
            "channel": "error",
            "data": f"Already unsubscribed: {echo}",
        }

    async with serving(tmp_path) as served, client(served.port) as peer:
        await run(peer)


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        "[]",
        '"x"',
        "{}",
        '{"method":"dance"}',
        '{"method":"subscribe"}',
        '{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC","ETH"]}}',
        '{"method":"subscribe","subscription":{"type":"l2Book"}}',
        '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","nSigFigs":"5"}}',
        '{"method":"subscribe","subscription":{"type":7}}',
        '{"method":"post","request":{"type":"info","payload":{"type":"meta"}}}',
    ],
)
async def test_what_cannot_be_read_is_quoted_and_the_socket_lives(tmp_path: Path, message: str) -> None:
    async with serving(tmp_path) as served:
        answers = await talk(served, message, {"method": "ping"})
        assert answers == [{"channel": "error", "data": UNREADABLE + message}, {"channel": "pong"}]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"type": "l2Book", "coin": "BTX"}, "no market is called 'BTX'; did you mean 'BTC'?"),
        ({"type": "trades", "coin": "btc"}, "did you mean 'BTC'?"),
        ({"type": "bbo", "coin": "XYZ100"}, "did you mean 'xyz:XYZ100'?"),
        ({"type": "trades", "coin": "¤¤¤¤"}, "the info request meta lists those there are"),
        ({"type": "l2Book", "coin": "BTC", "nSigFigs": 6}, "nSigFigs must be 2, 3, 4 or 5, not 6"),
        ({"type": "l2Book", "coin": "BTC", "mantissa": 2}, "mantissa is only possible with nSigFigs 5"),
        ({"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 3}, "mantissa must be 1, 2 or 5"),
        ({"type": "l2Book", "coin": "BTC", "nLevels": 101}, "nLevels must be from 1 to 100, not 101"),
        ({"type": "candle", "coin": "BTC", "interval": "7m"}, "there is no interval '7m'; there are 1m, 3m"),
        ({"type": "orderUpdates", "user": "0x"}, "there is no type 'orderUpdates' here; there are l2Book"),
        ({"type": "activeAssetCtx", "coin": "BTX"}, "hyperliquid has no market 'BTX'; did you mean 'BTC'?"),
        ({"type": "activeAssetCtx", "coins": "*"}, "the venue tells asset contexts market by market"),
        ({"type": "trades", "coins": []}, "coins must be a list of coins"),
        ({"type": "trades", "coin": "BTC", "coins": "*"}, "name either coin or coins"),
        (
            {"type": "trades", "coin": "BTC", "delivery": "conflate"},
            "delivery must be one of lossless, resync",
        ),
        ({"type": "bbo", "coin": "BTC", "resume": {"BTC": 1}}, "resume must be"),
    ],
)
async def test_what_cannot_be_served_is_an_error_that_says_why_and_the_socket_lives(
    tmp_path: Path, asked: Any, words: str
) -> None:
    async with serving(tmp_path) as served:
        answer, pong = await talk(served, subscribe(**asked), {"method": "ping"})
        assert answer["channel"] == "error"
        assert answer["data"].startswith('Invalid subscription: {"type":')
        assert words in answer["data"]
        assert pong == {"channel": "pong"}


async def test_every_type_that_a_refusal_names_can_be_subscribed_to(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        (refused,) = await talk(served, subscribe(type="orderUpdates", user="0x"))
        named = refused["data"].partition("there are ")[2].split(", ")
        asked = [subscribe(type=kind, coin="BTC", interval="1m") for kind in named]
        answers = [(await talk(served, message))[0]["channel"] for message in asked]
        assert answers == ["subscriptionResponse"] * len(named)


async def test_who_comes_before_the_books_are_loaded_is_asked_to_come_again(tmp_path: Path) -> None:
    """A client that reconnects after a restart would drop for good what an error refuses."""
    async with serving(tmp_path, load=False) as served:
        with pytest.raises(InvalidStatus) as refused:
            await talk(served, {"method": "ping"})
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        served.load()
        assert await talk(served, {"method": "ping"}) == [{"channel": "pong"}]


async def test_without_a_node_there_are_no_books_to_wait_for(tmp_path: Path) -> None:
    async with serving(tmp_path, load=False) as served:
        served.content.has_node = False
        for asked in ({"type": "bbo", "coin": "BTC"}, {"type": "allMids"}):
            (answer,) = await talk(served, subscribe(**asked))
            assert "there are no books here" in answer["data"]


@pytest.mark.parametrize("coin", ["BTC", "@107", "PURR/USDC", "xyz:XYZ100"])
async def test_l2book_is_the_book_after_each_block(tmp_path: Path, coin: str) -> None:
    async with serving(tmp_path, busy=BUSY) as served, client(served.port) as peer:
        await peer.subscribe(type="l2Book", coin=coin)
        book = await peer.receive()
        for _ in range(30):
            before = book["data"]["levels"]
            served.step()
            truth = served.node.truth(coin, 20)
            levels = [spelled(truth.bids), spelled(truth.asks)]
            if levels != before:
                book = await peer.receive()
            assert book["channel"] == "l2Book"
            assert book["data"]["levels"] == levels


async def test_levels_and_figures_are_those_asked_for(tmp_path: Path) -> None:
    async def books(peer: Client) -> list[Any]:
        wishes: list[dict[str, Any]] = [{"nLevels": 3}, {"nLevels": 100}, {"fast": True}, {"nSigFigs": 3}]
        found = []
        for wish in wishes:
            await peer.subscribe(type="l2Book", coin="BTC", **wish)
            found.append((await peer.receive())["data"]["levels"])
        return found

    async with serving(tmp_path) as served:
        async with client(served.port) as peer:
            three, hundred, fast, coarse = await books(peer)
        truth = served.node.truth("BTC", 100)
        assert three == [spelled(truth.bids[:3]), spelled(truth.asks[:3])]
        assert hundred == [spelled(truth.bids), spelled(truth.asks)]
        assert fast == [spelled(truth.bids[:5]), spelled(truth.asks[:5])]
        assert all(float(level["px"]) % 100 == 0 for side in coarse for level in side)


async def test_trades_are_the_nodes_with_buyer_and_seller(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port) as peer:
            await peer.subscribe(type="trades", coin="BTC")
            served.step(40)
            told = await peer.so_far(served)
        expected = trades(tmp_path / "data", "BTC")
        assert [trade for message in told for trade in message["data"]] == expected
        assert len(expected) > 5


async def test_bbo_comes_first_as_it_is_and_then_whenever_it_changes(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served, client(served.port) as peer:
        await peer.subscribe(type="bbo", coin="BTC")
        best = (await peer.receive())["data"]["bbo"]
        for _ in range(30):
            truth = served.node.truth("BTC", 1)
            assert best == [*spelled(truth.bids), *spelled(truth.asks)]
            served.step()
            truth = served.node.truth("BTC", 1)
            if best != [*spelled(truth.bids), *spelled(truth.asks)]:
                best = (await peer.receive())["data"]["bbo"]


async def test_l4book_is_a_snapshot_and_then_block_by_block_what_order_book_server_sends(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port) as peer:
            await peer.subscribe(type="l4Book", coin="BTC")
            snapshot = (await peer.receive())["data"]["Snapshot"]
            truth = served.node.orders("BTC")
            for side, orders in zip(snapshot["levels"], truth, strict=True):
                assert [(each["oid"], each["limitPx"], each["sz"], each["user"]) for each in side] == [
                    (order.oid, order.price, order.size, order.user) for order in orders
                ]
            first = served.node.height + 1
            served.step(30)
            told = await peer.so_far(served)
        updates = {message["data"]["Updates"]["height"]: message["data"]["Updates"] for message in told}
        expected = l4_updates(tmp_path / "data", "BTC")
        assert updates == {height: update for height, update in expected.items() if height >= first}
        assert len(updates) > 20


async def test_a_candle_is_what_the_trades_amount_to(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port) as peer:
            served.step(20)
            await peer.subscribe(type="candle", coin="BTC", interval="1d")
            candle = (await peer.receive())["data"]
            served.step(20)
            told = await peer.so_far(served)
        for message in told:
            candle = message["data"]
        traded = trades(tmp_path / "data", "BTC")
        prices = [float(trade["px"]) for trade in traded]
        assert (candle["s"], candle["i"], candle["n"]) == ("BTC", "1d", len(traded))
        assert [float(candle[name]) for name in "ohlc"] == [prices[0], max(prices), min(prices), prices[-1]]
        assert float(candle["v"]) == pytest.approx(sum(float(trade["sz"]) for trade in traded))


async def test_all_mids_hold_the_venues_markets_or_one_dexs(tmp_path: Path) -> None:
    async def first(peer: Client, **wish: Any) -> Any:
        await peer.subscribe(type="allMids", **wish)
        return (await peer.until(lambda message: message["channel"] == "allMids"))[-1]["data"]

    async with serving(tmp_path) as served:
        async with client(served.port) as peer:
            mids = await first(peer)
            dex = await first(peer, dex="xyz")
        truth = served.node.truth("BTC", 1)
        assert set(mids) == {"mids"}
        assert set(mids["mids"]) == {"BTC", "ETH", "@107", "PURR/USDC"}
        assert float(mids["mids"]["BTC"]) * 2 == float(truth.bids[0][0]) + float(truth.asks[0][0])
        assert (dex["dex"], set(dex["mids"])) == ("xyz", {"xyz:XYZ100"})


async def test_a_list_of_coins_or_every_one_is_one_subscription(tmp_path: Path) -> None:
    async def run(peer: Client) -> None:
        some = await peer.subscribe(type="bbo", coins=["BTC", "ETH"])
        assert some["data"]["subscription"] == {"type": "bbo", "coins": ["BTC", "ETH"]}
        assert {(await peer.receive())["data"]["coin"] for _ in range(2)} == {"BTC", "ETH"}
        await peer.subscribe(type="l2Book", coins="*")
        assert len({(await peer.receive())["data"]["coin"] for _ in range(5)}) == 5
        assert (await peer.unsubscribe(type="bbo", coins=["BTC", "ETH"]))["data"]["method"] == "unsubscribe"

    async with serving(tmp_path) as served, client(served.port) as peer:
        await run(peer)


async def test_unsubscribing_stops_what_was_subscribed_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port) as peer:
            await peer.subscribe(type="l4Book", coin="BTC")
            await peer.receive()
            await peer.subscribe(type="trades", coin="BTC")
            await peer.subscribe(type="trades", coin="ETH")
            await peer.unsubscribe(type="l4Book", coin="BTC")
            await peer.unsubscribe(type="trades", coin="ETH")
            served.step(40)
            told = await peer.so_far(served)
        assert {message["channel"] for message in told} == {"trades"}
        assert {trade["coin"] for message in told for trade in message["data"]} == {"BTC"}


async def test_what_a_client_leaves_behind_is_given_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with client(served.port) as peer:
            await peer.subscribe(type="l2Book", coins="*")
            await peer.subscribe(type="trades", coin="BTC")
            assert len(served.hub.subscriptions) == 2
        await wait_until(lambda: not served.server.sessions)
        assert not served.hub.subscriptions
        assert not any(
            topic.is_followed for market in served.engine.all_markets() for topic in market.topics()
        )
        assert served.server.statistics().connections == 0


async def test_an_info_request_may_be_posted_on_the_socket(tmp_path: Path) -> None:
    def post(payload: Any) -> Any:
        return {"method": "post", "id": 7, "request": {"type": "info", "payload": payload}}

    async with serving(tmp_path) as served:
        book, unknown, refused, action = await talk(
            served,
            post({"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": None}),
            post({"type": "l2Book", "coin": "NOPE"}),
            post({"type": "clearinghouseState"}),
            {"method": "post", "id": 8, "request": {"type": "action", "payload": {}}},
        )
        assert (book["channel"], book["data"]["id"]) == ("post", 7)
        assert book["data"]["response"]["type"] == "info"
        assert book["data"]["response"]["payload"]["type"] == "l2Book"
        assert book["data"]["response"]["payload"]["data"]["coin"] == "BTC"
        assert unknown["data"]["response"] == {"type": "info", "payload": {"type": "l2Book", "data": None}}
        assert refused["data"]["response"]["type"] == "error"
        assert refused["data"]["response"]["payload"].startswith("422 Unprocessable Entity")
        assert action["data"] == {
            "id": 8,
            "response": {
                "type": "error",
                "payload": "422 Unprocessable Entity: only info requests are answered here",
            },
        }


async def test_who_asks_for_provenance_can_resume_without_a_hole(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port) as peer:
            wish = {"type": "trades", "coin": "BTC", "provenance": True}
            await peer.subscribe(**wish)
            served.step(20)
            last = await peer.receive()
        await wait_until(lambda: not served.server.sessions)
        served.step(20)
        place = {name: last["provenance"][name] for name in ("epoch", "sequence")}
        async with client(served.port) as peer:
            await peer.subscribe(**wish, resume={"BTC": place})
            served.step(20)
            told = await peer.so_far(served)
        sequences = [message["provenance"]["sequence"] for message in told]
        assert sequences == list(range(place["sequence"] + 1, place["sequence"] + 1 + len(sequences)))
        after = [trade for message in (last, *told) for trade in message["data"]]
        expected = trades(tmp_path / "data", "BTC")
        assert after == expected[: len(after)]
        assert len(after) == len(expected)


async def test_who_resumes_from_where_nothing_goes_on_is_told_a_gap(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with client(served.port) as peer:
            resume = {"BTC": {"epoch": 1, "sequence": 9}}
            await peer.subscribe(type="bbo", coin="BTC", provenance=True, resume=resume)
            gap, best = await peer.receive(), await peer.receive()
        assert (gap["channel"], gap["data"]["reason"]) == ("gap", "RESTART")
        assert best["channel"] == "bbo"


async def test_who_follows_everything_gets_markets_that_appear_later(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with client(served.port) as peer:
            await peer.subscribe(type="trades", coins="*")
            market = served.engine.market("NEW")
            assert market is not None
            assert any(topic.is_followed for topic in market.topics())
        await wait_until(lambda: not served.server.sessions)
        served.engine.market("NEWER")


async def test_subscriptions_of_a_connection_are_limited(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_subscriptions_per_connection": 3}
    async with serving(tmp_path, **settings) as served, client(served.port) as peer:
        await peer.subscribe(type="trades", coins=["BTC", "ETH"])
        refused = await peer.subscribe(type="trades", coins=["@107", "PURR/USDC"])
        assert "a connection may have 3 subscriptions: it has 2, 2 more were asked for" in refused["data"]
        await peer.unsubscribe(type="trades", coins=["BTC", "ETH"])
        taken = await peer.subscribe(type="trades", coins=["@107", "PURR/USDC"])
        assert taken["channel"] == "subscriptionResponse"


async def test_json_of_any_kind_never_ends_a_session(tmp_path: Path) -> None:
    oddities = [
        *(
            "null",
            "1e999",
            '{"method":null}',
            '{"method":["subscribe"]}',
            '{"method":"subscribe","subscription":[]}',
        ),
        '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","nLevels":18446744073709551616}}',
        '{"method":"subscribe","subscription":{"type":"trades","coin":"BTC","resume":{"BTC":{"epoch":"x","sequence":1}}}}',
        '{"method":"subscribe","subscription":{"type":"trades","coin":"\\ud800"}}',
        '{"method":"post","id":1,"request":{"type":"info","payload":{"type":{}}}}',
        '{"method":"post","id":1,"request":{"type":"info","payload":{"type":"candleSnapshot","req":{"coin":1}}}}',
        "[" * 2000,
        json.dumps({"method": "subscribe", "subscription": {"type": "trades", "coin": "x" * 5000}}),
    ]
    async with serving(tmp_path) as served:
        answers = await talk(served, *oddities, {"method": "ping"})
        assert answers[-1] == {"channel": "pong"}
        assert "connections that failed" not in served.counts
