"""Bybit's public sockets: acknowledgements, refusals, pings, limits."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.testing.exchanges import FakeBybit
from hyperstream.testing.exchanges.bybit import LIMITS
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
BOOK, TRADE, TICKER = "orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"


def subscribe(*names: str, **more: Any) -> dict[str, Any]:
    return {**more, "op": "subscribe", "args": list(names)}


async def answer_to(client: Client, message: object) -> dict[str, Any]:
    """Return what is no data."""
    await client.say(message)
    (found,) = [heard for heard in await client.heard() if "topic" not in heard]
    answer: dict[str, Any] = found
    return answer


async def test_one_acknowledgement_a_request(connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        answer = await answer_to(client, subscribe(BOOK, TRADE, TICKER, req_id="c1-7"))
        connection = answer["conn_id"]
        assert list(answer) == ["success", "ret_msg", "conn_id", "req_id", "op"]
        assert answer == {
            "success": True,
            "ret_msg": "",
            "conn_id": connection,
            "req_id": "c1-7",
            "op": "subscribe",
        }
        answer = await answer_to(client, {"op": "unsubscribe", "args": [TRADE]})
        assert answer == {
            "success": True,
            "ret_msg": "",
            "conn_id": connection,
            "req_id": "",
            "op": "unsubscribe",
        }
        assert set(fake.sessions[0].topics) == {BOOK, TICKER}


async def test_spot_says_subscribe(connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.spot)
        answer = await answer_to(client, subscribe(BOOK, req_id="1"))
        assert (answer["success"], answer["ret_msg"], answer["req_id"]) == (True, "subscribe", "1")


async def test_the_whole_request_is_refused_for_the_first_bad_topic(connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        names = (BOOK, "orderbook.50.NOPEUSDT", "orderbook.500.BTCUSDT", TRADE)
        answer = await answer_to(client, subscribe(*names, req_id="e1"))
        assert (answer["success"], answer["req_id"], answer["op"]) == (False, "e1", "subscribe")
        assert answer["ret_msg"] == "error:handler not found,topic:orderbook.50.NOPEUSDT"
        answer = await answer_to(client, subscribe(BOOK, "orderbook.500.BTCUSDT", TRADE))
        assert answer["ret_msg"] == "error:handler not found,topic:orderbook.500.BTCUSDT"
        for _ in range(20):
            fake.step(50)
        assert await client.heard() == []
        assert fake.sessions[0].topics == {}
        assert fake.board.topics == {}


@pytest.mark.parametrize(
    "name",
    [
        "orderbook.50.btcusdt",
        "orderbook.BTCUSDT",
        "kline.7.BTCUSDT",
        "ticker.BTCUSDT",
        "publicTrade",
        "",
        "orderbook.50.BTCUSDT.x",
    ],
)
async def test_a_topic_that_is_not_there_is_refused(name: str, connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        assert (await answer_to(client, subscribe(name)))[
            "ret_msg"
        ] == f"error:handler not found,topic:{name}"


async def test_symbols_of_another_family_are_refused(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), spot_symbols=("ETHUSDT",))
    async with fake.serve() as urls:
        linear: Client = await connect(fake, urls.stream)
        spot: Client = await connect(fake, urls.spot)
        assert not (await answer_to(linear, subscribe("publicTrade.ETHUSDT")))["success"]
        assert (await answer_to(spot, subscribe("publicTrade.ETHUSDT")))["success"]


async def test_a_topic_that_is_followed_already_refuses_the_request_too(connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        await answer_to(client, subscribe(BOOK))
        answer = await answer_to(client, subscribe(TRADE, BOOK))
        assert answer["ret_msg"] == f"error:already subscribed,topic:{BOOK}"
        assert set(fake.sessions[0].topics) == {BOOK}
        fake.step(100)
        assert {message["topic"] for message in await client.heard()} <= {BOOK}


async def test_spot_takes_ten_arguments_and_linear_more(connect: Connect) -> None:
    symbols = [
        f"{base}USDT"
        for base in ["BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "SUI", "AVAX", "LINK", "LTC", "ADA"]
    ]
    fake = FakeBybit(symbols=symbols)
    names = [f"publicTrade.{symbol}" for symbol in symbols]
    async with fake.serve() as urls:
        spot: Client = await connect(fake, urls.spot)
        answer = await answer_to(spot, subscribe(*names, req_id="x"))
        assert list(answer) == ["success", "ret_msg", "conn_id", "op"]
        assert (answer["success"], answer["ret_msg"]) == (False, "args size >10")
        assert (await answer_to(spot, subscribe(*names[:10])))["success"]
        linear: Client = await connect(fake, urls.stream)
        assert (await answer_to(linear, subscribe(*names)))["success"]


async def test_the_topics_of_a_socket_have_so_many_characters(connect: Connect) -> None:
    fake = FakeBybit(limits=evolve(LIMITS, args_characters=len(BOOK) + len(TRADE)))
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        assert (await answer_to(client, subscribe(BOOK, TRADE)))["success"]
        assert not (await answer_to(client, subscribe(TICKER)))["success"]
        assert fake.limits.args_characters != LIMITS.args_characters == 21_000


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"op": "dance", "args": []}, "error:invalid op"),
        ({"args": []}, "error:invalid op"),
        ([], "error:invalid op"),
        ("hello", "Failed to decode incoming data:hello"),
        ({"op": "subscribe", "args": "orderbook.50.BTCUSDT"}, "error:invalid args"),
        ({"op": "subscribe"}, "error:invalid args"),
        ({"op": "subscribe", "args": [1]}, "error:invalid args"),
    ],
)
async def test_what_is_wrong_is_said_and_the_socket_stays(
    message: object, text: str, connect: Connect
) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        answer = await answer_to(client, message)
        assert (answer["success"], answer["ret_msg"]) == (False, text)
        assert (await answer_to(client, {"op": "ping"}))["ret_msg"] == "pong"


async def test_pongs_of_linear_and_spot_differ(connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        linear: Client = await connect(fake, urls.stream)
        spot: Client = await connect(fake, urls.spot)
        answer = await answer_to(linear, {"req_id": "100001", "op": "ping"})
        assert list(answer) == ["success", "ret_msg", "conn_id", "req_id", "op"]
        assert (answer["success"], answer["ret_msg"], answer["req_id"], answer["op"]) == (
            True,
            "pong",
            "100001",
            "ping",
        )
        answer = await answer_to(spot, {"req_id": "100001", "op": "ping"})
        assert list(answer) == ["success", "ret_msg", "conn_id", "op"]


async def test_a_socket_without_subscription_and_ping_ends_after_61_seconds(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        idle: Client = await connect(fake, urls.stream)
        pinging: Client = await connect(fake, urls.stream)
        subscribed: Client = await connect(fake, urls.stream)
        await answer_to(subscribed, subscribe(TRADE))
        await trio.sleep(30)
        await answer_to(pinging, {"op": "ping"})
        await trio.sleep(30.5)
        assert not idle.is_over
        await trio.sleep(1)
        assert (idle.is_over, idle.close_code, idle.pings) == (True, 1006, [])
        assert (pinging.is_over, subscribed.is_over) == (False, False)
        await trio.sleep(30)
        assert (pinging.is_over, subscribed.is_over) == (True, False)


async def test_ten_minutes_without_ping_and_data_end_a_socket(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        silent: Client = await connect(fake, urls.stream)
        pinging: Client = await connect(fake, urls.stream)
        fed: Client = await connect(fake, urls.stream)
        for client in (silent, pinging):
            await answer_to(client, subscribe(TRADE))
        await answer_to(fed, subscribe(BOOK))
        for _ in range(30):
            await trio.sleep(20)
            await answer_to(pinging, {"op": "ping"})
            for session in fake.sessions:
                session.send(b'{"topic":"data"}') if BOOK in session.topics else None
        await trio.sleep(1)
        assert (silent.is_over, pinging.is_over, fed.is_over) == (True, False, False)


async def test_after_a_refusal_a_socket_may_go_quiet_and_still_answer_pings(connect: Connect) -> None:
    fake = FakeBybit(is_quiet_after_refusal=True)
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        await answer_to(client, subscribe(BOOK))
        await answer_to(client, subscribe("tickers.NOPE"))
        for _ in range(20):
            fake.step(100)
        assert await client.heard() == []
        assert (await answer_to(client, {"op": "ping"}))["ret_msg"] == "pong"
        again: Client = await connect(fake, urls.stream)
        await answer_to(again, subscribe(BOOK))
        for _ in range(20):
            fake.step(100)
        assert await again.heard()


async def test_an_address_has_so_many_sockets_of_a_family_and_attempts(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBybit(limits=evolve(LIMITS, sockets=2, connections=4))
    async with fake.serve() as urls:
        clients = [await connect(fake, url) for url in (urls.stream, urls.stream, urls.stream, urls.spot)]
        assert [client.response.status_code for client in clients] == [101, 101, 403, 101]
        for client in clients:
            await client.stream.aclose()
        await wait_all_tasks_blocked()
        clients = [await connect(fake, urls.stream) for _ in range(2)]
        assert [client.response.status_code for client in clients] == [101, 403]
        await trio.sleep(301)
        again: Client = await connect(fake, urls.stream)
        assert again.state.name == "OPEN"


async def test_a_refused_command_names_its_first_topic(connect: Connect) -> None:
    fake = FakeBybit()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        fake.trouble.refuse_acks()
        answer = await answer_to(client, subscribe(BOOK, TRADE))
        assert answer["ret_msg"] == f"error:handler not found,topic:{BOOK}"
        assert fake.sessions[0].topics == {}
