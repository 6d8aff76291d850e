"""Binance's limits: pings, message rate, streams, lifetime, shutdown, connections, weight, bans."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.testing.exchanges import FakeBinance
from hyperstream.testing.exchanges.binance import FUTURES_LIMITS, SPOT_LIMITS
from tests.testing.exchanges.client import Client, asking

Connect = Callable[..., Any]
HOUR = 3_600.0


@pytest.mark.parametrize(("path", "ping_seconds"), [("stream", 20.0), ("public", 180.0), ("market", 180.0)])
async def test_pings_come_regularly_and_answered_ones_keep_the_socket(
    path: str, ping_seconds: float, connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, getattr(urls, path))
        await trio.sleep(10.5 * ping_seconds)
        assert len(client.pings) == 10
        assert len(set(client.pings)) == 10
        assert not client.is_over


@pytest.mark.parametrize(("path", "seconds"), [("stream", 80.0), ("public", 780.0)])
async def test_a_client_without_pongs_is_disconnected(
    path: str, seconds: float, connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, getattr(urls, path))
        client.is_ponging = False
        await trio.sleep(seconds - 1)
        assert not client.is_over
        await trio.sleep(1.5)
        assert (client.close_code, fake.sessions) == (1008, [])
        assert fake.statistics.expelled_sessions == 1


async def test_pongs_nobody_asked_for_do_not_keep_the_socket(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        client.is_ponging = False
        for _ in range(9):
            await trio.sleep(10)
            if client.state.name == "OPEN":
                await client.stream.send_all(b"\x8a\x80\x00\x00\x00\x00")
        assert fake.statistics.expelled_sessions == 1


@pytest.mark.parametrize(("path", "most"), [("stream", 5), ("public", 10)])
async def test_too_many_messages_in_a_second_disconnect(
    path: str, most: int, connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, getattr(urls, path))
        for _ in range(5):
            for number in range(most):
                await client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
            assert len(await client.heard()) == most
            await trio.sleep(1.0)
        for number in range(most):
            await client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
        client.protocol.send_ping(b"one more")  # pings count as well
        await client.flush()
        await wait_all_tasks_blocked()
        assert client.close_code == 1008


async def test_repeated_violations_ban_the_address(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance(limits=evolve(SPOT_LIMITS, warnings=2, ban_seconds=30.0))
    async with fake.serve() as urls, asking(fake) as http:
        for _ in range(3):
            client: Client = await connect(fake, urls.stream)
            assert client.response is not None
            assert client.response.status_code == 101
            for number in range(6):
                await client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
            await wait_all_tasks_blocked()
        banned: Client = await connect(fake, urls.stream)
        assert banned.response is not None
        assert (banned.response.status_code, banned.headers["Retry-After"]) == (418, "30")
        assert (await http.get("/api/v3/time")).status_code == 418
        await trio.sleep(31)
        again: Client = await connect(fake, urls.stream)
        assert again.state.name == "OPEN"


async def test_a_connection_has_so_many_streams_and_no_more(connect: Connect) -> None:
    fake = FakeBinance(limits=evolve(SPOT_LIMITS, streams=1_024))
    names = [f"s{number}usdt@trade" for number in range(1_024)]
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        await client.ask({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert len(fake.sessions[0].topics) == 1_024
        await client.say({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 2})
        await wait_all_tasks_blocked()
        assert client.close_code == 1008


async def test_a_connection_ends_after_24_hours(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance(limits=evolve(SPOT_LIMITS, ping_seconds=0), futures_limits=FUTURES_LIMITS)
    async with fake.serve() as urls:
        spot: Client = await connect(fake, urls.stream)
        futures: Client = await connect(fake, urls.public)
        await trio.sleep(24 * HOUR - 1)
        assert (spot.is_over, futures.is_over) == (False, False)
        await trio.sleep(2)
        assert (spot.close_code, futures.close_code) == (1001, 1001)


async def test_a_server_that_stops_says_so_in_both_forms(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        combined: Client = await connect(fake, urls.stream)
        raw: Client = await connect(fake, urls.stream.replace("/stream", "/ws"))
        futures: Client = await connect(fake, urls.public)
        assert fake.announce_shutdown(10.0) == 2
        event = {"e": "serverShutdown", "E": fake.now_ms}
        assert await combined.heard() == [{"stream": "!serverShutdown", "data": event}]
        assert await raw.heard() == [event]
        assert await futures.heard() == []
        await trio.sleep(9)
        assert not combined.is_over
        await trio.sleep(2)
        assert (combined.is_over, raw.is_over, futures.is_over) == (True, True, False)


async def test_an_address_may_try_to_connect_so_often(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        for _ in range(300):
            client: Client = await connect(fake, urls.stream)
            assert client.state.name == "OPEN"
            await client.stream.aclose()
        refused: Client = await connect(fake, urls.stream)
        assert refused.response is not None
        assert refused.response.status_code == 429
        assert 290 <= int(refused.headers["Retry-After"]) <= 300
        other: Client = await connect(fake, urls.public)  # futures count for themselves
        assert other.state.name == "OPEN"
        await trio.sleep(301)
        again: Client = await connect(fake, urls.stream)
        assert again.state.name == "OPEN"


async def test_requests_have_weights_and_a_budget(autojump_clock: MockClock) -> None:
    fake = FakeBinance(limits=evolve(SPOT_LIMITS, weight_per_minute=600), futures_limits=FUTURES_LIMITS)
    async with fake.serve(), asking(fake) as http:
        weights = []
        for path in ("api/v3/depth?symbol=BTCUSDT&limit=100", "api/v3/depth?symbol=BTCUSDT&limit=5000"):
            answer = await http.get(f"/{path}")
            weights.append(int(answer.headers["x-mbx-used-weight-1m"]))
        assert weights == [5, 255]
        assert (await http.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")).status_code == 200
        refused = await http.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "60"
        answer = await http.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
        assert answer.headers["x-mbx-used-weight-1m"] == "20"
        for _ in range(5):
            refused = await http.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
        assert (await http.get("/api/v3/time")).status_code == 418
        await trio.sleep(181)
        assert (await http.get("/api/v3/time")).status_code == 200
