"""What a stranger may send: it costs him his connection and nobody else anything."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import trio
from grpclib.health.v1 import health_pb2
from grpclib.reflection.v1 import reflection_pb2
from grpclib.reflection.v1alpha import reflection_pb2 as reflection_v1alpha_pb2

from hyperstream.v1 import orderbook_pb2

from .raw_peer import PREFACE, frame, request_headers, talk
from .serving import Client, events_until, serving, wait_until

in_thread = trio.to_thread.run_sync

HOSTILE = {
    "unknown frame type": [
        PREFACE,
        frame(0xAA, b"x" * 10),
        frame(0xC, b"origin"),
        frame(0x10, b"\0\0\0\1u=1"),
    ],
    "not HTTP/2 at all": [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "random bytes": [bytes(range(256)) * 8],
    "half a preface": [PREFACE[:10]],
    "frame longer than allowed": [PREFACE, b"\xff\xff\xff\0\0\0\0\0\1"],
    "data on an idle stream": [PREFACE, frame(0, b"x", stream=1)],
    "headers that are not HPACK": [PREFACE, frame(1, b"\xff" * 20, flags=4, stream=1)],
    "header that is not ASCII": [PREFACE, request_headers("GetMarkets", **{"x-a": "é"})],
    "window update of zero": [PREFACE, frame(8, b"\0\0\0\0")],
    "window beyond 2^31": [PREFACE, frame(8, b"\x7f\xff\xff\xff")],
    "settings out of range": [PREFACE, frame(4, struct.pack(">HI", 4, 2**31))],
    "rst of an idle stream": [PREFACE, frame(3, b"\0\0\0\0", stream=7)],
    "go away": [PREFACE, frame(7, b"\0" * 8)],
    "four GiB announced": [PREFACE, request_headers("GetMarkets"), frame(0, b"\0\xff\xff\xff\xff", stream=1)],
    "message cut short": [
        PREFACE,
        request_headers("GetMarkets"),
        frame(0, b"\0\0\0\0\x09a", flags=1, stream=1),
    ],
    "not protobuf": [
        PREFACE,
        request_headers("GetMarkets"),
        frame(0, b"\0\0\0\0\2\xff\xff", flags=1, stream=1),
    ],
    "no message at all": [PREFACE, request_headers("GetMarkets"), frame(0, b"", flags=1, stream=1)],
    "unknown method": [PREFACE, request_headers("Nope"), frame(0, b"\0\0\0\0\0", flags=1, stream=1)],
}
ANSWERED = {"four GiB announced", "message cut short", "not protobuf", "no message at all", "unknown method"}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_peer_harms_nobody_else(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        call = client.stream("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"]))
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        for _ in range(3):
            ends = 1 if name in ANSWERED else None
            await in_thread(partial(talk, served.port, *HOSTILE[name], ends=ends, is_all=not ends))
            served.step(2)
        height = served.node.height
        reply = await in_thread(client.call, "GetMarkets", orderbook_pb2.GetMarketsRequest())
        assert reply.height == height
        await in_thread(events_until, call, lambda event: event.delta.height > height - 3)
        call.cancel()
        client.close()


async def test_a_message_longer_than_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message_bytes=2000) as served:
        client = Client(served.port)
        request = orderbook_pb2.GetMarketsRequest(symbols=["x" * 3000])
        with pytest.raises(grpc.RpcError) as caught:
            await in_thread(client.call, "GetMarkets", request)
        error: Any = caught.value
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "2000" in error.details()
        client.close()


async def test_health_says_serving_for_the_server_and_the_service(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        check = client.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        for name in ("", "hyperstream.v1.OrderbookService"):
            for is_serving, status in ((False, "NOT_SERVING"), (True, "SERVING")):
                served.server.set_serving(is_serving)
                request = health_pb2.HealthCheckRequest(service=name)
                reply = await in_thread(partial(check, request, timeout=30))
                assert reply.status == health_pb2.HealthCheckResponse.ServingStatus.Value(status)
        client.close()


@pytest.mark.parametrize(
    ("version", "messages"), [("v1", reflection_pb2), ("v1alpha", reflection_v1alpha_pb2)]
)
async def test_reflection_lists_the_services_and_their_files(
    tmp_path: Path, version: str, messages: Any
) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        ask = client.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            messages.ServerReflectionRequest.SerializeToString,
            messages.ServerReflectionResponse.FromString,
        )
        requests = [
            messages.ServerReflectionRequest(list_services=""),
            messages.ServerReflectionRequest(file_containing_symbol="hyperstream.v1.OrderbookService"),
            messages.ServerReflectionRequest(file_containing_symbol="hyperstream.v1.StopOrderService"),
        ]
        listing, file, stops = await in_thread(lambda: list(ask(iter(requests), timeout=30)))
        names = {service.name for service in listing.list_services_response.service}
        ours = {"hyperstream.v1.OrderbookService", "hyperstream.v1.StopOrderService"}
        assert ours | {"grpc.health.v1.Health"} <= names
        assert b"SubscribeOrders" in file.file_descriptor_response.file_descriptor_proto[0]
        assert b"SubscribeStopOrders" in stops.file_descriptor_response.file_descriptor_proto[0]
        client.close()


async def test_a_client_that_vanishes_leaves_no_subscription_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        call = client.stream("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"]))
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        assert len(served.hub.subscriptions) == 1
        client.close()
        await wait_until(lambda: not served.hub.subscriptions)
        served.step(3)
        assert served.server.statistics().streams == 0
