"""grpclib's client channel, taught what a long-lived stream needs of its connection.

Everything the client knows of the insides of grpclib and h2 is in this file. Three things:

1. A graceful GOAWAY (NO_ERROR) means "no new calls here; those in flight finish". h2 takes
   any GOAWAY as the end of the connection and grpclib then ends every stream, losing what
   was still to come. Here such a frame only retires the connection: the streams on it go
   on until the server hangs up, the next call opens another connection.
2. h2 reports frames that grpclib has no handler for (ALTSVC, ORIGIN, PRIORITY_UPDATE, any
   type it does not know). HTTP/2 says to ignore those (RFC 9113, section 4.1); grpclib
   raises NotImplementedError, which would tear the connection down.
3. Messages are counted as they are decoded, so a view can say how many bytes arrived.
"""

from collections.abc import Callable
from typing import Any

import h2.events
from attrs import define, frozen
from grpclib.client import Channel
from grpclib.encoding.proto import ProtoCodec
from grpclib.protocol import H2Protocol
from h2.errors import ErrorCodes
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
