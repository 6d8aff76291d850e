"""grpclib's server with its own door: it accepts, limits, sweeps and says goodbye by itself."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Collection
from typing import Any

import structlog
import trio
from attrs import define, frozen
from grpclib.server import Server

from hyperstream.errors import ConfigurationError
from hyperstream.log_once import LogOnce
from hyperstream.servers.door.keys import KeyRing
from hyperstream.servers.door.limits import ConnectionLimits
from hyperstream.servers.door.listener import accept_connections
from hyperstream.servers.grpc.admission import Admission
from hyperstream.servers.grpc.calls import GuardedHandler
from hyperstream.servers.grpc.guard import GuardedProtocol
from hyperstream.servers.grpc.inbound import MAX_HELD_BYTES, InboundBudget
from hyperstream.servers.grpc.tls import SmallSslProtocol, TlsFiles

log = structlog.get_logger("hyperstream.grpc")

# So many messages of the longest kind may be on their way at a time, however long that is.
MESSAGES_HELD = 4


@frozen
class ServerLimits:
    """What strangers may use."""

    max_message_bytes: int = 4_194_304
    max_connections: int = 10_000
    max_connections_per_address: int = 2_000
    max_streams: int = 100
    keepalive_seconds: float = 60.0
    is_compressing: bool = False


@define(eq=False)
class _Lease:
    """A connection's place among the limits, given back when its socket is closed."""

    limits: ConnectionLimits
    address: str
    transport: Any = None
    _is_given_back: bool = False

    def give_back(self) -> None:
        if not self._is_given_back:
            self._is_given_back = True
            self.limits.close(self.address)


class GuardedServer(Server):
    """Knows its connections. ``counts`` what happened, by cause."""

    def __init__(
        self,
        services: Collection[Any],
        *,
        limits: ServerLimits,
        counts: Counter[str],
        tls: TlsFiles | None = None,
        keys: KeyRing | None = None,
        is_key_optional: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(services, **arguments)
        self.max_message_bytes = limits.max_message_bytes
        self.max_streams = limits.max_streams
        self.keepalive_seconds = limits.keepalive_seconds
        self.is_compressing = limits.is_compressing
        self.tls = tls
        self.admission = Admission(self._mapping.keys(), keys, is_key_optional)
        self.limits = ConnectionLimits(limits.max_connections, limits.max_connections_per_address)
        self.connections: dict[GuardedProtocol, None] = {}
        self.counts = counts
        self.inbound = InboundBudget(counts, max(MAX_HELD_BYTES, MESSAGES_HELD * limits.max_message_bytes))
        self._leases: dict[_Lease, None] = {}
        self._told = LogOnce(log, trio.current_time)
        self._listener: socket.socket | None = None
        self._accepting = trio.CancelScope()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Take connections until ``stop_accepting``. Runs in Trio, inside the loop of asyncio."""
        self._listener = listener
        with self._accepting:
            await accept_connections(listener, self._take, self.counts)

    def _take(self, peer: socket.socket, address: str) -> None:
        """Make a connection of an accepted socket, if there is room."""
        why = self.limits.open(address)
        if why:
            self.tell(why, address=address)
            peer.close()
            return
        lease = _Lease(self.limits, address)
        self._leases[lease] = None
        task = self._loop.create_task(self._connect(peer, lease))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, peer: socket.socket, lease: _Lease) -> None:
        handshake = self._loop.create_future()
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: self._layers(lease, handshake), peer
            )
        except Exception as exc:
            self.tell("connections that could not be made", error=repr(exc))
            peer.close()
            self._give_back(lease)
            return
        lease.transport = transport
        if self.tls is None:
            return
        try:
            await handshake
        except Exception as exc:
            self.tell("TLS handshake failed", error=str(exc) or repr(exc))

    def _layers(self, lease: _Lease, handshake: asyncio.Future[None]) -> Any:
        """The protocols of a new connection, the lowest first."""
        self.__gc_step__()
        handler = GuardedHandler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        handler.admission = self.admission
        handler.is_compressing = self.is_compressing
        self._handlers.add(handler)
        guarded = GuardedProtocol(handler, self._config, self, is_tls=self.tls is not None)
        lowest: GuardedProtocol | SmallSslProtocol = guarded
        if self.tls is not None:
            lowest = self.tls.protocol(self._loop, guarded, handshake)
        lowest.on_lost = lambda: self._give_back(lease)
        return lowest

    def _give_back(self, lease: _Lease) -> None:
        self._leases.pop(lease, None)
        lease.give_back()

    def opened(self, connection: GuardedProtocol) -> None:
        """A connection has begun: for TLS, when its handshake is done."""
        self.connections[connection] = None
        self.counts["connections"] += 1

    def closed(self, connection: GuardedProtocol) -> None:
        """It has ended."""
        self.connections.pop(connection, None)

    def now(self) -> float:
        """Seconds that never go back."""
        return trio.current_time()

    def tell(self, cause: str, **fields: object) -> None:
        """Count what a peer did and log it, but not too often."""
        self.counts[cause] += 1
        self._told.warning("a peer was turned away", cause=cause, **{"why": cause, **fields})

    def check(self, now: float) -> None:
        """Hold every peer to its deadlines; called every second or so."""
        for connection in list(self.connections):
            connection.check(now)

    def reload(self) -> None:
        """Read certificates and keys again; calls that run go on.

        Raises ConfigurationError, and keeps what there was, if a file cannot be used.
        """
        before = self.tls.context if self.tls is not None else None
        try:
            if self.tls is not None:
                self.tls.reload()
            if self.admission.keys is not None:
                self.admission.keys.reload()
        except ConfigurationError:
            if self.tls is not None and before is not None:
                self.tls.context = before
            raise
        self.admission.reload()

    def stop_accepting(self) -> None:
        """Close the listening socket; connections live on."""
        self._accepting.cancel(reason="no more connections are taken")
        if self._listener is not None:
            trio.lowlevel.notify_closing(self._listener)
            self._listener.close()
            self._listener = None

    def say_goodbye(self) -> None:
        """Tell every peer that no new call will be served here."""
        for connection in list(self.connections):
            connection.say_goodbye()

    @property
    def has_streams(self) -> bool:
        """Whether any call is running."""
        return any(connection.has_streams for connection in self.connections)

    @property
    def has_connections(self) -> bool:
        """Whether any socket is open, those in a TLS handshake included."""
        return bool(self._leases)

    def hang_up(self, *, is_forced: bool) -> None:
        """Close every connection: behind what was written and a last GOAWAY, or at once."""
        if is_forced:
            for lease in list(self._leases):
                if lease.transport is not None:
                    lease.transport.abort()
            return
        for connection in list(self.connections):
            connection.say_goodbye(is_last=True)
            connection.transport.close()

    def close(self) -> None:
        """End what is left; calls are cancelled."""
        self.stop_accepting()
        self.hang_up(is_forced=True)
        for handler in self._handlers:
            handler.close()
        self._told.flush()
