"""Hyperliquid's WebSocket: acknowledgements, literal errors, silent ends, keep-alive, limits."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.testing.exchanges import FakeHyperliquid
from hyperstream.testing.exchanges.hyperliquid import LIMITS
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
PARSE_ERROR = "Error parsing JSON into valid websocket request: "
FILLED = '{"type":"l2Book","coin":"SOL","nSigFigs":null,"mantissa":null,"fast":false}'


def subscribe(kind: str, **more: Any) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": {"type": kind, **more}}


def unsubscribe(kind: str, **more: Any) -> dict[str, Any]:
    return {"method": "unsubscribe", "subscription": {"type": kind, **more}}


async def test_an_acknowledgement_echoes_the_subscription_with_defaults_before_the_data(
    connect: Connect,
) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        await client.say(subscribe("l2Book", coin="SOL"))
        await wait_all_tasks_blocked()
        told = (
            '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":' + FILLED + "}}"
        )
        assert client.texts[0] == told
        assert [orjson.loads(text)["channel"] for text in client.texts[1:]] == ["l2Book"]
        client.texts.clear()
        await client.say(unsubscribe("l2Book", coin="SOL", fast=False, nSigFigs=None))
        await wait_all_tasks_blocked()
        assert client.texts == [told.replace('"subscribe"', '"unsubscribe"')]


@pytest.mark.parametrize(
    ("wanted", "filled"),
    [
        ({"type": "bbo", "coin": "BTC"}, '{"type":"bbo","coin":"BTC"}'),
        ({"coin": "BTC", "type": "trades"}, '{"type":"trades","coin":"BTC"}'),
        (
            {"interval": "1m", "coin": "BTC", "type": "candle"},
            '{"type":"candle","coin":"BTC","interval":"1m"}',
        ),
        ({"type": "allMids"}, '{"type":"allMids","dex":null}'),
        ({"type": "activeAssetCtx", "coin": "@107"}, '{"type":"activeAssetCtx","coin":"@107"}'),
        (
            {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 2, "fast": True},
            '{"type":"l2Book","coin":"BTC","nSigFigs":5,"mantissa":2,"fast":true}',
        ),
    ],
)
async def test_every_kind_is_acknowledged(wanted: dict[str, Any], filled: str, connect: Connect) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        await client.say({"method": "subscribe", "subscription": wanted})
        await wait_all_tasks_blocked()
        assert client.texts[0].endswith(f'"subscription":{filled}}}}}')


async def test_twice_is_an_error_that_names_the_subscription(connect: Connect) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        await client.ask(subscribe("l2Book", coin="SOL"))
        answer = await client.ask(subscribe("l2Book", coin="SOL", nSigFigs=None))
        assert answer == {"channel": "error", "data": f"Already subscribed: {FILLED}"}
        await client.ask(unsubscribe("l2Book", coin="SOL"))
        answer = await client.ask(unsubscribe("l2Book", coin="SOL"))
        assert answer == {"channel": "error", "data": f"Already unsubscribed: {FILLED}"}


@pytest.mark.parametrize(
    "text",
    [
        '{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC","ETH"]}}',
        '{"method":"subscribe","subscription":{"type":"nonsense","coin":"BTC"}}',
        '{"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"7m"}}',
        '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","nSigFigs":"5"}}',
        '{"method":"subscribe","subscription":{"type":"l2Book"}}',
        '{"method":"subscribe"}',
        '{"method":"dance"}',
        '{"method":"post","request":{"type":"info","payload":{"type":"meta"}}}',
        "hello",
        "[]",
        '"text"',
    ],
)
async def test_what_does_not_parse_is_repeated_in_the_error_and_the_socket_stays(
    text: str, connect: Connect
) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        assert await client.ask(text) == {"channel": "error", "data": PARSE_ERROR + text}
        assert await client.ask({"method": "ping"}) == {"channel": "pong"}


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "bbo", "coin": "NOPE"},
        {"type": "bbo", "coin": "btc"},
        {"type": "trades", "coin": "XYZ:AAPL"},
        {"type": "l2Book", "coin": "AAPL"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 6},
        {"type": "l2Book", "coin": "BTC", "mantissa": 2},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 4, "mantissa": 5},
    ],
)
async def test_asking_for_what_is_not_there_ends_the_socket_without_a_word(
    wanted: dict[str, Any], connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeHyperliquid(symbols=("BTC", "xyz:AAPL"))
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        other: Client = await connect(fake, urls.stream)
        await client.ask(subscribe("trades", coin="BTC"))
        await client.say({"method": "subscribe", "subscription": wanted})
        assert await client.heard() == []
        await trio.sleep(0.09)
        assert not client.is_over
        await trio.sleep(0.02)
        assert (client.close_code, client.is_over) == (1006, True)
        assert not other.is_over


async def test_a_post_of_an_unknown_coin_is_answered_with_null(connect: Connect) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)

        async def post(number: int, payload: dict[str, Any], kind: str = "info") -> Any:
            request = {"type": kind, "payload": payload}
            answer = await client.ask({"method": "post", "id": number, "request": request})
            assert (answer["channel"], answer["data"]["id"]) == ("post", number)
            return answer["data"]["response"]

        known = await post(1, {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": None})
        assert (known["type"], known["payload"]["type"]) == ("info", "l2Book")
        assert known["payload"]["data"]["coin"] == "BTC"
        unknown = await post(7, {"type": "l2Book", "coin": "NOPE"})
        assert unknown == {"type": "info", "payload": {"type": "l2Book", "data": None}}
        assert (await post(8, {"type": "nothing"}))["type"] == "error"
        assert (await post(9, {"type": "order"}, kind="action"))["type"] == "error"


async def test_a_server_that_said_nothing_for_a_minute_hangs_up(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        silent: Client = await connect(fake, urls.stream)
        pinging: Client = await connect(fake, urls.stream)
        await trio.sleep(50)
        await pinging.ask({"method": "ping"})
        await trio.sleep(9)
        assert not silent.is_over
        await trio.sleep(2)
        assert (silent.is_over, silent.close_code, silent.pings) == (True, 1006, [])
        assert not pinging.is_over
        await trio.sleep(48)
        assert not pinging.is_over
        await trio.sleep(2)
        assert pinging.is_over


async def test_data_keeps_a_socket_as_well(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls, trio.open_nursery() as nursery:
        client: Client = await connect(fake, urls.stream)
        await client.ask(subscribe("bbo", coin="BTC"))
        nursery.start_soon(fake.run, 2.0)
        await trio.sleep(200)
        assert not client.is_over
        nursery.cancel_scope.cancel()


async def test_an_address_has_ten_sockets(connect: Connect) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        clients = [await connect(fake, urls.stream) for _ in range(11)]
        assert [client.state.name for client in clients[:10]] == ["OPEN"] * 10
        assert clients[10].response.status_code == 429
        await clients[0].stream.aclose()
        await wait_all_tasks_blocked()
        again: Client = await connect(fake, urls.stream)
        assert again.state.name == "OPEN"


async def test_an_address_opens_thirty_sockets_a_minute(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        for _ in range(30):
            client: Client = await connect(fake, urls.stream)
            assert client.state.name == "OPEN"
            await client.stream.aclose()
            await wait_all_tasks_blocked()
        refused: Client = await connect(fake, urls.stream)
        assert refused.response is not None
        assert (refused.response.status_code, refused.headers["Retry-After"]) == (429, "60")
        await trio.sleep(61)
        again: Client = await connect(fake, urls.stream)
        assert again.state.name == "OPEN"


async def test_an_address_has_so_many_subscriptions_over_all_its_sockets(connect: Connect) -> None:
    fake = FakeHyperliquid(limits=evolve(LIMITS, subscriptions=3))
    async with fake.serve() as urls:
        first: Client = await connect(fake, urls.stream)
        second: Client = await connect(fake, urls.stream)
        for coin, client in (("BTC", first), ("ETH", first), ("SOL", second)):
            assert (await client.ask(subscribe("bbo", coin=coin)))["channel"] == "subscriptionResponse"
        answer = await second.ask(subscribe("bbo", coin="BTC"))
        assert (answer["channel"], '"coin":"BTC"' in answer["data"]) == ("error", True)
        await first.ask(unsubscribe("bbo", coin="ETH"))
        assert (await second.ask(subscribe("bbo", coin="BTC")))["channel"] == "subscriptionResponse"


async def test_too_many_messages_a_minute_end_the_socket(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeHyperliquid(limits=evolve(LIMITS, messages_per_minute=20))
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        for _ in range(20):
            await client.ask({"method": "ping"})
        await client.say({"method": "ping"})
        await wait_all_tasks_blocked()
        assert (client.is_over, client.close_code) == (True, 1006)


async def test_a_refused_subscription_is_named(connect: Connect) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        fake.trouble.refuse_acks(2)
        answer = await client.ask(subscribe("l2Book", coin="SOL"))
        assert answer == {"channel": "error", "data": f"Cannot subscribe: {FILLED}"}
        fake.trouble.pending.clear()
        await client.ask(subscribe("l2Book", coin="SOL"))
        fake.trouble.refuse_acks()
        answer = await client.ask(unsubscribe("l2Book", coin="SOL"))
        assert answer == {"channel": "error", "data": f"Cannot unsubscribe: {FILLED}"}
