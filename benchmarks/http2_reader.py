"""The receiving end of one gRPC stream, as little HTTP/2 as that takes: bytes in, messages out.

A full client costs several times what the server under test does, and a thousand of them would leave it
no processor. This one sends its request as bytes prepared once, answers SETTINGS and PING, gives
windows back in large steps, and otherwise only finds where messages begin and end (RFC 9113, 4.1 and 6.1).
"""

from collections.abc import Callable, Iterable
from struct import Struct

from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 0x20
HEAD_BYTES = 9
PREFIX_BYTES = 5
WINDOW_BYTES = 1_048_576
STREAM = 1
_DEFAULT_WINDOW_BYTES = 65_535
_INITIAL_WINDOW_SIZE = 4
_FRAME = Struct(">HBBBI")
_SETTING = Struct(">HI")
_NUMBER = Struct(">I")


class StreamFailed(Exception):
    """The peer ended the stream, or sent what this reader does not understand."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one HTTP/2 frame."""
    size = len(payload)
    return _FRAME.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def opening(path: str, request: bytes, *, window_bytes: int = WINDOW_BYTES) -> bytes:
    """Return all a client has to say to make one streaming call: the same bytes on every connection."""
    headers = Encoder().encode(
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "hyperstream-benchmark"),
        ]
    )
    parts = [PREFACE, frame(SETTINGS, 0, 0, _SETTING.pack(_INITIAL_WINDOW_SIZE, window_bytes))]
    if window_bytes > _DEFAULT_WINDOW_BYTES:
        parts.append(frame(WINDOW_UPDATE, 0, 0, _NUMBER.pack(window_bytes - _DEFAULT_WINDOW_BYTES)))
    parts.append(frame(HEADERS, END_HEADERS, STREAM, headers))
    parts.append(frame(DATA, END_STREAM, STREAM, b"\0" + _NUMBER.pack(len(request)) + request))
    return b"".join(parts)


class StreamReader:
    """Takes a connection's bytes apart.

    ``take(data, start, stop)`` is called for every message, with the bytes it lies in. ``reply`` sends
    to the peer. ``has_headers`` once the server has answered the call.
    """

    __slots__ = ("_credit", "_decoder", "_headers", "_message", "_rest", "has_headers", "reply", "take")

    def __init__(self, take: Callable[[bytes, int, int], None], reply: Callable[[bytes], None]) -> None:
        self.take = take
        self.reply = reply
        self.has_headers = False
        self._decoder = Decoder()
        self._headers = b""
        self._rest = b""
        self._message = b""
        self._credit = 0

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer. Raises StreamFailed at the end of the stream."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= HEAD_BYTES:
            start = at + HEAD_BYTES
            stop = start + (data[at] << 16 | data[at + 1] << 8 | data[at + 2])
            if stop > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind == DATA and not flags:
                self._credit += stop - start
                self._data(data, start, stop)
            else:
                self._other(kind, flags, data[start:stop])
            at = stop
        self._rest = data[at:]
        if self._credit > WINDOW_BYTES // 2:
            credit, self._credit = _NUMBER.pack(self._credit), 0
            self.reply(frame(WINDOW_UPDATE, 0, 0, credit) + frame(WINDOW_UPDATE, 0, STREAM, credit))

    def _data(self, data: bytes, start: int, stop: int) -> None:
        if self._message:
            data = self._message + data[start:stop]
            start, stop = 0, len(data)
        while stop - start >= PREFIX_BYTES:
            following = start + PREFIX_BYTES + _NUMBER.unpack_from(data, start + 1)[0]
            if following > stop:
                break
            self.take(data, start + PREFIX_BYTES, following)
            start = following
        self._message = data[start:stop]

    def _other(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self.reply(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.reply(frame(PING, ACK, 0, payload))
        elif kind in (HEADERS, CONTINUATION):
            self._read_headers(flags, payload)
        elif kind in (RST_STREAM, GOAWAY) or (kind == DATA and flags & (PADDED | END_STREAM)):
            raise StreamFailed(f"the server sent a frame of kind {kind}, flags {flags}, {payload[:100]!r}")

    def _read_headers(self, flags: int, payload: bytes) -> None:
        if flags & (PADDED | PRIORITY):
            raise StreamFailed("headers with padding or priority are not understood here")
        self._headers += payload
        if not flags & END_HEADERS:
            return
        headers: Iterable[tuple[object, object]] = self._decoder.decode(self._headers)
        found = {str(name): str(value) for name, value in headers}
        self._headers = b""
        if self.has_headers or found.get(":status") != "200" or "grpc-status" in found:
            raise StreamFailed(f"the call ended: {found}")
        self.has_headers = True
