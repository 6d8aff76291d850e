"""grpclib's client channel, taught what a long-lived stream needs of its connection.

Everything the client knows of the insides of grpclib and h2 is in this file. Five things:

1. A graceful GOAWAY (NO_ERROR) means "no new calls here; those in flight finish". h2 takes
   any GOAWAY as the end of the connection and grpclib then ends every stream, losing what
   was still to come. Here such a frame only retires the connection: the streams on it go
   on until the server hangs up, the next call opens another connection.
2. h2 reports frames that grpclib has no handler for (ALTSVC, ORIGIN, PRIORITY_UPDATE, any
   type it does not know). HTTP/2 says to ignore those (RFC 9113, section 4.1); grpclib
   raises NotImplementedError, which would tear the connection down.
3. A server that has answered completely may reset the stream with NO_ERROR, to say that it wants to
   hear no more requests; the answer must not be thrown away for it (RFC 9113, section 8.1). grpclib
   would.
4. A bidirectional call may be over although we have not ended our side; grpclib takes that for a mistake.
5. Messages are counted as they are decoded, so a view can say how many bytes arrived.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h2.events
from attrs import define, frozen
from grpclib.client import Channel, Stream
from grpclib.encoding.proto import ProtoCodec
from grpclib.protocol import H2Protocol
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError
from hyperframe.frame import GoAwayFrame


@frozen
class Traffic:
    """What a client has received: whole messages, and their bytes without HTTP/2 framing."""

    messages: int
    message_bytes: int


@define(eq=False)
class CountingCodec(ProtoCodec):
    """Protobuf as grpclib does it, counting what is decoded."""

    messages: int = 0
    message_bytes: int = 0

    def decode(self, data: bytes, message_type: Any) -> Any:
        """Return the message; raises protobuf's DecodeError when the bytes are not one."""
        self.messages += 1
        self.message_bytes += len(data)
        return super().decode(data, message_type)


class _Processors(dict[Any, Any]):
    """grpclib's table of event handlers, with "ignore it" for what it does not know."""

    def __missing__(self, event_type: type[h2.events.Event]) -> Callable[[h2.events.Event], None]:
        return lambda _event: None


class ClientChannel(Channel):
    """One server's connections: usually one, more while a retired one finishes."""

    def __init__(self, host: str, port: int) -> None:
        self.counter = CountingCodec()
        self._opened: list[H2Protocol] = []
        super().__init__(host, port, codec=self.counter)

    async def open_connection(self) -> None:
        """Connect now rather than with the first call. Raises OSError."""
        await self.__connect__()

    async def _create_connection(self) -> H2Protocol:
        protocol = await super()._create_connection()
        protocol.processor.processors = _Processors(protocol.processor.processors)
        _survive_graceful_goaway(protocol)
        _keep_whole_answers(protocol)
        self._opened = [other for other in self._opened if not other.connection.is_closing()]
        self._opened.append(protocol)
        return protocol

    def close(self) -> None:
        """Hang up, retired connections included."""
        for protocol in self._opened:
            protocol.processor.close()
        self._opened.clear()
        super().close()


def _survive_graceful_goaway(protocol: H2Protocol) -> None:
    table = protocol.connection._connection._frame_dispatch_table  # noqa: SLF001  # no public way
    end_connection = table[GoAwayFrame]

    def receive_goaway(frame: GoAwayFrame) -> Any:
        if frame.error_code != ErrorCodes.NO_ERROR or not protocol.processor.streams:
            return end_connection(frame)
        protocol.handler.connection_lost = True  # type: ignore[attr-defined]  # what Channel asks before a call
        return [], []

    table[GoAwayFrame] = receive_goaway


def _keep_whole_answers(protocol: H2Protocol) -> None:
    processor = protocol.processor
    end_stream: Any = processor.processors[h2.events.StreamReset]

    def receive_reset(event: h2.events.StreamReset) -> None:
        stream = processor.streams.get(event.stream_id or 0)
        is_answered = stream is not None and stream.trailers_received.is_set()
        if not (is_answered and event.error_code == ErrorCodes.NO_ERROR):
            end_stream(event)

    processor.processors[h2.events.StreamReset] = receive_reset


async def end_requests(stream: Stream[Any, Any]) -> None:
    """End our side of a call that the server has answered completely, if it is not ended yet."""
    if stream._end_done:  # noqa: SLF001 # no public way
        return
    stream._end_done = True  # noqa: SLF001
    inner = stream._stream  # noqa: SLF001
    if inner.closable:
        with suppress(StreamClosedError):  # the server has reset it meanwhile
            await inner.end()
