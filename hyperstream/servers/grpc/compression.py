"""gzip, and a limit on what a few bytes may become: one KiB can inflate to a MiB."""

from __future__ import annotations

import zlib

GZIP = "gzip"
IDENTITY = "identity"
ACCEPTED = f"{IDENTITY},{GZIP}"

# zlib's names for "with a gzip header"; level 1 costs a third of the default's time and 5 % of its gain.
_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS
_LEVEL = 1
# Below this a message becomes longer, or not enough shorter to be worth it.
WORTH_BYTES = 256


class TooLongError(ValueError):
    """The text inside is longer than the limit."""


def inflate(data: bytes, limit_bytes: int) -> bytes:
    """Return what was compressed.

    Raises TooLongError as soon as it proves longer than ``limit_bytes``, ValueError if it is not one whole
    gzip stream.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        text = inflater.decompress(data, limit_bytes + 1)
    except zlib.error as exc:
        raise ValueError(f"not gzip: {exc}") from exc
    if len(text) > limit_bytes:
        raise TooLongError(f"more than {limit_bytes} bytes when inflated")
    if not inflater.eof or inflater.unused_data:
        raise ValueError("not gzip: it ends too early or goes on after its end")
    return text


def deflate(data: bytes) -> bytes:
    """Return the data compressed, as one gzip stream."""
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    return deflater.compress(data) + deflater.flush()


def accepts_gzip(header: str) -> bool:
    """Whether a ``grpc-accept-encoding`` names gzip."""
    return any(name.strip() == GZIP for name in header.split(","))
