"""Many WebSocket subscribers of a benchmark in one process, as cheap as Python allows.

One thread, one epoll, a connection for each subscriber. Of every message it notes when it was read from the
socket and the trade id it carries, which is when it was published (``fanout_websocket_payload.py``).

It answers lines of JSON like ``light_client.py``.
"""

import re
import select
import socket
import struct
import sys
import time

import click
import orjson

from benchmarks.measure import allow_descriptors
from benchmarks.processes import answer

READ_BYTES = 262_144
CONNECT_SECONDS = 60.0
_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)
_DEFLATE = b"sec-websocket-extensions: permessage-deflate\r\n"
_SUBSCRIBE = b'{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}'
_TRADE_ID = re.compile(rb'"tid":([0-9]+)')
_PING, _PONG = 0x9, 0xA


class Subscribers:
    """All connections, and what they got."""

    def __init__(self) -> None:
        self.error = ""
        self._poll = select.epoll()
        self._peers: dict[int, tuple[socket.socket, bytearray]] = {}
        self.begin()

    def begin(self) -> None:
        """Forget what came so far."""
        self._messages = self._bytes = 0
        self._receipts: list[tuple[int, bytes]] = []

    def connect(self, port: int, *, deflates: bool) -> None:
        """Open a connection, and subscribe."""
        peer = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(_HANDSHAKE % (_DEFLATE if deflates else b""))
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv(4096)
        if b" 101 " not in head:
            raise click.ClickException(f"the handshake was refused: {head[:200]!r}")
        peer.sendall(struct.pack(">BBI", 0x81, 0x80 | len(_SUBSCRIBE), 0) + _SUBSCRIBE)
        self._peers[peer.fileno()] = peer, bytearray(head.partition(b"\r\n\r\n")[2])
        self._poll.register(peer, select.EPOLLIN)

    def run(self, subscribers: int) -> None:
        """Wait for every acknowledgement; then read until standard input ends, answering questions."""
        give_up = time.monotonic() + CONNECT_SECONDS
        while self._messages < subscribers:
            self._step(0.1)
            if self.error or time.monotonic() > give_up:
                raise click.ClickException(self.error or "the server did not answer every subscription")
        answer({"connected": subscribers})
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while self._step(-1):
            pass

    def _step(self, timeout_seconds: float) -> bool:
        """Wait for bytes and read them; False once standard input has ended."""
        for number, _ in self._poll.poll(timeout_seconds):
            if number not in self._peers:
                return self._answer()
            peer, buffer = self._peers[number]
            try:
                data = peer.recv(READ_BYTES)
                now_ns = time.time_ns()
                if not data:
                    raise OSError("the server closed the connection")
                buffer += data
                self._read(peer, buffer, now_ns)
            except OSError as exc:
                self.error = self.error or str(exc)
                self._poll.unregister(number)
        return True

    def _read(self, peer: socket.socket, buffer: bytearray, now_ns: int) -> None:
        """Take the whole frames out of a buffer."""
        at = 0
        while len(buffer) - at >= 2:
            first, size = buffer[at], buffer[at + 1]
            head = 2
            if size == 126:
                head, size = 4, int.from_bytes(buffer[at + 2 : at + 4])
            elif size == 127:
                head, size = 10, int.from_bytes(buffer[at + 2 : at + 10])
            if len(buffer) - at < head + size:
                break
            if first & 0xF == _PING:
                peer.sendall(struct.pack(">BBI", 0x80 | _PONG, 0x80, 0))
            else:
                self._messages += 1
                self._bytes += head + size
                self._receipts.append((now_ns, bytes(buffer[at + head : at + head + min(size, 400)])))
            at += head + size
        del buffer[:at]

    def _answer(self) -> bool:
        line = sys.stdin.buffer.readline()
        if not line:
            return False
        if orjson.loads(line)["ask"] == "begin":
            self.begin()
            answer({})
        else:
            found = [(now_ns, _TRADE_ID.search(head)) for now_ns, head in self._receipts]
            latencies = sorted((now_ns - int(match[1])) // 1000 for now_ns, match in found if match)
            answer(
                {
                    "messages": self._messages,
                    "bytes": self._bytes,
                    "error": self.error,
                    "latencies_us": latencies,
                }
            )
        return True


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--subscribers", type=int, required=True)
@click.option("--deflate", is_flag=True)
def main(port: int, subscribers: int, deflate: bool) -> None:
    """Subscribe, then answer questions until standard input ends."""
    allow_descriptors()
    many = Subscribers()
    for _ in range(subscribers):
        many.connect(port, deflates=deflate)
    many.run(subscribers)


if __name__ == "__main__":
    main()
