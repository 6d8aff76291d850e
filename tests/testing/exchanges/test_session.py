"""One client's connection: the WebSocket part that all venues share."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked
from websockets.frames import Frame, Opcode

from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeHyperliquid, FakeVenue, How
from hyperstream.testing.exchanges import session as session_module
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
VENUES = [FakeBinance, FakeHyperliquid, FakeBybit]
ALL = ["btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker"]


@pytest.mark.parametrize("venue", VENUES)
async def test_a_client_that_says_goodbye_is_answered_and_forgotten(
    venue: type[FakeVenue], connect: Connect
) -> None:
    fake = venue()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        (session,) = fake.sessions
        await client.close()
        await wait_all_tasks_blocked()
        assert client.close_code == 1000
        assert client.is_over
        assert fake.sessions == []
        assert not session.topics


@pytest.mark.parametrize("venue", VENUES)
async def test_a_client_that_just_goes_is_forgotten(venue: type[FakeVenue], connect: Connect) -> None:
    fake = venue()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        assert len(fake.sessions) == 1
        await client.stream.aclose()
        await wait_all_tasks_blocked()
        assert fake.sessions == []


async def test_topics_end_with_the_last_who_follows(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        first: Client = await connect(fake, urls.stream)
        second: Client = await connect(fake, urls.stream)
        for client in (first, second):
            await client.ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
        assert set(fake.board.topics) == {"spot btcusdt@trade"}
        await first.stream.aclose()
        await wait_all_tasks_blocked()
        assert set(fake.board.topics) == {"spot btcusdt@trade"}
        await second.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 2})
        assert fake.board.topics == {}


async def test_all_followers_get_the_same(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        clients = [await connect(fake, f"{urls.stream}?streams={'/'.join(ALL)}") for _ in range(3)]
        for _ in range(50):
            fake.step(50)
        heard = [await client.heard() for client in clients]
        assert len(heard[0]) > 50
        assert heard[0] == heard[1] == heard[2]


async def test_pings_of_the_client_are_answered(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        client.protocol.send_ping(b"hello")
        await client.flush()
        await wait_all_tasks_blocked()
        assert any(b"hello" in data and data[0] == 0x80 | Opcode.PONG for data in client.raw)


async def test_a_message_in_fragments_is_one_message(connect: Connect) -> None:
    fake = FakeHyperliquid()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        for data, opcode, is_last in ((b'{"meth', Opcode.TEXT, False), (b'od":"ping"}', Opcode.CONT, True)):
            frame = Frame(opcode, data, is_last)
            await client.stream.send_all(frame.serialize(mask=True))
        assert await client.heard() == [{"channel": "pong"}]


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda protocol: protocol.send_binary(b"\x00"), 1003),
        (lambda protocol: protocol.send_text(b"x" * (session_module.MAX_MESSAGE_BYTES + 1)), 1009),
    ],
)
async def test_what_no_client_should_send_ends_the_session(
    send: Callable[[Any], None], code: int, connect: Connect
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        send(client.protocol)
        await client.flush()
        await wait_all_tasks_blocked()
        assert client.close_code == code
        assert fake.sessions == []


async def test_garbage_from_the_client_ends_its_session_and_nothing_else(connect: Connect) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        other: Client = await connect(fake, f"{urls.stream}?streams=btcusdt@trade")
        client: Client = await connect(fake, urls.stream)
        await client.stream.send_all(b"\x87\x84\x00\x00\x00\x00data")
        await wait_all_tasks_blocked()
        assert client.is_over
        assert fake.statistics.protocol_errors == 1
        assert len(fake.sessions) == 1
        fake.step(3_000)
        assert await other.heard()


async def test_a_client_that_does_not_read_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_OUTBOX_BYTES", 100_000)
    fake = FakeBinance()
    async with fake.serve() as urls:
        host, _, port = urls.rest.removeprefix("http://").partition(":")
        with trio.fail_after(30):
            stream = await trio.open_tcp_stream(host, int(port))
            client = Client(f"{urls.stream}?streams={'/'.join(ALL)}")
            client.stream = stream
            client.protocol.send_request(client.protocol.connect())
            await client.flush()
            assert (await stream.receive_some(12)) == b"HTTP/1.1 101"
            for _ in range(100_000):
                fake.step(10_000)
                await trio.lowlevel.checkpoint()
                if not fake.sessions:
                    break
            assert fake.statistics.slow_sessions == 1
            with pytest.raises(trio.BrokenResourceError):
                await _read_all(stream)
            await stream.aclose()


async def test_a_peer_that_ignores_our_goodbye_is_dropped_after_a_while(
    connect: Connect, autojump_clock: MockClock
) -> None:
    fake = FakeBinance()
    async with fake.serve() as urls:
        client: Client = await connect(fake, urls.stream)
        client.flush = _never  # type: ignore[method-assign]
        fake.trouble.disconnect(How.CLOSE, code=1012, reason="restart")
        await trio.sleep(1.0)
        assert (client.is_over, len(fake.sessions)) == (False, 1)
        await trio.sleep(2.0)
        assert (client.is_over, len(fake.sessions)) == (True, 0)


async def _read_all(stream: trio.SocketStream) -> None:
    async for data in stream:
        assert data


async def _never() -> None:
    await trio.lowlevel.checkpoint()


async def test_compression_is_accepted_by_bybit_alone(connect: Connect) -> None:
    for fake, is_compressed in ((FakeBybit(), True), (FakeHyperliquid(), False), (FakeBinance(), False)):
        async with fake.serve() as urls:
            client: Client = await connect(fake, urls.stream, is_compressing=True)
            assert ("Sec-WebSocket-Extensions" in client.headers) is is_compressed
            if is_compressed:
                assert (await client.ask({"op": "ping"}))["ret_msg"] == "pong"
                await client.say({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]})
                await wait_all_tasks_blocked()
                for _ in range(10):
                    fake.step(100)
                kinds = [message.get("type") for message in await client.heard()]
                assert kinds.count("snapshot") == 1
                assert kinds.count("delta") > 1


def test_memory_streams_need_a_venue_that_is_served() -> None:
    with pytest.raises(RuntimeError, match="enter serve"):
        FakeBinance().open_stream()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["SUBSCRIBE", "SET_PROPERTY", "subscribe", "unsubscribe", "post", "ping"]),
        "op": st.sampled_from(["subscribe", "unsubscribe", "ping"]),
        "id": _JSON,
        "req_id": _JSON,
        "params": _JSON,
        "args": st.lists(st.sampled_from(["orderbook.1.BTCUSDT", "tickers.BTCUSDT", "?"])) | _JSON,
        "request": _JSON | st.fixed_dictionaries({"type": st.just("info"), "payload": _JSON}),
        "subscription": _JSON
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["l2Book", "candle", "allMids"]), "coin": _JSON | st.just("BTC")},
            optional={"nSigFigs": _JSON, "mantissa": _JSON, "fast": _JSON, "interval": _JSON, "dex": _JSON},
        ),
    },
)


@pytest.mark.parametrize("venue", [FakeBinance, FakeHyperliquid, FakeBybit])
@settings(max_examples=settings().max_examples // 2)
@given(messages=st.lists(st.text(max_size=20) | _JSON | _REQUESTS, min_size=1, max_size=15))
def test_nothing_a_client_says_harms_the_venue_or_others(venue: Any, messages: list[object]) -> None:
    """Whatever is said, the venue lives, and somebody else hears the market."""
    fake: FakeVenue = venue(symbols=("BTC",) if venue is FakeHyperliquid else ("BTCUSDT",))
    follow = {
        FakeBinance: '{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}',
        FakeHyperliquid: '{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}',
        FakeBybit: '{"op":"subscribe","args":["orderbook.1.BTCUSDT"]}',
    }

    async def main() -> None:
        async with fake.serve() as urls, trio.open_nursery() as nursery:
            clients = [Client(urls.stream) for _ in range(2)]
            for client in clients:
                client.stream = fake.open_stream()
                nursery.start_soon(client.run)
            await wait_all_tasks_blocked()
            await clients[0].say(follow[venue])
            for message in messages:
                if clients[1].state.name == "OPEN":
                    await clients[1].say(message)
                await wait_all_tasks_blocked()
            clients[0].texts.clear()
            for _ in range(50):
                fake.step(100)
            assert await clients[0].heard()
            nursery.cancel_scope.cancel()

    trio.run(main)
