"""permessage-deflate (RFC 7692) as this server speaks it: without context takeover, inflating within bounds.

``server_no_context_takeover`` lets one compressed frame serve every subscriber, and
``client_no_context_takeover`` frees the inflater, and its window of 32 KiB, after each message. A frame of
254 KiB can be a message of 256 MiB: nothing is inflated past the longest message a client may send.
"""

from __future__ import annotations

import zlib

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

NAME = "permessage-deflate"
_FLUSHED = b"\x00\x00\xff\xff"
# zlib cannot write with a window of 256 bytes: what it writes for 8 needs 9.
_WINDOWS = range(9, 16)
_RESERVED = RsvBits(True, False, False)


class BoundedDeflate(Extension):
    """One connection's inflater; ``max_bytes`` bounds a message. What is sent is compressed elsewhere."""

    name = NAME

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._inflater: zlib._Decompress | None = None
        self._inflated = 0
        self._is_control = False
        self._is_inside = False

    def enabled(self) -> bool:
        """Whether it was negotiated: it is made only then."""
        return True

    def offer(self) -> bool | str:
        """What a client would offer; this is a server."""
        return False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002 - wsproto's signature
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,  # noqa: ARG002
    ) -> CloseReason | RsvBits:
        """A frame begins: only the first of a message may say that it is compressed."""
        self._is_control = opcode.iscontrol()
        if self._is_control or opcode is Opcode.CONTINUATION:
            return CloseReason.PROTOCOL_ERROR if rsv.rsv1 else _RESERVED
        if not self._is_inside:
            self._is_inside = True
            self._inflated = 0
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if rsv.rsv1 else None
        return _RESERVED

    def frame_inbound_payload_data(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002
        data: bytes,
    ) -> bytes | CloseReason:
        """Some of a frame's payload."""
        if self._is_control or self._inflater is None:
            return data
        return self._inflate(self._inflater, data)

    def frame_inbound_complete(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002
        fin: bool,
    ) -> bytes | CloseReason | None:
        """A frame ends, and with ``fin`` its message."""
        if self._is_control or not fin:
            return None
        inflater, self._inflater, self._is_inside = self._inflater, None, False
        return self._inflate(inflater, _FLUSHED) if inflater is not None else None

    def _inflate(self, inflater: zlib._Decompress, data: bytes) -> bytes | CloseReason:
        room = self._max_bytes - self._inflated
        try:
            inflated = inflater.decompress(data, room + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._inflated += len(inflated)
        return inflated if len(inflated) <= room else CloseReason.MESSAGE_TOO_BIG


def accept_offer(header: str) -> tuple[str, int] | None:
    """Return what to answer to a Sec-WebSocket-Extensions header, and the window to compress with.

    None if nothing in it can be served. The first offer that can be is taken (RFC 7692, 5).
    """
    for offer in header.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == NAME:
            window = _window(parameters)
            if window:
                answer = f"{NAME}; server_no_context_takeover; client_no_context_takeover"
                if window < zlib.MAX_WBITS:
                    answer += f"; server_max_window_bits={window}"
                return answer, window
    return None


def _window(parameters: list[str]) -> int:
    """The window an offer allows the server; 0 if it says something that cannot be, or not be served."""
    window = zlib.MAX_WBITS
    seen = set()
    for parameter in parameters:
        name, has_value, value = (part.strip() for part in parameter.partition("="))
        if name in seen:
            return 0
        seen.add(name)
        value = value.strip('"')
        if name in ("server_no_context_takeover", "client_no_context_takeover") and not has_value:
            continue
        if name == "client_max_window_bits" and not has_value:
            continue
        is_number = value.isascii() and value.isdigit() and len(value) <= 2 and not value.startswith("0")
        if name not in ("client_max_window_bits", "server_max_window_bits") or not is_number:
            return 0
        if name == "client_max_window_bits":
            if not 8 <= int(value) <= zlib.MAX_WBITS:
                return 0
        elif int(value) not in _WINDOWS:
            return 0
        else:
            window = int(value)
    return window
