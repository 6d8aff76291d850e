"""A hostile or merely odd client: bytes written by hand to a socket, and what comes back."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Pong, TextMessage

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "host": "localhost",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": KEY,
}


def request(target: str = "/ws", method: str = "GET", body: bytes = b"", **headers: str | None) -> bytes:
    """A request with these headers (underscores are hyphens); None leaves one out."""
    fields = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        fields["content-length"] = str(len(body))
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + body


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A client's frame; the mask is all zero, so the payload stands there as it is."""
    first = (0x80 if fin else 0) | rsv | opcode
    mask = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", first, mask | size)
    elif size < 65_536:
        head = struct.pack(">BBH", first, mask | 126, size)
    else:
        head = struct.pack(">BBQ", first, mask | 127, size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@define(eq=False)
class RawPeer:
    """One connection."""

    stream: trio.SocketStream
    received: bytes = b""
    _peer: Connection = field(factory=lambda: Connection(ConnectionType.CLIENT))
    _events: list[Event] = field(factory=list)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next HTTP answer."""
        while b"\r\n\r\n" not in self.received:
            data = await self.stream.receive_some()
            assert data, f"hung up after {self.received!r}"
            self.received += data
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in fields}
        while len(self.received) < int(headers.get("content-length", 0)):
            self.received += await self.stream.receive_some()
        size = int(headers.get("content-length", 0))
        body, self.received = self.received[:size], self.received[size:]
        return int(first.split()[1]), headers, body

    async def upgrade(self, **headers: Any) -> None:
        """Open the WebSocket."""
        await self.send(request(**headers))
        status, _, body = await self.answer()
        assert status == 101, (status, body)
        self._peer.receive_data(self.received)

    async def event(self) -> Event | None:
        """The next WebSocket event; None when the server has hung up."""
        while not self._events:
            self._events += self._peer.events()
            if self._events:
                break
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._peer.receive_data(data)
        return self._events.pop(0)

    async def ask(self, message: Any) -> Any:
        """Send a message, and return the next one that comes."""
        await self.send(frame(TEXT, json.dumps(message).encode()))
        return await self.message()

    async def message(self) -> Any:
        """The next text message."""
        text = ""
        while True:
            event = await self.event()
            assert isinstance(event, TextMessage | Pong), event
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return json.loads(text)

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the close frame; everything before it is passed over."""
        while True:
            event = await self.event()
            assert event is not None, "hung up without a close frame"
            if isinstance(event, CloseConnection):
                return int(event.code), event.reason or ""

    async def hung_up(self) -> None:
        """Wait for the end of the connection."""
        while await self.event() is not None:
            pass


@asynccontextmanager
async def raw_peer(port: int, *, receive_buffer: int = 0) -> AsyncIterator[RawPeer]:
    """Connect; a small ``receive_buffer`` makes the server feel soon that nothing is read."""
    plain = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await plain.connect(("127.0.0.1", port))
    stream = trio.SocketStream(plain)
    try:
        yield RawPeer(stream)
    finally:
        await trio.aclose_forcefully(stream)
