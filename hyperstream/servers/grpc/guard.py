"""One connection, guarded: whatever goes wrong in it ends it, is counted, and harms nobody else.

grpclib's connection with the edges taken off. Stock grpclib raises on HTTP/2 frames it does not know, and
under trio-asyncio an exception in a callback ends the daemon; it waits for ever for a peer that says
nothing, and closes with ``close()``, which waits for a peer that reads nothing. Deadlines are
kept by one sweep over all connections instead of timers of each.

This room is the only place that knows grpclib's and h2's insides. Both are pinned exactly, and
tests/servers/grpc/test_contract.py fails when a name that is relied on moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from grpclib.config import Configuration
from grpclib.protocol import EventsProcessor, H2Protocol, _set_nodelay
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from hyperstream.servers.grpc.admission import Refusal
from hyperstream.servers.grpc.calls import GuardedHandler
from hyperstream.servers.grpc.connection import GuardedConnection, KnownEvents
from hyperstream.servers.grpc.frames import Advances
from hyperstream.servers.grpc.http2 import BoundedH2Connection, FloodError, PeerIsLeaving, goaway
from hyperstream.servers.grpc.inbound import InboundBudget
from hyperstream.servers.grpc.tls import ALPN

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PREFACE_SECONDS = 5.0
FRAME_SECONDS = 5.0
WRITE_SECONDS = 10.0
KEEPALIVE_TIMEOUT_SECONDS = 20.0
LINGER_SECONDS = 1.0
MAX_WRITE_BUFFER_BYTES = 1_048_576
# What one read may bring: everything in it is parsed before anybody else gets a turn.
READ_BYTES = 16_384
MAX_REFUSALS_FOR_KEYS = 20
LAST_STREAM_ID = 2**31 - 1
_PING = b"hyperstr"

H2_CONFIG = H2Configuration(
    client_side=False,
    header_encoding="latin-1",
    validate_inbound_headers=True,
    normalize_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


class ConnectionSettings(Protocol):
    """What a connection is told by its server."""

    counts: Counter[str]
    inbound: InboundBudget
    max_message_bytes: int
    max_streams: int
    keepalive_seconds: float

    def now(self) -> float:
        """Seconds that never go back."""

    def opened(self, connection: GuardedProtocol) -> None:
        """A connection has begun."""

    def closed(self, connection: GuardedProtocol) -> None:
        """It has ended."""

    def tell(self, cause: str, **fields: object) -> None:
        """Count what a peer did and log it, but not too often."""


class GuardedProtocol(H2Protocol):
    """One connection. HTTP/2's state is made only when the peer's preface has come."""

    transport: Any = None
    on_lost: Callable[[], None] = staticmethod(lambda: None)

    def __init__(
        self, handler: GuardedHandler, config: Configuration, server: ConnectionSettings, *, is_tls: bool
    ) -> None:
        super().__init__(handler, config, H2_CONFIG)
        self.calls = handler
        handler.on_refusal = self._refused
        handler.on_end = self._call_ended
        self.server = server
        self._is_tls = is_tls
        self._h2: BoundedH2Connection | None = None
        self._advances = Advances()
        self._begun = bytearray()
        self._failed_keys = 0
        self._opened_at = self._received_at = self._frame_at = server.now()
        self._frames_seen = 0
        self._pinged_at: float | None = None
        self._paused_at: float | None = None
        self._paused_bytes = 0
        self._abort_at: float | None = None

    @property
    def has_streams(self) -> bool:
        """Whether calls are running on this connection."""
        return self._h2 is not None and bool(self.processor.streams)

    def connection_made(self, transport: Any) -> None:
        """A peer connected."""
        self.transport = transport
        if not self._is_tls:
            transport.max_size = READ_BYTES
        _set_nodelay(transport.get_extra_info("socket"))
        self.server.opened(self)
        if self._is_tls:
            ssl_object = transport.get_extra_info("ssl_object")
            if ssl_object is None or ssl_object.selected_alpn_protocol() != ALPN:
                self._abort("TLS without ALPN h2")

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer; any exception they cause ends this connection only."""
        if self._abort_at is not None or self.transport.is_closing():
            return
        self._received_at = self.server.now()
        self._pinged_at = None
        try:
            if self._h2 is None:
                data = self._take_preface(data)
            if data:
                self._feed(data)
        except FloodError as exc:
            self._end(exc.cause, exc)
        except ProtocolError as exc:
            self._end("protocol error", exc)
        except Exception as exc:
            self.server.tell(f"unexpected {type(exc).__name__}", error=repr(exc))
            self._abort("unexpected error")

    def _take_preface(self, data: bytes) -> bytes:
        """Collect the preface; returns what there is to parse once it is complete."""
        self._begun += data
        if self._begun[: len(PREFACE)] != PREFACE[: len(self._begun)]:
            self._abort("not HTTP/2")
            return b""
        if len(self._begun) < len(PREFACE):
            return b""
        whole = bytes(self._begun)
        self._begun.clear()
        self._begin()
        return whole

    def _begin(self) -> None:
        server = self.server
        self._h2 = h2 = BoundedH2Connection(
            self.h2_config, max_streams=server.max_streams, counts=server.counts
        )
        h2.initiate_connection()
        self.connection = connection = GuardedConnection(h2, self.transport, config=self.config)
        self._advances = connection.advances
        connection.inbound = server.inbound
        connection.max_message_bytes = server.max_message_bytes
        self.connection.flush()
        self.processor = EventsProcessor(self.handler, self.connection)
        known: dict[Any, Any] = {**self.processor.processors, PeerIsLeaving: self._peer_is_leaving}
        self.processor.processors = KnownEvents(known, server.counts)  # type: ignore[assignment]

    def _feed(self, data: bytes) -> None:
        events = self.connection.feed(data)
        self.connection.flush()
        for event in events:
            self.processor.process(event)
        self.connection.flush()
        if (
            not self.transport.is_closing()
            and self.transport.get_write_buffer_size() > MAX_WRITE_BUFFER_BYTES
        ):
            self._abort("write buffer full")

    def _end(self, cause: str, exc: ProtocolError) -> None:
        """Send the GOAWAY that h2 has prepared, and close; abort soon if the peer does not take it."""
        self.server.tell(cause, error=str(exc))
        self.connection.flush()
        self._close(cause)

    def _close(self, cause: str) -> None:
        self._advances.withdraw()
        self._abort_at = self.server.now() + LINGER_SECONDS
        self.processor.close(cause)
        self.transport.close()

    def _abort(self, cause: str) -> None:
        """Close without waiting for anything to be taken."""
        self.server.tell(cause)
        self._abort_at = self.server.now()
        self.abort(cause)

    def abort(self, cause: str) -> None:
        """Drop the connection now."""
        if self._h2 is not None:
            self.processor.close(cause)
        self.transport.abort()

    def _refused(self, refusal: Refusal) -> None:
        self.server.counts[refusal.cause] += 1
        if refusal.cause == "calls with an unknown key":
            self._failed_keys += 1
            if self._failed_keys == MAX_REFUSALS_FOR_KEYS:
                self.server.tell("too many unknown keys")
                self.transport.write(goaway(0, ErrorCodes.ENHANCE_YOUR_CALM, "too many unknown keys"))
                self._close("too many unknown keys")

    def _call_ended(self) -> None:
        if self._h2 is not None and self._h2.is_peer_leaving and not self.processor.streams:
            self._close("the peer said GOAWAY")

    def _peer_is_leaving(self, event: PeerIsLeaving) -> None:
        """The peer's own calls go on, and the connection ends with the last of them."""
        self.server.counts["peers that said GOAWAY"] += 1
        if event.error_code or not self.processor.streams:
            self._close("the peer said GOAWAY")

    def pause_writing(self) -> None:
        """The peer takes less than is written."""
        self._paused_at = self.server.now()
        self._paused_bytes = self.transport.get_write_buffer_size()
        if self._h2 is not None:
            super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused_at = None
        if self._h2 is not None:
            super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The peer has gone."""
        self.server.closed(self)
        self.on_lost()
        if self._h2 is not None:
            super().connection_lost(exc)
        else:
            self.handler.close()

    def check(self, now: float) -> None:
        """Hold the peer to its deadlines; called every second or so."""
        if self._abort_at is not None:
            if now >= self._abort_at:
                self.transport.abort()
        elif self._h2 is None:
            if now - self._opened_at > PREFACE_SECONDS:
                self._abort("no preface")
        elif not self.transport.is_closing():
            self._check_writing(now)
            self._check_reading(self._h2, now)

    def _check_reading(self, h2: BoundedH2Connection, now: float) -> None:
        if h2.frames_received != self._frames_seen or (self._frames_seen and not h2.is_inside_a_frame):
            self._frames_seen = h2.frames_received
            self._frame_at = now
        elif now - self._frame_at > FRAME_SECONDS:
            self._abort("slow frame" if self._frames_seen else "no preface")
            return
        if self._pinged_at is not None:
            if now - self._pinged_at > KEEPALIVE_TIMEOUT_SECONDS:
                self._abort("keepalive unanswered")
        elif now - self._received_at > self.server.keepalive_seconds:
            self._pinged_at = now
            h2.ping(_PING)
            self.connection.flush()

    def _check_writing(self, now: float) -> None:
        if self._paused_at is None or now - self._paused_at < WRITE_SECONDS:
            return
        waiting = self.transport.get_write_buffer_size()
        if waiting >= self._paused_bytes:
            self._abort("write deadline")
        else:
            self._paused_at, self._paused_bytes = now, waiting

    def say_goodbye(self, *, is_last: bool = False) -> None:
        """Write a GOAWAY: the first lets running streams finish, the last names the last one served.

        h2's own close_connection would forbid sending anything afterwards, so the frame is written
        beside it.
        """
        if self._h2 is not None and not self.transport.is_closing():
            last = self._h2.highest_inbound_stream_id if is_last else LAST_STREAM_ID
            self.transport.write(goaway(last))
