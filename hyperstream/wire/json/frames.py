"""WebSocket frames of a server (RFC 6455, 5.2): a header and the payload as it is, as servers do not mask.

So a frame is the same bytes for everybody: it is made once for a message and shared by all who get it. Frames
joined are messages one after the other. What permessage-deflate (RFC 7692) makes of a message can be shared
as well, as long as no message leans on the one before: ``server_no_context_takeover``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from struct import Struct

Seal = Callable[[bytes], bytes]
"""Makes a frame of a message's payload."""

_SHORT = Struct(">BB")
_MEDIUM = Struct(">BBH")
_LONG = Struct(">BBQ")
_FINAL = 0x80
_COMPRESSED = 0x40
_CONTINUATION, _TEXT = 0x0, 0x1
_MAX_SHORT, _MAX_MEDIUM = 125, 0xFFFF
_FLUSHED = b"\x00\x00\xff\xff"  # what a sync flush ends with; the receiver puts it back


def text_frame(payload: bytes) -> bytes:
    """A text message in one frame."""
    return _head(_FINAL | _TEXT, len(payload)) + payload


def text_part(payload: bytes, *, is_first: bool, is_last: bool) -> bytes:
    """A part of a text message that is sent in several frames; no other message may come between."""
    return _head((_FINAL if is_last else 0) | (_TEXT if is_first else _CONTINUATION), len(payload)) + payload


def _head(first: int, size: int) -> bytes:
    if size <= _MAX_SHORT:
        return _SHORT.pack(first, size)
    if size <= _MAX_MEDIUM:
        return _MEDIUM.pack(first, _MAX_SHORT + 1, size)
    return _LONG.pack(first, _MAX_SHORT + 2, size)


class DeflatedFrames:
    """Seals messages for those who negotiated permessage-deflate with ``server_no_context_takeover``.

    Messages shorter than ``threshold_bytes`` are sent as they are: they would grow, or nearly so.
    ``level`` is zlib's, 1 (fast) to 9. ``window_bits`` is the window a peer offered to keep (9 to 15).
    """

    __slots__ = ("level", "threshold_bytes", "window_bits")

    def __init__(self, level: int, threshold_bytes: int, window_bits: int = zlib.MAX_WBITS) -> None:
        self.level = level
        self.threshold_bytes = threshold_bytes
        self.window_bits = window_bits

    def __call__(self, payload: bytes) -> bytes:
        """The frame of a message, compressed if it is long enough."""
        if len(payload) < self.threshold_bytes:
            return text_frame(payload)
        compressor = zlib.compressobj(self.level, zlib.DEFLATED, -self.window_bits)
        packed = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
        packed = packed[: -len(_FLUSHED)]
        return _head(_FINAL | _COMPRESSED | _TEXT, len(packed)) + packed
