"""grpclib's connection and event table, without what they raise or write too late."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from grpclib.config import Configuration
from grpclib.protocol import Connection, Stream
from grpclib.utils import Wrapper
from h2.connection import H2Connection
from h2.events import Event

from hyperstream.servers.grpc.frames import Advances
from hyperstream.servers.grpc.inbound import InboundBudget
from hyperstream.servers.grpc.message_stream import MessageStream


class GuardedConnection(Connection):
    """Makes bounded streams."""

    max_message_bytes = MessageStream.max_message_bytes
    inbound: InboundBudget

    def __init__(
        self, connection: H2Connection, transport: asyncio.Transport, *, config: Configuration
    ) -> None:
        super().__init__(connection, transport, config=config)
        self.advances = Advances()

    def feed(self, data: bytes) -> list[Event]:
        """Let h2 read what came: any of it may change what was found when an advance was taken."""
        self.advances.withdraw()
        return super().feed(data)

    def pause_writing(self) -> None:
        """The transport has enough."""
        self.advances.withdraw()
        super().pause_writing()

    def close(self) -> None:
        """Nothing more is written."""
        self.advances.withdraw()
        super().close()

    def flush(self) -> None:
        """Write what h2 has prepared; nobody is there to take it once the transport is closing."""
        if self.is_closing():
            self._connection.clear_outbound_data_buffer()
        else:
            super().flush()

    def create_stream(self, *, stream_id: int | None = None, wrapper: Wrapper | None = None) -> Stream:
        """A stream of this connection."""
        stream = MessageStream(self, self._connection, self._transport, stream_id=stream_id, wrapper=wrapper)
        stream.max_message_bytes = self.max_message_bytes
        return stream


class KnownEvents(dict[Any, Callable[[Any], None]]):
    """Counts and ignores HTTP/2 events that grpclib does not handle."""

    def __init__(self, known: dict[Any, Callable[[Any], None]], counts: Counter[str]) -> None:
        super().__init__(known)
        self._counts = counts

    def __missing__(self, event_class: type) -> Callable[[Any], None]:
        self._counts[f"ignored {event_class.__name__}"] += 1
        return lambda _event: None
