"""A server's end of a WebSocket, byte by byte: for frames no library would send."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1

import trio
import trio.testing
from trio_websocket import ConnectionClosed

from hyperstream.sockets.transport import Transport

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
LIMIT = 100_000
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, bits: int = 0, masked: bool = False
) -> bytes:
    """Return a frame as RFC 6455, 5.2 lays it out; ``bits`` are added to its first byte."""
    first, mask = (0x80 if fin else 0) | bits | opcode, 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, size | mask)
    elif size < 65536:
        head = struct.pack("!BBH", first, 126 | mask, size)
    else:
        head = struct.pack("!BBQ", first, 127 | mask, size)
    return head + (bytes(4) if masked else b"") + payload


def unmasked(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (opcode, payload) of a client's frames."""
    while data:
        size, start = data[1] & 0x7F, 2
        assert data[1] & 0x80, "a client masks its frames"
        if size == 126:
            size, start = struct.unpack("!H", data[2:4])[0], 4
        key, payload = data[start : start + 4], data[start + 4 : start + 4 + size]
        yield data[0] & 0xF, bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
        data = data[start + 4 + size :]


def acceptance(request: bytes) -> bytes:
    """Return the answer that accepts a handshake."""
    (key,) = [line.split(b": ")[1] for line in request.split(b"\r\n") if b"websocket-key" in line.lower()]
    token = b64encode(sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
    )


Far = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


def open_transport(*, write_seconds: float = 10.0) -> tuple[Transport, Far, list[float]]:
    """Return a transport before its handshake, the other end, and the times at which frames were sent."""
    near, far = trio.testing.memory_stream_pair()
    sent: list[float] = []
    transport = Transport(
        near,
        host="venue.test",
        target="/ws",
        headers=[],
        subprotocols=[],
        max_message_bytes=LIMIT,
        write_seconds=write_seconds,
        on_sent=lambda: sent.append(trio.current_time()),
    )
    return transport, far, sent


async def open_websocket(first: bytes = b"", *, write_seconds: float = 10.0) -> tuple[Transport, Far]:
    """Return a transport whose handshake is done, and the other end; ``first`` comes with the answer."""
    transport, far, _ = open_transport(write_seconds=write_seconds)

    async def answer() -> None:
        request = bytes(await far.receive_some())
        await far.send_all(acceptance(request) + first)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        await transport.shake_hands()
    return transport, far


async def heard(far: Far) -> list[tuple[int, bytes]]:
    """Return the frames the client has sent; there must be some."""
    with trio.fail_after(30):
        return list(unmasked(bytes(await far.receive_some())))


async def read_all(transport: Transport) -> tuple[list[bytes], int]:
    """Return every message until the end, and the code it ended with."""
    messages: list[bytes] = []
    while True:
        try:
            messages += await transport.receive_batch()
        except ConnectionClosed:
            return messages, transport.closed.code if transport.closed else 0
