"""MarkPriceService through grpcio: requests, contracts, resume points, and the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import pytest
import trio
from google.rpc import error_details_pb2, status_pb2
from grpclib.health.v1 import health_pb2
from grpclib.reflection.v1 import reflection_pb2

from hyperstream.config import GrpcSettings, ListenAddress
from hyperstream.market.venues import BINANCE_FUTURES, BYBIT, Channel
from hyperstream.servers.grpc.client import connect
from hyperstream.servers.grpc.server import GrpcServer
from hyperstream.v1 import common_pb2, mark_price_pb2
from tests.engine.marks.mark_world import MarkWorld, inputs

from .serving import wait_until

in_thread = trio.to_thread.run_sync
SERVICE = "hyperstream.v1.MarkPriceService"
LOSSLESS = common_pb2.DELIVERY_CONTRACT_LOSSLESS


class MarkClient:
    """A grpcio client. Its calls block, so run them in a thread."""

    def __init__(self, port: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)

    def get(self, **fields: Any) -> Any:
        stub = self.channel.unary_unary(
            f"/{SERVICE}/GetMarkPrice",
            mark_price_pb2.GetMarkPriceRequest.SerializeToString,
            mark_price_pb2.MarkPrice.FromString,
        )
        return stub(mark_price_pb2.GetMarkPriceRequest(**fields), timeout=20)

    def subscribe(self, **fields: Any) -> Any:
        stub = self.channel.unary_stream(
            f"/{SERVICE}/SubscribeMarkPrices",
            mark_price_pb2.SubscribeMarkPricesRequest.SerializeToString,
            mark_price_pb2.SubscribeMarkPricesResponse.FromString,
        )
        return stub(mark_price_pb2.SubscribeMarkPricesRequest(**fields), timeout=30)

    def close(self) -> None:
        self.channel.close()


class Served:
    """The world, its server, and a client."""

    def __init__(self, world: MarkWorld, **settings: Any) -> None:
        self.world = world
        grpc_settings = GrpcSettings(listen=ListenAddress("127.0.0.1", 0), **settings)
        self.server = GrpcServer(
            grpc_settings, world.engine, world.hub, lambda: world.time_ns, world.prices, marks=world.marks
        )
        self.port = 0
        self.client = MarkClient(0)


async def look(world: MarkWorld) -> None:
    """Compute first marks as soon as they can be, as the clock does."""
    while True:
        world.look()
        await trio.sleep(0.01)


@asynccontextmanager
async def serving(world: MarkWorld | None = None, **settings: Any) -> AsyncIterator[Served]:
    served = Served(world or MarkWorld(venues=(), symbols=("BTC", "ETH")), **settings)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            _, served.port = await nursery.start(served.server.run)
            served.client = MarkClient(served.port)
            async with trio.open_nursery() as clock:
                clock.start_soon(look, served.world)
                yield served
                clock.cancel_scope.cancel(reason="the test has ended")
            served.world.hub.finish()
            await served.server.drain()
            served.client.close()


def next_events(responses: Iterator[Any]) -> list[Any]:
    return list(next(responses).events)


async def test_a_mark_is_got_by_symbol_and_by_id() -> None:
    async with serving() as served:
        for get in (
            partial(served.client.get, symbols=["ETH"]),
            partial(served.client.get, market_ids=[1]),
        ):
            mark = await in_thread(get)
            assert (mark.symbol, mark.market_id, mark.price) == ("ETH", 1, "100.5")
            assert inputs(mark) == {"LOCAL": "100.5"}
        assert served.world.hub.statistics().subscriptions == 0


async def test_a_mark_of_which_not_all_is_told_yet_is_waited_for() -> None:
    world = MarkWorld()
    world.list_markets()
    async with serving(world) as served, trio.open_nursery() as nursery:
        marks: list[Any] = []

        async def get() -> None:
            marks.append(await in_thread(lambda: served.client.get(symbols=["BTC"])))

        nursery.start_soon(get)
        await wait_until(lambda: world.wanted)
        world.look()
        world.context(oracle="100.0", mark="100.9")
        world.quote(BINANCE_FUTURES, "102.0", "103.0")
        world.look()
        assert not marks
        world.quote(BYBIT, "98.0", "99.0")
        world.look()
        await wait_until(lambda: marks)
        assert inputs(marks[0]) == {"ORACLE": "100.5", "LOCAL": "100.5", "EXTERNAL": "102.5"}


async def test_every_second_is_one_message_with_every_market_followed() -> None:
    async with serving() as served:
        world = served.world
        responses = served.client.subscribe(symbols=["*"])
        first = await in_thread(next_events, responses)
        assert [event.mark_price.symbol for event in first] == ["BTC", "ETH"]
        for sequence in (2, 3, 4):
            world.pass_time()
            events = await in_thread(next_events, responses)
            told = [(event.mark_price.symbol, event.mark_price.sequence) for event in events]
            assert told == [("BTC", sequence), ("ETH", sequence)]
        world.block()
        market = world.engine.market("NEW")
        assert market is not None
        world.hub.flush()
        (event,) = await in_thread(next_events, responses)
        assert (event.mark_price.symbol, event.mark_price.price) == ("NEW", "")
        responses.cancel()


async def test_a_stream_that_is_silent_sends_heartbeats() -> None:
    async with serving() as served:
        responses = served.client.subscribe(symbols=["BTC"], heartbeat_seconds=1)
        await in_thread(next_events, responses)
        (event,) = await in_thread(next_events, responses)
        assert event.heartbeat.height == 1
        responses.cancel()


async def test_a_resumed_stream_goes_on_where_it_was_and_an_old_point_is_told() -> None:
    async with serving() as served:
        world = served.world
        responses = served.client.subscribe(symbols=["BTC"], delivery=LOSSLESS)
        (event,) = await in_thread(next_events, responses)
        epoch = event.mark_price.epoch
        responses.cancel()
        for _ in range(3):
            world.pass_time()
        point = common_pb2.ResumePoint(symbol="BTC", epoch=epoch, sequence=2)
        responses = served.client.subscribe(symbols=["BTC"], delivery=LOSSLESS, resume=[point])
        events = await in_thread(next_events, responses)
        assert [event.mark_price.sequence for event in events] == [3, 4]
        responses.cancel()
        point = common_pb2.ResumePoint(symbol="BTC", epoch=epoch - 1, sequence=2)
        responses = served.client.subscribe(symbols=["BTC"], resume=[point])
        gap, event = await in_thread(next_events, responses)
        assert (gap.gap.reason, event.mark_price.sequence) == (common_pb2.GAP_REASON_RESTART, 4)
        responses.cancel()


WRONG = [
    ("get", {"symbols": ["ETC"]}, "NOT_FOUND", "did you mean 'ETH'?"),
    ("get", {"market_ids": [4_000_000]}, "NOT_FOUND", "4000000"),
    ("get", {}, "INVALID_ARGUMENT", "name at least one market"),
    ("get", {"symbols": ["BTC", "ETH"]}, "INVALID_ARGUMENT", "exactly one"),
    ("subscribe", {"symbols": ["btc"]}, "NOT_FOUND", "did you mean 'BTC'?"),
    ("subscribe", {}, "INVALID_ARGUMENT", "name at least one market"),
    ("subscribe", {"symbols": ["BTC"], "delivery": 9}, "INVALID_ARGUMENT", "delivery"),
    ("subscribe", {"symbols": ["BTC"], "heartbeat_seconds": 3601}, "INVALID_ARGUMENT", "heartbeat_seconds"),
]


@pytest.mark.parametrize(("method", "fields", "code", "sentence"), WRONG)
async def test_a_wrong_request_is_told_what_is_wrong(
    method: str, fields: dict[str, Any], code: str, sentence: str
) -> None:
    async with serving() as served:

        def attempt() -> Any:
            with pytest.raises(grpc.RpcError) as caught:
                list(served.client.subscribe(**fields)) if method == "subscribe" else served.client.get(
                    **fields
                )
            return caught.value

        error = await in_thread(attempt)
        assert (error.code().name, sentence in error.details()) == (code, True)
        if code == "INVALID_ARGUMENT":
            raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
            details = error_details_pb2.BadRequest()
            assert status_pb2.Status.FromString(raw).details[0].Unpack(details)
            assert details.field_violations[0].field in error.details()
        assert not served.world.marks.marks


async def test_a_drain_ends_streams_with_a_notice_and_refuses_new_calls() -> None:
    async with serving() as served:
        responses = served.client.subscribe(symbols=["BTC"])
        await in_thread(next_events, responses)
        served.server.close_intake()

        def refused() -> Any:
            with pytest.raises(grpc.RpcError) as caught:
                served.client.get(symbols=["BTC"])
            return caught.value

        error = await in_thread(refused)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        served.world.hub.finish()
        assert await in_thread(list, responses) == []
        assert responses.code() is grpc.StatusCode.OK


async def test_health_and_reflection_know_the_service() -> None:
    async with serving() as served:
        served.server.set_serving(True)
        check = served.client.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        reply = await in_thread(lambda: check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=30))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        ask = served.client.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        ]
        listing, file = await in_thread(lambda: list(ask(iter(requests), timeout=30)))
        assert SERVICE in {service.name for service in listing.list_services_response.service}
        assert b"SubscribeMarkPrices" in file.file_descriptor_response.file_descriptor_proto[0]


async def test_our_own_client_gets_and_follows_marks() -> None:
    async with serving() as served, connect(f"127.0.0.1:{served.port}") as client:
        assert (await client.get_mark_price("BTC")).price == "100.5"
        async with client.subscribe_mark_prices(["BTC", "ETH"]) as events:
            symbols: set[str] = set()
            while symbols != {"BTC", "ETH"}:
                symbols |= {event.mark_price.symbol for event in await events.receive_batch()}


async def test_what_the_venue_says_is_told_beside_the_mark_until_its_connection_is_lost() -> None:
    world = MarkWorld()
    world.list_markets()
    async with serving(world) as served:
        responses = served.client.subscribe(symbols=["BTC"])
        await wait_until(lambda: world.wanted)
        world.context(oracle="100.0", mark="100.0")
        world.quote(BINANCE_FUTURES, "102.0", "103.0")
        world.quote(BYBIT, "98.0", "99.0")
        world.look()
        (event,) = await in_thread(next_events, responses)
        assert (event.mark_price.venue_price, event.mark_price.difference_basis_points) == ("100.0", 50.0)
        world.lose("hyperliquid", Channel.TICKER, "BTC")
        world.pass_time()
        (event,) = await in_thread(next_events, responses)
        assert event.mark_price.venue_price == ""
        assert not event.mark_price.HasField("difference_basis_points")
        responses.cancel()
