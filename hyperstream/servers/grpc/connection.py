"""grpclib's connection and event table, without what they raise or write too late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from grpclib.protocol import Connection, Stream
from grpclib.utils import Wrapper

from hyperstream.servers.grpc.inbound import InboundBudget
from hyperstream.servers.grpc.message_stream import MessageStream


class GuardedConnection(Connection):
    """Makes bounded streams."""

    max_message_bytes = MessageStream.max_message_bytes
    inbound: InboundBudget

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
