"""Messages written straight to a connection, from the publisher's own call.

A stream of grpclib sends by a task that waits for the connection, for the window, and for its turn. A
subscriber that keeps up needs none of that: its DATA frame can be written at once. This does
what h2's ``send_data`` and grpclib's ``Stream.send_data`` do, without their bookkeeping:

1. the stream must be open for sending, and the transport neither closing nor paused;
2. both flow-control windows, the connection's and the stream's, must hold the whole message
   (RFC 9113, 6.9); it is taken off both, as h2 would have done;
3. the message, with gRPC's prefix of one zero byte and its length, goes out in DATA frames no longer than
   the peer allows.

A stream whose messages are compressed, or whose key has a rate to keep to, is never written to directly.
If any of this does not hold, nothing is written, and the stream's task sends the message instead.
A message that goes to many is put into frames once for all streams of the same number: most clients have
one stream, so that what a thousand sockets are given is one and the same buffer.
tests/servers/grpc/test_contract.py says what of h2 and grpclib this relies on.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from grpclib.server import Stream
from h2.stream import StreamState

from hyperstream.servers.grpc.message_stream import MessageStream

# Length (24 bits), type, flags, stream; then gRPC's prefix: not compressed, length of the message.
_FIRST = Struct(">HBBBIBI")
_FRAME = Struct(">HBBBI")
_PREFIX_BYTES = 5
_DATA = 0
_OPEN, _ANSWERING = StreamState.OPEN, StreamState.HALF_CLOSED_REMOTE


class _Framed:
    """The message that was written last, in frames."""

    body = b""
    stream = 0
    longest = 0
    data = b""


class FrameWriter:
    """Writes whole messages of one stream, or not at all. Made once its headers were sent."""

    __slots__ = (
        "_can_write",
        "_h2",
        "_id",
        "_is_closing",
        "_is_shaped",
        "_send",
        "_state",
        "_stream",
        "_window",
    )

    def __init__(self, stream: Stream[Any, Any]) -> None:
        inner = stream._stream
        self._stream = inner
        self._can_write = inner.connection.write_ready.is_set
        self._is_closing = inner._transport.is_closing
        self._send = inner._transport.write
        self._h2: Any = inner._h2_connection
        assert inner.id is not None  # a server's stream has its id from the start
        self._id = inner.id
        self._window: Any = self._h2.streams[inner.id]
        self._state = self._window.state_machine
        self._is_shaped = isinstance(inner, MessageStream) and inner.is_shaped

    def write(self, body: bytes) -> bool:
        """Write a message; False if it has to wait, in which case nothing was written."""
        h2, window = self._h2, self._window
        size = len(body) + _PREFIX_BYTES
        if (
            size > h2.outbound_flow_control_window
            or size > window.outbound_flow_control_window
            or not self._can_write()
            or ((state := self._state.state) is not _ANSWERING and state is not _OPEN)
            or self._is_closing()
            or self._is_shaped
        ):
            return False
        h2.outbound_flow_control_window -= size
        window.outbound_flow_control_window -= size
        self._stream.data_sent += size
        if (
            body is not _Framed.body
            or self._id != _Framed.stream
            or h2.max_outbound_frame_size != _Framed.longest
        ):
            _Framed.body, _Framed.stream, _Framed.longest = body, self._id, h2.max_outbound_frame_size
            _Framed.data = _in_frames(body, self._id, h2.max_outbound_frame_size)
        self._send(_Framed.data)
        return True


def _in_frames(body: bytes, stream: int, longest: int) -> bytes:
    """The message with its prefix, in DATA frames of at most ``longest`` bytes."""
    size = len(body) + _PREFIX_BYTES
    if size <= longest:
        return _FIRST.pack(size >> 8, size & 0xFF, _DATA, 0, stream, 0, len(body)) + body
    taken = longest - _PREFIX_BYTES
    parts = [_FIRST.pack(longest >> 8, longest & 0xFF, _DATA, 0, stream, 0, len(body))]
    view = memoryview(body)
    parts.append(view[:taken])  # type: ignore[arg-type] # join takes any buffer
    while taken < len(body):
        piece = view[taken : taken + longest]
        parts.append(_FRAME.pack(len(piece) >> 8, len(piece) & 0xFF, _DATA, 0, stream))
        parts.append(piece)  # type: ignore[arg-type]
        taken += len(piece)
    return b"".join(parts)
