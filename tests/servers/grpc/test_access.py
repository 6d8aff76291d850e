"""API keys over the wire: who is let in, what a key may use, and keys that change while streams go on."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import trio
from grpclib.health.v1 import health_pb2

from hyperstream.config import GrpcSettings, ListenAddress, load
from hyperstream.errors import ConfigurationError
from hyperstream.servers.door.keys import key_entry
from hyperstream.v1 import orderbook_pb2

from .raw_peer import PREFACE, HeaderWriter, decoded, frame, frames_in, request_headers, talk
from .serving import MARKETS, Client, events_until, serving, wait_until

in_thread = trio.to_thread.run_sync
KEY, OTHER = "hs_one", "hs_two"
Metadata = Sequence[tuple[str, str]]
MINE: Metadata = [("authorization", f"Bearer {KEY}")]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(key_entry("desk-1", KEY))
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def status_of(client: Client, metadata: Metadata | None, method: str = "GetMarkets") -> Any:
    request = orderbook_pb2.GetMarketsRequest()
    try:
        await in_thread(partial(client.call, method, request, metadata=metadata))
    except grpc.RpcError as exc:
        return exc
    return None


async def test_every_call_needs_a_key_where_there_are_keys(tmp_path: Path, keys: Path) -> None:
    async with serving(tmp_path, api_keys=str(keys)) as served:
        client = Client(served.port)
        assert await status_of(client, MINE) is None
        assert await status_of(client, [("x-api-key", KEY)]) is None
        for metadata, sentence in ((None, "wants an API key"), ([("x-api-key", "hs_no")], "not known here")):
            error = await status_of(client, metadata)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
            assert sentence in error.details()
        check = client.channel.unary_unary(
            "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest.SerializeToString, None
        )
        with pytest.raises(grpc.RpcError, match="wants an API key"):
            await in_thread(partial(check, health_pb2.HealthCheckRequest(), timeout=30))
        counts = served.server.statistics().counts
        assert (counts["calls without a key"], counts["calls with an unknown key"]) == (2, 1)
        client.close()


async def test_guessing_keys_ends_the_connection(tmp_path: Path, keys: Path) -> None:
    async with serving(tmp_path, api_keys=str(keys)) as served:
        writer = HeaderWriter()
        guesses = [
            writer.request("GetMarkets", {"x-api-key": f"hs_{n}"}, stream=2 * n + 1) for n in range(30)
        ]
        await in_thread(talk, served.port, PREFACE, b"".join(guesses))
        assert served.server.statistics().counts["too many unknown keys"] == 1


async def test_a_key_has_so_many_calls_and_markets(tmp_path: Path, keys: Path) -> None:
    write(keys, key_entry("desk-1", KEY) + "streams = 2\nmarkets = 3\n" + key_entry("desk-2", OTHER))
    async with serving(tmp_path, api_keys=str(keys)) as served:
        client = Client(served.port)

        def subscribe(*symbols: str, key: str = KEY) -> Any:
            request = orderbook_pb2.SubscribeBboRequest(symbols=symbols)
            return client.stream("SubscribeBbo", request, metadata=[("x-api-key", key)])

        async def refusal(call: Any) -> str:
            with pytest.raises(grpc.RpcError) as caught:
                await in_thread(next, call)
            assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            return str(caught.value)

        first = subscribe("BTC", "ETH")
        await in_thread(next, first)
        assert "it follows 2, and 5 were asked for" in await refusal(subscribe("*"))
        second = subscribe("BTC")
        await in_thread(next, second)
        assert "may have 2 calls at a time" in await refusal(subscribe("ETH"))
        others = subscribe("*", key=OTHER)
        await in_thread(next, others)
        first.cancel()
        await wait_until(lambda: len(served.hub.subscriptions) == 2)
        third = subscribe("BTC", "ETH")
        await in_thread(next, third)
        for call in (second, third, others):
            call.cancel()
        client.close()


async def test_a_key_has_so_many_connections(tmp_path: Path, keys: Path) -> None:
    write(keys, key_entry("desk-1", KEY) + "connections = 1\n")
    async with serving(tmp_path, api_keys=str(keys)) as served:
        first, second = Client(served.port), Client(served.port)
        request = orderbook_pb2.SubscribeBboRequest(symbols=["BTC"])
        call = first.stream("SubscribeBbo", request, metadata=MINE)
        await in_thread(next, call)
        error = await status_of(second, MINE)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "may use 1 connections at a time" in error.details()
        assert await status_of(first, MINE) is None
        call.cancel()
        first.close()
        second.close()


async def test_a_keys_bytes_a_second_delay_its_messages_and_not_others(tmp_path: Path, keys: Path) -> None:
    write(keys, key_entry("desk-1", KEY) + "bytes_per_second = 16384\n" + key_entry("desk-2", OTHER))
    async with serving(tmp_path, api_keys=str(keys)) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=1000)
        slow = client.stream("SubscribeOrderbook", request, metadata=MINE)
        await in_thread(next, slow)
        (subscription,) = served.hub.subscriptions
        (connection,) = served.server._server.connections  # type: ignore[union-attr]
        stream: Any = next(iter(connection.processor.streams.values()))
        stream.usage.send(trio.current_time(), 10_000_000)
        served.step(20)
        quick = client.stream("SubscribeOrderbook", request, metadata=[("x-api-key", OTHER)])
        await in_thread(events_until, quick, lambda event: event.HasField("snapshot"))
        served.step(5)
        height = served.node.height
        await in_thread(events_until, quick, lambda event: event.delta.height == height)
        assert subscription.statistics().waiting_messages > 10
        slow.cancel()
        quick.cancel()
        client.close()


async def test_a_reload_lets_new_keys_in_and_old_ones_out_without_dropping_a_stream(
    tmp_path: Path, keys: Path
) -> None:
    write(keys, key_entry("desk-1", KEY) + key_entry("desk-3", "hs_three"))
    async with serving(tmp_path, api_keys=str(keys)) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"])
        call = client.stream("SubscribeOrderbook", request, metadata=MINE)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        write(keys, key_entry("desk-2", OTHER) + key_entry("desk-1, renamed", KEY))
        served.server.reload()
        assert await status_of(client, [("x-api-key", OTHER)]) is None
        gone = await status_of(client, [("x-api-key", "hs_three")])
        assert gone.code() is grpc.StatusCode.UNAUTHENTICATED
        write(keys, "[")
        with pytest.raises(ConfigurationError, match="is not TOML"):
            served.server.reload()
        assert await status_of(client, [("x-api-key", OTHER)]) is None
        served.step(2)
        height = served.node.height
        await in_thread(events_until, call, lambda event: event.delta.height == height)
        call.cancel()
        client.close()


@pytest.mark.parametrize("left", [key_entry("desk-2", OTHER), key_entry("desk-1", OTHER)])
async def test_calls_of_a_key_that_was_revoked_or_replaced_go_on_and_new_ones_are_refused(
    tmp_path: Path, keys: Path, left: str
) -> None:
    write(keys, key_entry("desk-1", KEY) + key_entry("desk-2", OTHER))
    async with serving(tmp_path, api_keys=str(keys)) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"])
        call = client.stream("SubscribeOrderbook", request, metadata=MINE)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        write(keys, left)
        served.server.reload()
        served.step(2)
        height = served.node.height
        await in_thread(events_until, call, lambda event: event.delta.height == height)
        assert (await status_of(client, MINE)).code() is grpc.StatusCode.UNAUTHENTICATED
        call.cancel()
        client.close()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051", "example.org:50051"])
def test_off_loopback_nothing_is_served_without_a_key_unless_said_so(listen: str, tmp_path: Path) -> None:
    override = f"grpc.listen={listen}"
    with pytest.raises(ConfigurationError) as caught:
        load(overrides=[override], environ={})
    assert "can be reached from other hosts, and nothing says who may call" in str(caught.value)
    assert "grpc.allow_anyone = true" in str(caught.value)
    assert load(overrides=[override, "grpc.allow_anyone=true"], environ={}).grpc.allow_anyone
    assert load(overrides=[override, "grpc.api_keys=/etc/keys.toml"], environ={}).grpc.api_keys


async def test_the_server_refuses_as_well_whoever_made_its_settings(tmp_path: Path) -> None:
    async def serve() -> None:
        async with serving(tmp_path) as served:
            served.server.settings = GrpcSettings(listen=ListenAddress("0.0.0.0", 0))
            await served.server.run()

    with pytest.raises(ExceptionGroup) as caught:
        await serve()
    assert caught.group_contains(ConfigurationError, match="nothing says who may call")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.1.2.3:0", "[::1]:0", "localhost:0"])
def test_on_loopback_no_key_is_needed(listen: str) -> None:
    assert load(overrides=[f"grpc.listen={listen}"], environ={}).grpc.listen.is_loopback


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["grpc.certificate=/c.pem"], "grpc.certificate and grpc.private_key go together"),
        (["grpc.private_key=/k.pem"], "grpc.certificate and grpc.private_key go together"),
        (["grpc.client_ca=/ca.pem"], "grpc.client_ca wants TLS"),
    ],
)
def test_settings_that_contradict_each_other_are_told(overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load(overrides=overrides, environ={})


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_gzip_is_sent_where_enabled_and_accepted(tmp_path: Path, is_enabled: bool) -> None:
    async with serving(tmp_path, compression=is_enabled) as served:
        body = orderbook_pb2.GetOrderbookRequest(symbols=["BTC"], depth=1000).SerializeToString()
        request = frame(0, b"\0" + len(body).to_bytes(4, "big") + body, flags=1, stream=1)
        for accepted in ("gzip", "identity"):
            headers = request_headers("GetOrderbook", **{"grpc-accept-encoding": accepted})
            answer = await in_thread(partial(talk, served.port, PREFACE, headers, request, ends=1))
            data = b"".join(found.data for found in frames_in(answer) if found.type == 0)
            is_compressed = is_enabled and accepted == "gzip"
            assert data[0] == is_compressed
            reply = gzip.decompress(data[5:]) if is_compressed else data[5:]
            assert len(orderbook_pb2.OrderbookSnapshot.FromString(reply).bids) > 10


async def test_a_client_of_another_make_sends_and_takes_gzip(tmp_path: Path) -> None:
    async with serving(tmp_path, compression=True) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=MARKETS, depth=1000)
        call = client.stream("SubscribeOrderbook", request, compression=grpc.Compression.Gzip)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        served.step(5)
        height = served.node.height
        await in_thread(events_until, call, lambda event: event.delta.height == height)
        (connection,) = served.server._server.connections  # type: ignore[union-attr]
        stream: Any = next(iter(connection.processor.streams.values()))
        assert (stream.request_encoding, stream.response_encoding) == ("gzip", "gzip")
        call.cancel()
        client.close()


@pytest.mark.parametrize(
    ("encoding", "message", "status"),
    [
        ("gzip", gzip.compress(bytes(50_000_000)), b"8"),
        ("gzip", b"not gzip", b"13"),
        ("identity", gzip.compress(b""), b"13"),
    ],
    ids=["bomb", "nonsense", "not announced"],
)
async def test_a_bomb_or_nonsense_is_refused(
    tmp_path: Path, encoding: str, message: bytes, status: bytes
) -> None:
    async with serving(tmp_path) as served:
        data = b"\1" + len(message).to_bytes(4, "big") + message
        frames = [frame(0, data[at : at + 16384], stream=1) for at in range(0, len(data), 16384)]
        headers = request_headers("GetMarkets", **{"grpc-encoding": encoding})
        answer = await in_thread(partial(talk, served.port, PREFACE, headers, *frames, ends=1))
        assert b"grpc-status=" + status in decoded(answer)
