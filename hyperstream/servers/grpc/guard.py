"""grpclib's server with the edges taken off: a peer's bytes end at most that peer's connection.

Stock grpclib raises on HTTP/2 frames it does not know and buffers whatever length a client
announces; under trio-asyncio an exception in a callback would end the daemon. These subclasses
are the only place that knows grpclib's and h2's insides. Both are pinned exactly, and
tests/servers/grpc/test_contract.py fails when a name used here moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import structlog
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.protocol import Connection, H2Protocol, Stream
from grpclib.server import Handler, Server
from grpclib.utils import Wrapper
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame

log = structlog.get_logger("hyperstream.grpc")

LAST_STREAM_ID = 2**31 - 1


class BoundedStream(Stream):
    """Refuses a message longer than ``max_message_bytes`` before it is buffered."""

    max_message_bytes = 4_194_304

    async def recv_data(self, size: int) -> bytes:
        """Read a part of a message."""
        if size > self.max_message_bytes:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED, f"a request may have {self.max_message_bytes} bytes, not {size}"
            )
        try:
            return await super().recv_data(size)
        except AssertionError as exc:  # the stream ended inside a message
            raise GRPCError(Status.INVALID_ARGUMENT, "the request ends in the middle of a message") from exc


class GuardedConnection(Connection):
    """Makes bounded streams."""

    max_message_bytes = BoundedStream.max_message_bytes

    def create_stream(self, *, stream_id: int | None = None, wrapper: Wrapper | None = None) -> Stream:
        """A stream of this connection."""
        stream = BoundedStream(self, self._connection, self._transport, stream_id=stream_id, wrapper=wrapper)
        stream.max_message_bytes = self.max_message_bytes
        return stream


class _KnownEvents(dict[Any, Callable[[Any], None]]):
    """Counts and ignores HTTP/2 events that grpclib does not handle, as the RFC wants (§5.5)."""

    def __init__(self, known: dict[Any, Callable[[Any], None]], counts: Counter[str]) -> None:
        super().__init__(known)
        self._counts = counts

    def __missing__(self, event_class: type) -> Callable[[Any], None]:
        self._counts[f"ignored {event_class.__name__}"] += 1
        return lambda _event: None


class GuardedProtocol(H2Protocol):
    """One connection. Whatever goes wrong in it closes it, is counted, and harms nobody else."""

    server: GuardedServer
    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """A peer connected."""
        self.transport = transport
        super().connection_made(transport)
        self.connection.__class__ = GuardedConnection
        self.connection.max_message_bytes = self.server.max_message_bytes  # type: ignore[attr-defined]
        known: dict[Any, Any] = self.processor.processors
        self.processor.processors = _KnownEvents(known, self.server.counts)  # type: ignore[assignment]
        self.server.connections[self] = None
        self.server.counts["connections"] += 1

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer; any exception they cause ends this connection only."""
        try:
            super().data_received(data)
        except (ProtocolError, ValueError, KeyError) as exc:
            self._give_up("bad frame", exc)
        except Exception as exc:
            self._give_up(f"unexpected {type(exc).__name__}", exc)

    def _give_up(self, cause: str, exc: BaseException) -> None:
        self.server.counts[cause] += 1
        if self.server.counts[cause] == 1:
            log.warning("a connection was ended", cause=cause, error=repr(exc))
        self.processor.close(cause)
        self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The peer has gone."""
        self.server.connections.pop(self, None)
        super().connection_lost(exc)

    def say_goodbye(self) -> None:
        """Write a GOAWAY that lets running streams finish.

        h2's own close_connection would forbid sending anything afterwards, so the frame is written
        beside it.
        """
        frame = GoAwayFrame(0)
        frame.last_stream_id = LAST_STREAM_ID
        if not self.transport.is_closing():
            self.transport.write(frame.serialize())

    @property
    def has_streams(self) -> bool:
        """Whether calls are running on this connection."""
        return bool(self.processor.streams)


class GuardedServer(Server):
    """A grpclib server that knows its connections. ``counts`` what happened, by cause."""

    def __init__(self, services: Collection[Any], *, max_message_bytes: int, **arguments: Any) -> None:
        super().__init__(services, **arguments)
        self.max_message_bytes = max_message_bytes
        self.connections: dict[GuardedProtocol, None] = {}
        self.counts: Counter[str] = Counter()

    def _protocol_factory(self) -> H2Protocol:
        self.__gc_step__()
        handler = Handler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        self._handlers.add(handler)
        protocol = GuardedProtocol(handler, self._config, self._h2_config)
        protocol.server = self
        return protocol

    def stop_accepting(self) -> None:
        """Close the listening socket; connections live on."""
        if self._server is not None:
            self._server.close()

    def say_goodbye(self) -> None:
        """Tell every peer that no new call will be served here."""
        for connection in list(self.connections):
            connection.say_goodbye()

    @property
    def has_streams(self) -> bool:
        """Whether any call is running."""
        return any(connection.has_streams for connection in self.connections)

    def hang_up(self, *, is_forced: bool) -> None:
        """Close every connection: behind what was written, or at once."""
        for connection in list(self.connections):
            if is_forced:
                connection.transport.abort()
            else:
                connection.transport.close()
