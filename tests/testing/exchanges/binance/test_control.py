"""Binance's live control, letter by letter: acknowledgements, identifiers, the table of errors."""

from collections.abc import Callable
from typing import Any

import pytest

from hyperstream.testing.exchanges import FakeBinance
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


async def test_commands_are_acknowledged_with_their_id(connect: Connect) -> None:
    fake = FakeBinance()
    names = ["btcusdt@aggTrade", "btcusdt@depth@100ms"]
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        answers = [
            await client.ask(message)
            for message in (
                {"method": "SUBSCRIBE", "params": names, "id": 1},
                {"method": "UNSUBSCRIBE", "params": ["btcusdt@depth@100ms", "btcusdt@never"], "id": "a1B2"},
                {"method": "LIST_SUBSCRIPTIONS", "id": None},
                {"method": "GET_PROPERTY", "params": ["combined"], "id": 2},
            )
        ]
    assert answers == [
        {"result": None, "id": 1},
        {"result": None, "id": "a1B2"},
        {"result": ["btcusdt@aggTrade"], "id": None},
        {"result": True, "id": 2},
    ]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            '{"method":"GET_PROPERTY","params":["depth"],"id":7}',
            {"code": 0, "msg": "Unknown property", "id": 7},
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined","yes"],"id":7}',
            {"code": 1, "msg": "Invalid value type: expected Boolean"},
        ),
        (
            '{"method":"SET_PROPERTY","params":[5,true],"id":7}',
            {"code": 2, "msg": "Invalid request: property name must be a string"},
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS"}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","id":1.5}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","id":"' + "x" * 37 + '"}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"LIST_SUBSCRIPTION","id":1}',
            {
                "code": 2,
                "msg": "Invalid request: unknown variant LIST_SUBSCRIPTION, "
                f"expected one of {VARIANTS} at line 1 column 29",
            },
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","params":["x"],"id":1}',
            {"code": 2, "msg": "Invalid request: too many parameters"},
        ),
        (
            '{"method":"GET_PROPERTY","params":["combined","x"],"id":1}',
            {"code": 2, "msg": "Invalid request: too many parameters"},
        ),
        ('{"id":1}', {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 8"}),
        ("[]", {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 2"}),
        ("hello", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("{\n  nope", {"code": 3, "msg": "Invalid JSON: expected value at line 2 column 3"}),
        ("[" * 100_000, {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1026"}),
        (
            '{"method":"\\ud800","id":1}',
            {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 12"},
        ),
    ],
)
async def test_what_is_wrong_is_said_and_the_socket_stays(
    text: str, answer: dict[str, Any], connect: Connect
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        assert await client.ask(text) == answer
        assert (await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 9}))["id"] == 9


async def test_futures_take_numbers_as_identifiers_only(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.public)
        for request_id, is_taken in ((5, True), ("a", False), (None, False), (-1, False)):
            answer = await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": request_id})
            assert ("result" in answer) is is_taken


@pytest.mark.parametrize(
    "name",
    ["nopeusdt@trade", "btcusdt@nope", "BTCUSDT@trade", "btcusdt@kline_7m", "btcusdt@depth7", "", "!x@arr"],
)
async def test_a_stream_that_does_not_exist_is_acknowledged_and_silent(name: str, connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        assert await client.ask({"method": "SUBSCRIBE", "params": [name], "id": 1}) == {
            "result": None,
            "id": 1,
        }
        assert (await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == [name]
        for _ in range(50):
            fake.step(200)
        assert await client.heard() == []


async def test_raw_and_combined_streams_differ_in_the_envelope(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        raw: Client = await connect(fake, urls.stream.replace("/stream", "/ws/btcusdt@bookTicker"))
        combined: Client = await connect(fake, f"{urls.stream}?streams=btcusdt@bookTicker/ethusdt@trade")
        turned: Client = await connect(fake, urls.stream.replace("/stream", "/ws"))
        await turned.ask({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
        await turned.ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5})
        for _ in range(100):
            fake.step(20)
        bare = await raw.heard()
        wrapped = [message for message in await combined.heard() if message["stream"] == "btcusdt@bookTicker"]
        assert bare
        assert wrapped == [{"stream": "btcusdt@bookTicker", "data": data} for data in bare]
        assert await turned.heard() == wrapped


async def test_a_second_subscription_to_a_stream_changes_nothing(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, f"{urls.stream}?streams=btcusdt@depth@100ms")
        await client.ask({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"] * 2, "id": 1})
        fake.step(100)
        assert len(await client.heard()) == 1


async def test_times_may_be_in_microseconds(connect: Connect) -> None:
    fake = FakeBinance()
    names = "btcusdt@trade/btcusdt@depth@100ms/btcusdt@kline_1s/btcusdt@ticker"
    async with fake.serve() as urls:
        fine: Client = await connect(fake, f"{urls.stream}?streams={names}&timeUnit=MICROSECOND")
        coarse: Client = await connect(fake, f"{urls.stream}?streams={names}")
        for _ in range(100):
            fake.step(50)
        pairs = list(zip(await fine.heard(), await coarse.heard(), strict=True))
        assert {one["stream"] for one, _ in pairs} == set(names.split("/"))
        for one, other in pairs:
            assert one["data"]["E"] == other["data"]["E"] * 1_000
            if "k" in one["data"]:
                assert one["data"]["k"]["t"] == other["data"]["k"]["t"] * 1_000
                assert one["data"]["k"]["T"] == (other["data"]["k"]["T"] + 1) * 1_000 - 1
        odd: Client = await connect(fake, f"{urls.stream}?timeUnit=FORTNIGHT")
        assert odd.response is not None
        assert odd.response.status_code == 400
