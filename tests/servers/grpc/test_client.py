"""The client, against a small server of the gRPC project's own library."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
import trio
import trio_asyncio

from hyperstream.errors import ConfigurationError, FormatError, RpcError, ServerUnavailable
from hyperstream.servers.grpc import client as client_module
from hyperstream.servers.grpc.client import connect, parse_target
from hyperstream.servers.grpc.client_stream import OUTBOX_MESSAGES
from hyperstream.v1 import common_pb2, orderbook_pb2

SERVICE = "hyperstream.v1.OrderbookService"
REQUESTS: dict[str, Any] = {
    "SubscribeOrderbook": orderbook_pb2.SubscribeOrderbookRequest,
    "SubscribeBbo": orderbook_pb2.SubscribeBboRequest,
    "SubscribeTrades": orderbook_pb2.SubscribeTradesRequest,
    "SubscribeOrders": orderbook_pb2.SubscribeOrdersRequest,
}


class ForeignServer:
    """A grpcio server in threads. ``streams`` and ``calls`` answer by method name."""

    def __init__(self) -> None:
        self.calls: dict[str, Callable[[Any, Any], Any]] = {}
        self.streams: dict[str, Callable[[Any, Any], Iterator[Any]]] = {}
        self.requests: list[Any] = []
        self.metadata: dict[str, str] = {}
        self.cancelled = threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((self._handlers(),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.target = f"127.0.0.1:{self.port}"
        self.server.start()

    def _handlers(self) -> Any:
        unary: dict[str, Any] = {
            "GetMarkets": orderbook_pb2.GetMarketsRequest,
            "GetOrderbook": orderbook_pb2.GetOrderbookRequest,
        }
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                self._call(name), request_deserializer=request.FromString, response_serializer=_serialize
            )
            for name, request in unary.items()
        }
        for name, stream_request in REQUESTS.items():
            methods[name] = grpc.unary_stream_rpc_method_handler(
                self._stream(name),
                request_deserializer=stream_request.FromString,
                response_serializer=_serialize,
            )
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _call(self, name: str) -> Callable[[Any, Any], Any]:
        def answer(request: Any, context: Any) -> Any:
            self.requests.append(request)
            return self.calls[name](request, context)

        return answer

    def _stream(self, name: str) -> Callable[[Any, Any], Iterator[Any]]:
        def answer(request: Any, context: Any) -> Iterator[Any]:
            self.requests.append(request)
            self.metadata = {item.key: item.value for item in context.invocation_metadata()}
            context.add_callback(self.cancelled.set)
            yield from self.streams[name](request, context)

        return answer


def _serialize(message: Any) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    foreign = ForeignServer()
    yield foreign
    foreign.server.stop(None).wait(30)


def heartbeats(*heights: int) -> orderbook_pb2.SubscribeOrderbookResponse:
    return orderbook_pb2.SubscribeOrderbookResponse(
        events=[
            orderbook_pb2.OrderbookEvent(heartbeat=common_pb2.Heartbeat(height=height)) for height in heights
        ]
    )


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Let other tasks run until something is so; the caller bounds the wait."""
    # Neither grpclib nor the server's threads set a Trio event.
    while True:
        if is_so():
            return
        await trio.lowlevel.checkpoint()


async def test_events_of_all_messages_arrive_flattened_and_in_order(server: ForeignServer) -> None:
    server.streams["SubscribeOrderbook"] = lambda request, context: iter(
        [heartbeats(1, 2), heartbeats(), heartbeats(3)]
    )
    with trio.fail_after(30):
        async with connect(server.target) as client, client.subscribe_orderbook(["BTC"]) as events:
            assert [event.heartbeat.height async for event in events] == [1, 2, 3]
            assert client.statistics().messages == 3
            assert client.statistics().message_bytes == sum(
                message.ByteSize() for message in [heartbeats(1, 2), heartbeats(), heartbeats(3)]
            )


async def test_every_field_of_a_request_reaches_the_server(server: ForeignServer) -> None:
    server.streams["SubscribeOrderbook"] = lambda request, context: iter([])
    resume = common_pb2.ResumePoint(symbol="BTC", epoch=2, sequence=7)
    with trio.fail_after(30):
        async with (
            connect(server.target, api_key="secret") as client,
            client.subscribe_orderbook(
                ["BTC", "@107"],
                depth=5,
                significant_figures=5,
                mantissa=2,
                delivery=common_pb2.DELIVERY_CONTRACT_LOSSLESS,
                snapshots_only=True,
                heartbeat_seconds=3,
                resume=[resume],
            ) as events,
        ):
            assert [event async for event in events] == []
    assert server.requests == [
        orderbook_pb2.SubscribeOrderbookRequest(
            symbols=["BTC", "@107"],
            depth=5,
            significant_figures=5,
            mantissa=2,
            delivery=common_pb2.DELIVERY_CONTRACT_LOSSLESS,
            snapshots_only=True,
            heartbeat_seconds=3,
            resume=[resume],
        )
    ]
    assert server.metadata["authorization"] == "Bearer secret"


@pytest.mark.parametrize("name", ["Bbo", "Trades", "Orders"])
async def test_each_topic_has_its_subscription(server: ForeignServer, name: str) -> None:
    response = getattr(orderbook_pb2, f"Subscribe{name}Response")
    event = getattr(orderbook_pb2, f"{name}Event")(heartbeat=common_pb2.Heartbeat(height=9))
    server.streams[f"Subscribe{name}"] = lambda request, context: iter([response(events=[event])])
    with trio.fail_after(30):
        async with connect(server.target) as client:
            subscribe = getattr(client, f"subscribe_{name.lower()}")
            async with subscribe(["BTC"], heartbeat_seconds=4) as events:
                assert [event async for event in events] == [event]
    assert server.requests[0].heartbeat_seconds == 4


async def test_unary_calls(server: ForeignServer) -> None:
    server.calls["GetMarkets"] = lambda request, context: orderbook_pb2.GetMarketsResponse(height=5)
    server.calls["GetOrderbook"] = lambda request, context: orderbook_pb2.OrderbookSnapshot(
        symbol=request.symbols[0], sequence=request.depth
    )
    with trio.fail_after(30):
        async with connect(server.target) as client:
            assert (await client.get_markets()).height == 5
            snapshot = await client.get_orderbook("BTC", depth=7)
            assert (snapshot.symbol, snapshot.sequence) == ("BTC", 7)


async def test_a_status_becomes_an_rpc_error_with_the_servers_sentence(server: ForeignServer) -> None:
    def refuse(request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.NOT_FOUND, "no market named NOPE; ask GetMarkets")

    def refuse_stream(request: Any, context: Any) -> Iterator[Any]:
        yield heartbeats(1)
        refuse(request, context)

    server.calls["GetOrderbook"] = refuse
    server.streams["SubscribeOrderbook"] = refuse_stream
    with trio.fail_after(30):
        with pytest.raises(RpcError) as caught:
            async with connect(server.target) as client:
                await client.get_orderbook("NOPE")
        assert caught.value.status_name == "NOT_FOUND"
        assert caught.value.message == "no market named NOPE; ask GetMarkets"

        async with connect(server.target) as client, client.subscribe_orderbook(["NOPE"]) as events:
            assert (await anext(events)).heartbeat.height == 1
            with pytest.raises(RpcError, match="NOT_FOUND: no market named NOPE"):
                await anext(events)


async def test_nobody_listening_is_server_unavailable_and_says_what_to_do() -> None:
    listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener[0].socket.getsockname()[1]
    await listener[0].aclose()
    with (
        trio.fail_after(30),
        pytest.raises(ServerUnavailable, match=f"no server at 127.0.0.1:{port}.*hyperstream run"),
    ):
        async with connect(f"127.0.0.1:{port}"):
            pytest.fail("there is nobody to talk to")


async def test_a_server_that_dies_mid_stream_is_server_unavailable(server: ForeignServer) -> None:
    release = threading.Event()

    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield heartbeats(1)
        release.wait(30)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server.streams["SubscribeOrderbook"] = answer

    # A relay stands between, so that the connection can be cut without a word.
    async with trio.open_nursery() as nursery:

        async def relay(inside: trio.SocketStream) -> None:
            outside = await trio.open_tcp_stream("127.0.0.1", server.port)
            async with inside, outside, trio.open_nursery() as both:
                both.start_soon(_copy, inside, outside)
                both.start_soon(_copy, outside, inside)

        nursery.start_soon(trio.serve_listeners, relay, listeners)
        with trio.fail_after(30), trio.CancelScope(shield=True):
            async with connect(f"127.0.0.1:{port}") as client, client.subscribe_orderbook(["BTC"]) as events:
                assert (await anext(events)).heartbeat.height == 1
                nursery.cancel_scope.cancel(reason="cut the connection")
                with pytest.raises(ServerUnavailable, match="without a status"):
                    await events.receive_batch()
    release.set()


async def _copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    async for chunk in source:
        await sink.send_all(chunk)


async def test_bytes_that_are_no_message_are_a_format_error(server: ForeignServer) -> None:
    server.calls["GetMarkets"] = lambda request, context: b"\xff\xff\xff\xff"
    with trio.fail_after(30), pytest.raises(FormatError, match="not the message announced"):
        async with connect(server.target) as client:
            await client.get_markets()


async def test_leaving_a_subscription_cancels_the_call_and_keeps_the_connection(
    server: ForeignServer,
) -> None:
    def endless(request: Any, context: Any) -> Iterator[Any]:
        height = 0
        while not server.cancelled.wait(0.001):
            height += 1
            yield heartbeats(height)

    server.streams["SubscribeOrderbook"] = endless
    server.calls["GetMarkets"] = lambda request, context: orderbook_pb2.GetMarketsResponse(height=5)
    with trio.fail_after(30):
        async with connect(server.target) as client:
            async with client.subscribe_orderbook(["BTC"]) as events:
                assert (await anext(events)).heartbeat.height == 1
            assert (await client.get_markets()).height == 5
            assert await trio.to_thread.run_sync(server.cancelled.wait, 5)


async def test_a_consumer_that_pauses_bounds_what_is_kept(server: ForeignServer) -> None:
    total = OUTBOX_MESSAGES * 3
    server.streams["SubscribeOrderbook"] = lambda request, context: (heartbeats(n) for n in range(total))
    with trio.fail_after(20):
        async with connect(server.target) as client, client.subscribe_orderbook(["BTC"]) as events:
            assert (await anext(events)).heartbeat.height == 0
            await wait_until(lambda: len(events._messages) >= OUTBOX_MESSAGES)
            for _ in range(1000):
                await trio.lowlevel.checkpoint()
            assert len(events._messages) == OUTBOX_MESSAGES
            assert [event.heartbeat.height async for event in events] == list(range(1, total))


async def test_frames_grpclib_does_not_know_are_ignored(server: ForeignServer) -> None:
    """ORIGIN, ALTSVC and a made-up frame type arrive in the middle of a call."""
    release = threading.Event()

    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield heartbeats(1)
        release.wait(30)
        yield heartbeats(2)

    server.streams["SubscribeOrderbook"] = answer
    with trio.fail_after(30):
        async with connect(server.target) as client, client.subscribe_orderbook(["BTC"]) as events:
            assert (await anext(events)).heartbeat.height == 1
            (protocol,) = client._channel._opened
            for frame_type, payload in (
                (0x0C, b"\0\0"),
                (0x0A, b"\0\1ah2"),
                (0xAA, b"zzz"),
                (0x10, b"\0\0\0\1u=1"),
            ):
                protocol.data_received(len(payload).to_bytes(3) + bytes([frame_type, 0]) + bytes(4) + payload)
            release.set()
            assert (await anext(events)).heartbeat.height == 2


async def test_a_graceful_goaway_lets_the_stream_finish(server: ForeignServer) -> None:
    stopping = threading.Event()

    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield heartbeats(1)
        stopping.wait(30)
        yield heartbeats(2)
        yield heartbeats(3)

    server.streams["SubscribeOrderbook"] = answer
    with trio.fail_after(20):
        async with connect(server.target) as client, client.subscribe_orderbook(["BTC"]) as events:
            assert (await anext(events)).heartbeat.height == 1
            server.server.stop(10)  # sends GOAWAY at once, waits for the stream
            (protocol,) = client._channel._opened
            await wait_until(lambda: protocol.handler.connection_lost)  # type: ignore[attr-defined]
            stopping.set()
            assert [event.heartbeat.height async for event in events] == [2, 3]


async def test_errors_of_the_body_come_out_bare(server: ForeignServer) -> None:
    with trio.fail_after(30), pytest.raises(ZeroDivisionError):
        async with connect(server.target):
            raise ZeroDivisionError


async def test_cancelling_the_caller_ends_client_and_stream(server: ForeignServer) -> None:
    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield heartbeats(1)
        server.cancelled.wait(30)

    server.streams["SubscribeOrderbook"] = answer
    with trio.fail_after(30):
        with trio.CancelScope() as scope:
            async with connect(server.target) as client, client.subscribe_orderbook(["BTC"]) as events:
                await anext(events)
                scope.cancel(reason="the test has seen enough")
                await anext(events)
        assert scope.cancelled_caught
        assert await trio.to_thread.run_sync(server.cancelled.wait, 5)


async def test_clients_in_other_tasks_and_inside_another_loop_do_not_disturb_each_other(
    server: ForeignServer,
) -> None:
    server.calls["GetMarkets"] = lambda request, context: orderbook_pb2.GetMarketsResponse(height=5)
    heights: list[int] = []

    async def ask() -> None:
        async with connect(server.target) as client:
            heights.append((await client.get_markets()).height)

    async def ask_inside_a_loop() -> None:
        async with trio_asyncio.open_loop() as loop:
            async with connect(server.target) as client:
                assert trio_asyncio.current_loop.get() is loop
                heights.append((await client.get_markets()).height)
            await trio_asyncio.aio_as_trio(lambda: loop.create_task(_nothing()))()  # it still runs

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
                nursery.start_soon(ask_inside_a_loop)
        async with connect(server.target), connect(server.target) as second:
            heights.append((await second.get_markets()).height)
    assert heights == [5] * 7


async def _nothing() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("localhost", ("localhost", 50051)),
        ("[::1]:6000", ("::1", 6000)),
        ("::1", ("::1", 50051)),
        ("[::1]", ("::1", 50051)),
    ],
)
def test_targets(target: str, expected: tuple[str, int]) -> None:
    assert parse_target(target) == expected


@pytest.mark.parametrize("target", ["", ":50051", "host:", "host:0", "host:99999", "host:port", "host:-1"])
def test_a_target_that_is_none_says_how_to_write_one(target: str) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        parse_target(target)


async def test_a_port_that_accepts_and_says_nothing_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CALL_SECONDS", 0.05)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(30), pytest.raises(ServerUnavailable, match="did not answer in time"):
        async with listeners[0], connect(f"127.0.0.1:{port}") as client:
            await client.get_markets()
