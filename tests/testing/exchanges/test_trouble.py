"""The trouble kit: each kind does what it says, and is counted when it has taken effect."""

import json
import math
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.testing.exchanges import (
    Activity,
    FakeBinance,
    Garbage,
    How,
)
from tests.testing.exchanges.client import Client, asking
from tests.testing.exchanges.following import DEPTH, FREE, TRADE, Connect, following


@pytest.mark.parametrize(
    ("how", "code"), [(How.RESET, 1006), (How.DROP, 1006), (How.CLOSE, 1012), (How.HALF_CLOSE, 1006)]
)
async def test_disconnecting_ends_every_session_once(how: How, code: int, connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        clients = [await following(fake, connect, urls.stream) for _ in range(2)]
        assert fake.trouble.disconnect(how, code=1012, reason="bye") == 2
        await wait_all_tasks_blocked()
        for client in clients:
            assert client.is_over
            assert client.close_code == code
        assert fake.trouble.disconnect(how) == 0
        assert fake.trouble.counts == {how.value: 2}


async def test_one_session_may_be_picked(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        first, second = [await following(fake, connect, urls.stream) for _ in range(2)]
        fake.trouble.disconnect(session=fake.sessions[0])
        await wait_all_tasks_blocked()
        assert (first.is_over, second.is_over) == (True, False)


async def test_after_a_half_close_the_venue_still_reads(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client = await following(fake, connect, urls.stream)
        (session,) = fake.sessions
        fake.trouble.disconnect(How.HALF_CLOSE)
        await wait_all_tasks_blocked()
        assert client.raw[-1] == b""
        assert fake.sessions == [session]
        await client.stream.aclose()
        await wait_all_tasks_blocked()
        assert fake.sessions == []


async def test_connections_are_refused_for_a_while(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        fake.trouble.refuse_connections(10.0)
        refused: Client = await connect(fake, urls.stream)
        assert refused.is_over
        assert refused.response is None
        await trio.sleep(11)
        await following(fake, connect, urls.stream)
        assert fake.trouble.counts == {"refused_connection": 1}


async def test_handshakes_are_answered_with_a_status_and_retry_after(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        fake.trouble.answer_handshakes(429, retry_after_seconds=7)
        refused: Client = await connect(fake, urls.stream)
        assert refused.response is not None
        assert refused.response.status_code == 429
        assert refused.headers["Retry-After"] == "7"
        await following(fake, connect, urls.stream)
        assert fake.trouble.counts == {"refused_handshake": 1}
        assert fake.statistics.refused_handshakes == 1


async def test_handshakes_are_answered_with_a_page(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        fake.trouble.answer_handshakes_with_html()
        refused: Client = await connect(fake, urls.stream)
        assert refused.response is not None
        assert refused.response.status_code == 200
        assert refused.headers["Content-Type"].startswith("text/html")
        await following(fake, connect, urls.stream)


async def test_a_handshake_may_be_slow(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        fake.trouble.slow_handshakes(8.0)
        client: Client = await connect(fake, urls.stream)
        await trio.sleep(7.9)
        assert client.state.name == "CONNECTING"
        await trio.sleep(0.2)
        assert client.state.name == "OPEN"


async def test_a_stalled_session_says_nothing_and_hears_nothing(
    connect: Connect, autojump_clock: MockClock
) -> None:
    """What was to be said meanwhile is lost, so ids jump when it speaks again."""
    fake = FakeBinance(limits=FREE)
    async with fake.serve() as urls:
        client = await following(fake, connect, urls.stream)
        assert fake.trouble.stall(5.0) == 1
        client.protocol.send_ping(b"anyone?")
        await client.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        fake.step(1_000)
        client.raw.clear()
        assert await client.heard() == []
        assert client.raw == []
        assert fake.statistics.messages_withheld > 0
        await trio.sleep(6)
        fake.step(1_000)
        heard = await client.heard()
        depth = [message["data"] for message in heard if message["stream"] == DEPTH]
        assert depth
        assert not any("result" in message for message in heard)
        assert not client.is_over


async def test_a_session_may_stall_for_ever(connect: Connect, autojump_clock: MockClock) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client = await following(fake, connect, urls.stream)
        fake.trouble.stall(math.inf)
        await trio.sleep(3_600)
        fake.step(1_000)
        assert await client.heard() == []
        assert not client.is_over


async def test_a_stalled_topic_leaves_the_others_alone_and_renewing_ends_it(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client = await following(fake, connect, urls.stream)
        assert fake.trouble.stall_topic(f"spot {DEPTH}")
        assert not fake.trouble.stall_topic("spot nothing")
        for _ in range(20):
            fake.step(100)
        assert {message["stream"] for message in await client.heard()} == {TRADE}
        assert fake.trouble.counts["withheld_update"] > 10
        await client.ask({"method": "UNSUBSCRIBE", "params": [DEPTH], "id": 1})
        await client.ask({"method": "SUBSCRIBE", "params": [DEPTH], "id": 2})
        for _ in range(20):
            fake.step(100)
        assert {message["stream"] for message in await client.heard()} == {TRADE, DEPTH}


@pytest.mark.parametrize("kind", list(Garbage))
async def test_garbage_is_never_a_message_that_could_be_taken_for_one(
    kind: Garbage, connect: Connect
) -> None:
    fake = FakeBinance(activity=Activity(trades_per_second=50))
    async with fake.serve() as urls:
        for _ in range(20):
            client = await following(fake, connect, urls.stream, TRADE)
            assert fake.trouble.send_garbage(kind) == 1
            await wait_all_tasks_blocked()
            for text in client.texts:
                assert not _is_trade(text), text
            breaks_the_socket = kind in (Garbage.BAD_UTF8, Garbage.RESERVED_FRAME, Garbage.TORN_FRAME)
            assert client.is_over is breaks_the_socket
            assert bool(client.texts) is not breaks_the_socket
            fake.trouble.disconnect()
            await wait_all_tasks_blocked()
        assert fake.trouble.counts["garbage"] == 20
        assert fake.trouble.incidents[0].detail == kind.value


def _is_trade(text: str) -> bool:
    try:
        data = json.loads(text)["data"]
        return all(type(data[name]) is kind for name, kind in (("t", int), ("p", str), ("q", str)))
    except (ValueError, KeyError, TypeError):
        return False


async def test_a_skipped_update_is_missing_and_nothing_else(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client = await following(fake, connect, urls.stream, DEPTH)
        assert fake.trouble.skip_updates(f"spot {DEPTH}", count=2)
        for _ in range(10):
            fake.step(100)
        events = [message["data"] for message in await client.heard()]
        gaps = [one["u"] + 1 != next_one["U"] for one, next_one in pairwise(events)]
        assert len(events) == 8
        assert not any(gaps)  # both at the beginning
        assert fake.trouble.counts == {"skipped_update": 2}


async def test_a_repeated_update_is_the_newest_again(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, f"{urls.stream}?streams={DEPTH}")
        assert not fake.trouble.repeat_update(f"spot {DEPTH}")  # nothing was said yet
        fake.step(200)
        assert fake.trouble.repeat_update(f"spot {DEPTH}")
        first, second = await client.heard()
        assert first == second
        assert fake.trouble.counts == {"repeated_update": 1}


async def test_a_lost_acknowledgement_was_carried_out(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        fake.trouble.lose_acks()
        await client.say({"method": "SUBSCRIBE", "params": [TRADE], "id": 1})
        assert await client.heard() == []
        assert (await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == [TRADE]
        assert fake.trouble.counts == {"lost_ack": 1}


async def test_a_refused_command_was_not(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        fake.trouble.refuse_acks()
        refused = await client.ask({"method": "SUBSCRIBE", "params": [TRADE], "id": 1})
        assert (refused["code"], refused["id"]) == (2, 1)
        assert (await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == []
        assert fake.trouble.counts == {"refused_ack": 1}


async def test_data_may_come_before_a_late_acknowledgement(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        fake.trouble.delay_acks(1.5)
        await client.say({"method": "SUBSCRIBE", "params": [DEPTH], "id": 1})
        await wait_all_tasks_blocked()
        fake.step(200)
        assert [message.get("stream") for message in await client.heard()] == [DEPTH]
        await trio.sleep(1.5)
        assert await client.heard() == [{"result": None, "id": 1}]
        assert fake.trouble.counts == {"late_ack": 1}


async def test_requests_fail_or_come_late_or_are_a_page(autojump_clock: MockClock) -> None:
    fake = FakeBinance()
    async with fake.serve(), asking(fake) as http:
        fake.trouble.fail_requests(503, count=2)
        fake.trouble.answer_requests_with_html()
        answers = [await http.get("/api/v3/time") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [503, 503, 200, 200]
        assert answers[2].headers["content-type"].startswith("text/html")
        assert answers[3].json() == {"serverTime": fake.now_ms}
        fake.trouble.delay_requests(3.0)
        before = trio.current_time()
        await http.get("/api/v3/time")
        assert trio.current_time() - before == 3.0
        assert fake.trouble.counts == {"failed_request": 3, "late_request": 1}


async def test_a_stale_snapshot_is_an_old_book() -> None:
    fake = FakeBinance(symbols=("BTCUSDT",))
    async with fake.serve(), asking(fake) as http:
        for _ in range(20):
            fake.step(500)
        fake.trouble.stale_snapshots()
        old, new = [(await http.get("/api/v3/depth?symbol=BTCUSDT")).json() for _ in range(2)]
        assert old["lastUpdateId"] < new["lastUpdateId"] == fake.truth("BTCUSDT").update_id
        assert fake.trouble.counts == {"stale_snapshot": 1}
