"""A gRPC server over a prices engine that tests feed by hand, and a grpcio client to change what it sends."""

from __future__ import annotations

import queue
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import trio

from hyperstream.config import GrpcSettings, ListenAddress, PriceSettings
from hyperstream.engine.engine import Engine
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.engine.topics import MarketFormats
from hyperstream.hub.hub import Hub
from hyperstream.market.venues import FeedDemand, VenueInstrument, VenueListed, VenueTrade
from hyperstream.servers.grpc.server import GrpcServer
from hyperstream.v1 import price_pb2
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES
from hyperstream.wire.protobuf.prices import PRICES

METHOD = "/hyperstream.v1.PriceService/StreamPrices"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
SECOND_NS = 1_000_000_000


class PriceServed:
    """The parts, and ``trade`` to let Binance trade."""

    def __init__(
        self,
        settings: PriceSettings,
        grpc_settings: GrpcSettings,
        *,
        max_per_stream: int,
        venues: frozenset[str],
    ) -> None:
        self.hub = Hub(time.time())
        self.demands: list[FeedDemand] = []
        self.now_ns = 1_700_000_000 * SECOND_NS
        self.trades = 0
        self.prices = PriceEngine(
            self.hub, PRICES, lambda: self.now_ns, settings, venues, self.demands.append
        )
        node = Engine(self.hub, MarketFormats(ORDERBOOK, BBO, TRADES, ORDERS), time.time_ns, None)
        self.server = GrpcServer(
            grpc_settings, node, self.hub, time.time_ns, self.prices, max_series_per_stream=max_per_stream
        )
        self.port = 0
        self.prices.apply([VenueListed(venue, tuple(map(VenueInstrument, SYMBOLS))) for venue in venues])

    def trade(self, count: int = 1, symbol: str = "BTCUSDT", step_ns: int = SECOND_NS // 10) -> None:
        """Let a market trade, at prices that go up and down, and publish a batch after each trade."""
        for _ in range(count):
            self.now_ns += step_ns
            self.trades += 1
            price = f"{100 + self.trades * 7 % 13}.{self.trades % 10}"
            trade = VenueTrade(
                "binance", symbol, str(self.trades), price, "1.5", True, self.now_ns, self.now_ns
            )
            self.prices.apply([trade])
            self.prices.flush()

    def forget_unused(self) -> None:
        """Let the time pass after which what nobody follows is dropped."""
        self.prices.retire()
        self.now_ns += 60 * SECOND_NS
        self.prices.retire()
        self.prices.retire()

    @property
    def wanted(self) -> set[str]:
        """What is wanted of the venue now, as people read it."""
        wanted: set[str] = set()
        for demand in self.demands:
            (wanted.add if demand.is_wanted else wanted.discard)(str(demand.topic))
        return wanted


@asynccontextmanager
async def price_serving(
    *,
    prices: PriceSettings | None = None,
    max_per_stream: int = 2_000,
    venues: frozenset[str] = frozenset({"binance"}),
    **settings: Any,
) -> AsyncIterator[PriceServed]:
    """Serve on a free port for the length of a test; drains at the end."""
    grpc_settings = GrpcSettings(listen=ListenAddress("127.0.0.1", 0), **settings)
    served = PriceServed(
        prices or PriceSettings(), grpc_settings, max_per_stream=max_per_stream, venues=venues
    )
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            _, served.port = await nursery.start(served.server.run)
            yield served
            served.hub.finish()
            await served.server.drain()


class PriceClient:
    """One StreamPrices call of grpcio. Everything blocks, so run it in a thread."""

    def __init__(self, port: int, metadata: tuple[tuple[str, str], ...] = (), **options: Any) -> None:
        channel_options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
            *options.items(),
        ]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=channel_options)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stub = self.channel.stream_stream(METHOD, _as_bytes, price_pb2.StreamPricesResponse.FromString)
        self.call = self._stub(iter(self._requests.get, None), timeout=60, metadata=metadata)
        self.events: Iterator[Any] = (event for response in self.call for event in response.events)
        self.seen: list[Any] = []

    def send(self, request: Any = None, **fields: Any) -> None:
        """Send a request: a message, bytes, or fields of one."""
        self._requests.put(request if request is not None else price_pb2.StreamPricesRequest(**fields))

    def open(self, request: Any) -> Any:
        """One more call, with this request alone."""
        return self._stub(iter([request]), timeout=60)

    def half_close(self) -> None:
        """Have nothing more to ask."""
        self._requests.put(None)

    def until(self, is_last: Callable[[Any], object]) -> list[Any]:
        """The events that come, up to the first one that ``is_last``."""
        events = []
        for event in self.events:
            events.append(event)
            self.seen.append(event)
            if is_last(event):
                return events
        raise AssertionError(f"the stream ended after {len(events)} events")

    def ask(self, request: Any = None, **fields: Any) -> tuple[Any, list[Any]]:
        """Send a request; returns its acknowledgement and its errors."""
        self.send(request, **fields)
        events = self.until(lambda event: event.HasField("acknowledgement"))
        return events[-1].acknowledgement, [event.error for event in events if event.HasField("error")]

    def close(self) -> None:
        """Disappear."""
        self._requests.put(None)
        self.call.cancel()
        self.channel.close()


def _as_bytes(request: Any) -> bytes:
    return request if isinstance(request, bytes) else bytes(request.SerializeToString())


def indicator(name: str, symbol: str = "BTCUSDT", interval: str = "", **parameters: float) -> Any:
    """An IndicatorSelection of Binance."""
    return price_pb2.IndicatorSelection(
        venue="binance", symbol=symbol, name=name, interval=interval, parameters=parameters
    )


def prices(*symbols: str, bars: tuple[str, ...] = (), every_tick: bool = False) -> Any:
    """A PriceSelection of Binance."""
    return price_pb2.PriceSelection(
        venue="binance", symbols=symbols, bar_intervals=bars, every_tick=every_tick
    )
