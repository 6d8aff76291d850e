"""The gRPC server as a Trio service: the only asyncio loop of the process runs inside ``run``.

The daemon is one thread, so Trio code may call the synchronous parts of the asyncio side (waking
a subscriber, saying goodbye) directly; tasks of one side never wait for those of the other.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import trio
import trio_asyncio
from attrs import define, field, frozen
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.health.check import ServiceStatus
from grpclib.health.service import OVERALL, Health
from grpclib.reflection.service import ServerReflection

from hyperstream.config import NO_FILE, GrpcSettings, require_access
from hyperstream.hub.delivery import OutboxLimits
from hyperstream.hub.directory import MarketDirectory
from hyperstream.hub.hub import Hub
from hyperstream.hub.mark_directory import MarkDirectory
from hyperstream.hub.price_directory import PriceDirectory
from hyperstream.servers.door.binding import bind
from hyperstream.servers.door.keys import KeyRing
from hyperstream.servers.door.limits import make_descriptor_room
from hyperstream.servers.grpc.codec import FrameCodec
from hyperstream.servers.grpc.guarded_server import GuardedServer, ServerLimits
from hyperstream.servers.grpc.library_logs import rare_records
from hyperstream.servers.grpc.mark_price_service import MarkPriceService
from hyperstream.servers.grpc.market_service import MarketService
from hyperstream.servers.grpc.orderbook_service import OrderbookService
from hyperstream.servers.grpc.price_service import PriceService
from hyperstream.servers.grpc.stop_order_service import StopOrderService
from hyperstream.servers.grpc.subscriber import Subscriber
from hyperstream.servers.grpc.tls import TlsFiles

log = structlog.get_logger("hyperstream.grpc")

PROGRESS_CHECK_SECONDS = 1.0
DRAIN_CHECK_SECONDS = 0.01
HANG_UP_SECONDS = 1.0


@frozen
class GrpcStatistics:
    """Connections and streams now, and what happened by cause."""

    connections: int
    streams: int
    counts: dict[str, int]


@define(eq=False)
class GrpcServer:
    """Serves books and the orders that wait beside them, health and reflection on one port.

    PriceService where there are ``prices``, MarkPriceService where there are ``marks``. ``inherited`` is a
    socket that listens already.
    """

    settings: GrpcSettings
    directory: MarketDirectory
    hub: Hub
    now_ns: Callable[[], int]
    prices: PriceDirectory | None = None
    max_series_per_stream: int = 2_000
    inherited: socket.socket | None = None
    marks: MarkDirectory | None = None
    _server: GuardedServer | None = None
    _services: list[MarketService | PriceService] = field(init=False)
    _status: ServiceStatus | None = None
    _drained: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        limits = OutboxLimits(
            self.settings.max_subscriber_queue_messages, self.settings.max_subscriber_queue_bytes
        )
        shared = (self.directory, self.hub, limits, self.now_ns)
        self._services = [OrderbookService(*shared), StopOrderService(*shared)]
        if self.marks is not None:
            self._services.append(MarkPriceService(*shared, marks=self.marks))
        if self.prices is not None:
            most = self.max_series_per_stream
            self._services.append(PriceService(self.prices, self.hub, limits, self.now_ns, most))

    async def run(self, *, task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``drain`` was called and every stream has ended.

        Started with the address it listens on. Raises ConfigurationError if that is not possible.
        """
        settings = self.settings
        require_access(settings, "grpc")
        tls, keys = _tls(settings), _keys(settings)
        make_descriptor_room(settings.max_connections)
        listener = bind(settings.listen, "gRPC", "grpc.listen", self.inherited)
        counts: Counter[str] = Counter()
        with listener, rare_records(counts, trio.current_time):
            async with trio_asyncio.open_loop() as loop:
                loop.set_exception_handler(_log_asyncio_exception)
                server = self._make_server(counts, tls, keys)
                address = listener.getsockname()
                log.info("gRPC is listening", host=address[0], port=address[1], tls=tls is not None)
                task_status.started((address[0], address[1]))
                await self._serve(server, listener)

    def _make_server(self, counts: Counter[str], tls: TlsFiles | None, keys: KeyRing | None) -> GuardedServer:
        self._status = ServiceStatus()
        self._status.set(False)
        services = self._services
        health = Health({service: [self._status] for service in services} | {OVERALL: [self._status]})
        self._server = GuardedServer(
            ServerReflection.extend([*services, health]),
            limits=_limits(self.settings),
            counts=counts,
            tls=tls,
            keys=keys,
            is_key_optional=self.settings.allow_anyone,
            codec=FrameCodec(),
            status_details_codec=ProtoStatusDetailsCodec(),
        )
        return self._server

    async def _serve(self, server: GuardedServer, listener: socket.socket) -> None:
        """Accept and sweep until drained, then hang up: in order, or at once when forced."""
        is_forced = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.accept, listener, name="grpc accept")
                nursery.start_soon(self._check_progress, name="grpc progress")
                await self._drained.wait()
                nursery.cancel_scope.cancel(reason="drained")
            is_forced = False
        finally:
            server.stop_accepting()
            server.hang_up(is_forced=is_forced)
            with trio.move_on_after(HANG_UP_SECONDS, shield=True):
                await _wait_until(lambda: not server.has_connections)
            server.close()
            with trio.move_on_after(HANG_UP_SECONDS, shield=True):
                await _wait_until(lambda: not server.has_connections)

    def set_serving(self, is_serving: bool) -> None:
        """What the health service answers."""
        if self._status is not None:
            self._status.set(is_serving)

    def reload(self) -> None:
        """Read certificates and API keys again; streams go on, but for those of keys that are gone.

        Raises ConfigurationError, and keeps what there was, if a file cannot be used.
        """
        if self._server is not None:
            self._server.reload()

    def close_intake(self) -> None:
        """Accept no connection and no call any more; what runs goes on."""
        for service in self._services:
            service.is_draining = True
        self.set_serving(False)
        if self._server is not None:
            self._server.stop_accepting()
            self._server.say_goodbye()

    async def drain(self) -> None:
        """Wait until every stream has ended, then let ``run`` return.

        The hub must have finished the subscriptions, or they never end.
        """
        await _wait_until(lambda: not self._subscribers())
        # Their trailers follow at once; health watches do not end by themselves and are hung up.
        with trio.move_on_after(HANG_UP_SECONDS):
            await _wait_until(lambda: self._server is None or not self._server.has_streams)
        self._drained.set()

    async def _check_progress(self) -> None:
        while True:
            await trio.sleep(PROGRESS_CHECK_SECONDS)
            now = trio.current_time()
            for subscriber in self._subscribers():
                subscriber.check_progress(now)
            if self._server is not None:
                self._server.check(now)

    def _subscribers(self) -> list[Subscriber]:
        return [subscriber for service in self._services for subscriber in service.subscribers]

    def statistics(self) -> GrpcStatistics:
        """What there is and what happened."""
        server = self._server
        return GrpcStatistics(
            connections=len(server.connections) if server is not None else 0,
            streams=len(self._subscribers()),
            counts=dict(server.counts) if server is not None else {},
        )


async def _wait_until(is_done: Callable[[], bool]) -> None:
    """Wait for something that asyncio callbacks bring about; only used while shutting down."""
    while not is_done():  # noqa: ASYNC110 - grpclib offers no event for it
        await trio.sleep(DRAIN_CHECK_SECONDS)


def _tls(settings: GrpcSettings) -> TlsFiles | None:
    if settings.certificate == NO_FILE:
        return None
    client_ca = None if settings.client_ca == NO_FILE else Path(settings.client_ca)
    return TlsFiles(Path(settings.certificate), Path(settings.private_key), client_ca)


def _keys(settings: GrpcSettings) -> KeyRing | None:
    return None if settings.api_keys == NO_FILE else KeyRing(Path(settings.api_keys))


def _limits(settings: GrpcSettings) -> ServerLimits:
    return ServerLimits(
        max_message_bytes=settings.max_message_bytes,
        max_connections=settings.max_connections,
        max_connections_per_address=settings.max_connections_per_address,
        max_streams=settings.max_streams_per_connection,
        keepalive_seconds=settings.keepalive_seconds,
        is_compressing=settings.compression,
    )


def _log_asyncio_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception in an asyncio callback belongs to one peer; it is logged, and life goes on."""
    exc = context.get("exception")
    if isinstance(exc, trio.Cancelled):
        return
    log.warning("an asyncio callback failed", message=context.get("message"), error=repr(exc))
