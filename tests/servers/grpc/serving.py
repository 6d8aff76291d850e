"""A gRPC server over a real engine fed by a fake node, and a foreign client (grpcio) to talk to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import trio

from hyperstream.config import GrpcSettings, ListenAddress
from hyperstream.engine.engine import Engine
from hyperstream.engine.topics import MarketFormats
from hyperstream.hub.hub import Hub
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.servers.grpc.server import GrpcServer
from hyperstream.testing import QUIET, FakeNode, Load
from hyperstream.v1 import orderbook_pb2
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES
from tests.node_feed import NodeFeed, snapshot_items

SERVICE = "/hyperstream.v1.OrderbookService/"
MARKETS = ["BTC", "ETH", "@107", "PURR/USDC", "xyz:XYZ100"]


class Served:
    """The parts, and ``step`` to let the node make a block and the engine apply it."""

    def __init__(self, node: FakeNode, directory: Path, settings: GrpcSettings) -> None:
        self.node = node
        self.hub = Hub(int(time.time()))
        self.engine = Engine(
            hub=self.hub,
            formats=MarketFormats(ORDERBOOK, BBO, TRADES, ORDERS),
            now_ns=time.time_ns,
            request_repair=None,
            snapshot_chunk_orders=settings.snapshot_chunk_orders,
        )
        self.server = GrpcServer(settings, self.engine, self.hub, time.time_ns)
        self.feed = NodeFeed(directory)
        self.port = 0
        self._snapshot = directory.parent / "snapshot.json"

    def load(self) -> None:
        """Give the engine the node's books."""
        self.node.write_snapshot(self._snapshot)
        self.feed.items()
        for item in snapshot_items(self._snapshot):
            self.engine.apply(item)

    def step(self, blocks: int = 1) -> None:
        """Let the node make blocks and the engine apply them."""
        for _ in range(blocks):
            self.node.step()
            for item in self.feed.items():
                self.engine.apply(item)


@asynccontextmanager
async def serving(
    directory: Path, *, load: bool = True, busy: Load = QUIET, seed: int = 1, **settings: Any
) -> AsyncIterator[Served]:
    """Serve on a free port for the length of a test; drains at the end."""
    node = FakeNode(directory / "data", seed=seed, markets=MARKETS, load=busy)
    grpc_settings = GrpcSettings(listen=ListenAddress("127.0.0.1", 0), **settings)
    served = Served(node, directory / "data", grpc_settings)
    if load:
        served.load()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            _, served.port = await nursery.start(served.server.run)
            yield served
            served.hub.finish()
            await served.server.drain()


class Client:
    """A grpcio client that knows only the proto. Its calls block, so run them in a thread."""

    def __init__(self, port: int, **options: Any) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{port}",
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.use_local_subchannel_pool", 1),
                *options.items(),
            ],
        )

    def call(self, method: str, request: Any, **options: Any) -> Any:
        """A unary call."""
        reply = _reply_of(method)
        stub = self.channel.unary_unary(SERVICE + method, _serialize, reply.FromString)
        return stub(request, timeout=20, **options)

    def stream(self, method: str, request: Any, **options: Any) -> Any:
        """A streaming call."""
        reply = _reply_of(method)
        stub = self.channel.unary_stream(SERVICE + method, _serialize, reply.FromString)
        return stub(request, timeout=30, **options)

    def close(self) -> None:
        self.channel.close()


def _reply_of(method: str) -> Any:
    found = orderbook_pb2.DESCRIPTOR.services_by_name["OrderbookService"].methods_by_name[method]
    return getattr(orderbook_pb2, found.output_type.name)


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


async def wait_until(is_true: Callable[[], object]) -> None:
    """Wait for what another thread brings about."""
    with trio.fail_after(20):
        while not is_true():  # noqa: ASYNC110 - the client is a thread of a foreign library
            await trio.sleep(0.01)


def events_until(call: Any, is_last: Callable[[Any], bool]) -> list[Any]:
    """The events of a stream up to the first one that ``is_last``."""
    events = []
    for event in flat(call):
        events.append(event)
        if is_last(event):
            return events
    raise AssertionError(f"the stream ended after {len(events)} events: {call.code()} {call.details()}")


def flat(call: Any) -> Iterator[Any]:
    """The events of a stream, one by one."""
    for response in call:
        yield from response.events


class ClientBook:
    """A book rebuilt from snapshot and deltas, strictly: no removal of what is not there."""

    def __init__(self) -> None:
        self.sides: list[dict[int, tuple[str, int]]] = [{}, {}]
        self.sequence = 0
        self.epoch = 0

    def apply(self, event: Any) -> None:
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            self.sides = [{}, {}]
            update = event.snapshot
        elif kind == "delta":
            update = event.delta
            assert (update.epoch, update.previous_sequence) == (self.epoch, self.sequence)
            assert update.sequence == self.sequence + 1
        else:
            return
        self.epoch, self.sequence = update.epoch, update.sequence
        for side, levels in zip(self.sides, (update.bids, update.asks), strict=True):
            for level in levels:
                if level.size == "0":
                    del side[parse_e8(level.price)]
                else:
                    side[parse_e8(level.price)] = level.size, level.order_count

    def top(self, depth: int) -> tuple[tuple[tuple[str, str, int], ...], ...]:
        """Bids and asks, best first, as the fake node's truth spells them."""
        orders = (sorted(self.sides[0], reverse=True), sorted(self.sides[1]))
        return tuple(
            tuple((format_e8(price), *side[price]) for price in prices[:depth])
            for side, prices in zip(self.sides, orders, strict=True)
        )
