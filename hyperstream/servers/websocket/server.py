"""The WebSocket gateway as a Trio service: accepts, limits, sweeps, drains.

Connections are outside the intake: closing it ends accepting, and leaves what runs to finish what waits for
it. Whatever goes wrong in a connection ends that connection, is counted and
logged, and harms nobody else.
"""

from __future__ import annotations

import socket
import traceback
from collections import Counter
from pathlib import Path

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.config import NO_FILE, WebSocketSettings, require_access
from hyperstream.hub.delivery import OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.log_once import LogOnce
from hyperstream.servers.door.binding import bind
from hyperstream.servers.door.certificates import Certificates
from hyperstream.servers.door.keys import KeyRing
from hyperstream.servers.door.limits import ConnectionLimits, make_descriptor_room
from hyperstream.servers.door.listener import accept_connections
from hyperstream.servers.door.transport import TlsTransport, Transport
from hyperstream.servers.door.turnstile import Turnstile
from hyperstream.servers.websocket.connection import Answering, PeerConnection
from hyperstream.servers.websocket.handshake import Visitors
from hyperstream.servers.websocket.inbox import InboxLimits
from hyperstream.servers.websocket.session import Session, SessionLimits

log = structlog.get_logger("hyperstream.websocket")

SWEEP_SECONDS = 1.0
ALPN = "http/1.1"


@frozen
class WebSocketStatistics:
    """Connections, sessions and subscriptions now, and what happened by cause."""

    connections: int
    sessions: int
    counts: dict[str, int]


@define(eq=False)
class WebSocketServer:
    """Serves ``content`` on one port. ``other_connections`` are what other servers may hold.

    ``inherited`` is a socket that listens already.
    """

    settings: WebSocketSettings
    hub: Hub
    content: Answering
    other_connections: int = 0
    inherited: socket.socket | None = None
    counts: Counter[str] = field(factory=Counter)
    visitors: Visitors = field(init=False)
    limits: SessionLimits = field(init=False)
    is_draining: bool = False
    sessions: dict[Session, None] = field(factory=dict)
    _certificates: Certificates | None = None
    _connections: ConnectionLimits = field(init=False)
    _turnstile: Turnstile = field(factory=Turnstile)
    _nursery: trio.Nursery | None = None
    _listener: socket.socket | None = None
    _accepting: trio.CancelScope = field(factory=trio.CancelScope)
    _drained: trio.Event = field(factory=trio.Event)
    _told: LogOnce = field(factory=lambda: LogOnce(log, trio.current_time))

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        self._connections = ConnectionLimits(settings.max_connections, settings.max_connections_per_address)
        self.limits = SessionLimits(
            inbox=InboxLimits(settings.max_message_bytes),
            ping_seconds=settings.ping_seconds,
            outbox=OutboxLimits(settings.max_subscriber_queue_messages, settings.max_subscriber_queue_bytes),
        )

    async def run(self, *, task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``drain`` was called and every session has ended.

        Started with the address it listens on. Raises ConfigurationError if that is not possible.
        """
        settings = self.settings
        require_access(settings, "websocket")
        self._certificates, self.visitors = _certificates(settings), _visitors(settings)
        make_descriptor_room(settings.max_connections + self.other_connections)
        where = settings.listen, "the WebSocket gateway", "websocket.listen"
        self._listener = listener = bind(*where, self.inherited)
        try:
            address = listener.getsockname()
            is_tls = self._certificates is not None
            log.info("the WebSocket gateway is listening", host=address[0], port=address[1], tls=is_tls)
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._turnstile.run, name="websocket turnstile")
                nursery.start_soon(self._accept, listener, name="websocket accept")
                nursery.start_soon(self._sweep, name="websocket sweep")
                task_status.started((address[0], address[1]))
                await self._drained.wait()
                nursery.cancel_scope.cancel(reason="drained")
        finally:
            self._nursery = None
            self._stop_accepting()
            self._told.flush()

    async def _accept(self, listener: socket.socket) -> None:
        with self._accepting:
            await trio.lowlevel.checkpoint()  # the intake may be closed before this began
            await accept_connections(listener, self._take, self.counts)

    def _take(self, peer: socket.socket, address: str) -> None:
        """Make a connection of an accepted socket, if there is room."""
        why = self._connections.open(address)
        if why or self._nursery is None:
            self.tell(why or "connections while shutting down", address=address)
            peer.close()
            return
        self._nursery.start_soon(self._serve, peer, address, name=f"websocket {address}")

    async def _serve(self, peer: socket.socket, address: str) -> None:
        """One connection, guarded."""
        transport: Transport | None = None
        try:
            transport = self._transport(peer, address)
            await PeerConnection(transport, self).run()
        except Exception as exc:
            # Also an ExceptionGroup of a session's nursery: one peer may never end the server.
            self.tell("connections that failed", address=address, error=repr(exc), where=_where(exc))
        finally:
            if transport is not None:
                transport.close()
            else:
                peer.close()
            self._connections.close(address)

    def _transport(self, peer: socket.socket, address: str) -> Transport:
        if self._certificates is None:
            return Transport(peer, self._turnstile, address)
        return TlsTransport(peer, self._turnstile, self._certificates.context, address)

    async def _sweep(self) -> None:
        """Hold every session to its deadlines."""
        while True:
            await trio.sleep(SWEEP_SECONDS)
            now = trio.current_time()
            for session in list(self.sessions):
                session.check(now)

    # --- what connections are told ---

    def now(self) -> float:
        """Seconds that never go back."""
        return trio.current_time()

    def tell(self, cause: str, **fields: object) -> None:
        """Count what a peer did and log it, but not too often."""
        self.counts[cause] += 1
        self._told.warning("a peer was turned away", cause=cause, **{"why": cause, **fields})

    def opened(self, session: Session) -> None:
        """A WebSocket has been opened."""
        self.sessions[session] = None
        self.counts["sessions"] += 1

    def closed(self, session: Session) -> None:
        """It has ended."""
        del self.sessions[session]

    # --- ending and reloading ---

    def reload(self) -> None:
        """Read certificates and API keys again, for what comes from now on; sessions go on.

        Raises ConfigurationError, and keeps what there was, if a file cannot be used.
        """
        if self._nursery is None:
            return
        before = self._certificates.context if self._certificates is not None else None
        try:
            if self._certificates is not None:
                self._certificates.reload()
            self.visitors.reload()
        except Exception:
            if self._certificates is not None and before is not None:
                self._certificates.context = before
            raise

    def close_intake(self) -> None:
        """Accept no connection and no WebSocket any more; what runs goes on."""
        self.is_draining = True
        self._stop_accepting()

    async def drain(self) -> None:
        """Wait until every session has sent what waits for it and closed, then let ``run`` return.

        The hub must have finished the subscriptions, or more may come.
        """
        for session in list(self.sessions):
            session.drain()
        while self.sessions:  # noqa: ASYNC110 - they end by themselves, or at the drain's deadline
            await trio.sleep(0.01)
        self._drained.set()

    def _stop_accepting(self) -> None:
        self._accepting.cancel(reason="no more connections are taken")
        if self._listener is not None:
            trio.lowlevel.notify_closing(self._listener)
            self._listener.close()
            self._listener = None

    def statistics(self) -> WebSocketStatistics:
        """What there is and what happened."""
        return WebSocketStatistics(self._connections.total, len(self.sessions), dict(self.counts))


def _where(exc: BaseException) -> str:
    """The line that raised it; of a group, its first exception's."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _certificates(settings: WebSocketSettings) -> Certificates | None:
    if settings.certificate == NO_FILE:
        return None
    client_ca = None if settings.client_ca == NO_FILE else Path(settings.client_ca)
    return Certificates(
        Path(settings.certificate), Path(settings.private_key), client_ca, section="websocket", alpn=ALPN
    )


def _visitors(settings: WebSocketSettings) -> Visitors:
    keys = None
    if settings.api_keys != NO_FILE:
        keys = KeyRing(Path(settings.api_keys), "websocket.api_keys")
    return Visitors(settings.origins, keys, settings.allow_anyone, settings.compression)
