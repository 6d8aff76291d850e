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
tests/servers/grpc/test_contract.py says what of h2 and grpclib this relies on.

Looking at all that for each message costs more than anything else here: it lies in a dozen objects that
are in no cache, once for each of a thousand subscribers. So a writer that has looked takes an *advance*,
some of both windows for messages to come, and until that is used up or withdrawn it need not look again.
Advances are withdrawn, all of a connection's at once, whenever anything else may read or change what was
looked at (``Advances``): bytes came from the peer, the transport pauses or closes, a task sends through h2.

A message that goes to many is put into frames once for all streams of the same number: most clients have
one stream, so that what a thousand sockets are given is one and the same buffer.
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
# For some fifty messages of a usual size, and little of what other streams of the connection need.
ADVANCE_BYTES = 32_768
_OPEN, _ANSWERING = StreamState.OPEN, StreamState.HALF_CLOSED_REMOTE


class _Framed:
    """The message that was written last, in frames."""

    body = b""
    stream = 0
    longest = 0
    data = b""


class Advances:
    """Who has taken an advance on a connection's windows.

    While ``senders`` are sending through h2, nobody takes more than the message at hand: they wait for
    windows that the peer would never open, because it does not know that they are shut.
    """

    __slots__ = ("_holders", "senders")

    def __init__(self) -> None:
        self._holders: dict[FrameWriter, None] = {}
        self.senders = 0

    def taken_by(self, writer: FrameWriter) -> None:
        """This writer has one."""
        self._holders[writer] = None

    def withdraw(self) -> None:
        """Put all that is left of them back into the windows: h2 is exact again."""
        for writer in self._holders:
            writer.give_back()
        self._holders.clear()


class FrameWriter:
    """Writes whole messages of one stream, or not at all. Made once its headers were sent."""

    __slots__ = (
        "_advance",
        "_advances",
        "_h2",
        "_id",
        "_is_ready",
        "_is_shaped",
        "_longest",
        "_send",
        "_state",
        "_stream",
        "_taken",
        "_transport",
        "_window",
    )

    def __init__(self, stream: Stream[Any, Any]) -> None:
        inner = stream._stream
        self._stream = inner
        connection: Any = inner.connection  # a GuardedConnection
        self._is_ready = connection.write_ready
        self._advances: Advances = connection.advances
        self._transport = inner._transport
        self._send = inner._transport.write
        self._h2: Any = inner._h2_connection
        assert inner.id is not None  # a server's stream has its id from the start
        self._id = inner.id
        self._window: Any = self._h2.streams[inner.id]
        self._state = self._window.state_machine
        self._is_shaped = isinstance(inner, MessageStream) and inner.is_shaped
        self._advance = self._taken = self._longest = 0

    def write(self, body: bytes) -> bool:
        """Write a message; False if it has to wait, in which case nothing was written."""
        size = len(body) + _PREFIX_BYTES
        if size > self._advance and not self._take_advance(size):
            return False
        self._advance -= size
        if body is not _Framed.body or self._id != _Framed.stream or self._longest != _Framed.longest:
            _Framed.body, _Framed.stream, _Framed.longest = body, self._id, self._longest
            _Framed.data = _in_frames(body, self._id, self._longest)
        self._send(_Framed.data)
        return True

    def _take_advance(self, size: int) -> bool:
        """Look whether a message of this size, prefix included, may be written, and take what it needs."""
        if (
            self._is_shaped
            or not self._is_ready.is_set()
            or ((state := self._state.state) is not _ANSWERING and state is not _OPEN)
            or self._transport.is_closing()
        ):
            return False
        self.give_back()
        if size > self._room:
            self._advances.withdraw()
            if size > self._room:
                return False
        advance = size if self._advances.senders else max(size, min(ADVANCE_BYTES, self._room // 4))
        self._h2.outbound_flow_control_window -= advance
        self._window.outbound_flow_control_window -= advance
        self._advance = self._taken = advance
        self._longest = self._h2.max_outbound_frame_size
        self._advances.taken_by(self)
        return True

    @property
    def _room(self) -> int:
        """What both windows have left."""
        room: int = min(self._h2.outbound_flow_control_window, self._window.outbound_flow_control_window)
        return room

    def give_back(self) -> None:
        """Put what is left of the advance back into both windows."""
        if self._taken:
            self._stream.data_sent += self._taken - self._advance
            self._h2.outbound_flow_control_window += self._advance
            self._window.outbound_flow_control_window += self._advance
            self._advance = self._taken = 0

    @property
    def bytes_sent(self) -> int:
        """How much the stream has sent, by its task too."""
        return self._stream.data_sent + self._taken - self._advance


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
