"""WebSocket frames as a server writes them (RFC 6455): whole ones, and broken ones on purpose.

Text frames are written here and not by wsproto, so that sessions can share one, and so that a
frame can be wrong.
"""

import struct

TEXT, BINARY = 0x1, 0x2
_FIN = 0x80


def header(opcode: int, length: int, *, first: int = _FIN) -> bytes:
    """Return the header of an unmasked frame; ``first`` are the bits before the opcode."""
    if length < 126:
        return bytes((first | opcode, length))
    if length < 1 << 16:
        return struct.pack("!BBH", first | opcode, 126, length)
    return struct.pack("!BBQ", first | opcode, 127, length)


def text_frame(payload: bytes) -> bytes:
    """Return a whole text message in one frame."""
    return header(TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """Return a whole binary message in one frame."""
    return header(BINARY, len(payload)) + payload


def reserved_frame() -> bytes:
    """Return a frame with an opcode and a bit that nobody has given a meaning."""
    return header(0x7, 4, first=_FIN | 0x10) + b"\x00\x01\x02\x03"
