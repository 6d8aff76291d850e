"""Subscribers of the WebSocket gateway, as a process: one thread, one epoll, a connection for each of them.

Every subscription asks for ``provenance``, so that each message tells its height, its times and its sequence:
what was missed can be compared with what the gateway said was missed. Messages are told apart by their
first and last bytes; books are not parsed, which would be measured as the daemon's delay.

It answers lines of JSON on standard input with lines on standard output:

    (start)              {"connected": N}       every subscription has been acknowledged
    {"ask": "begin"}     {}                     forget what came so far
    {"ask": "samples"}   {"blocks": […], …}     what came since: see ``Subscribers.samples``
"""

import select
import socket
import struct
import sys
import time
from collections import defaultdict
from typing import Any

import click
import orjson
from attrs import define, field

from benchmarks.measure import allow_descriptors
from benchmarks.processes import answer

READ_BYTES = 262_144
CONNECT_SECONDS = 60.0
_PROVENANCE = b',"provenance":{'
_LONGEST_PROVENANCE = 500
_RETRY_SECONDS = 0.1
_COIN = b'"coin":"'
_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def client_frame(first: int, payload: bytes) -> bytes:
    """A frame of a client with this first byte; the mask is zero, so the payload stands there as it is."""
    size = len(payload)
    head = struct.pack(">BBH", first, 0xFE, size) if size > 125 else bytes((first, 0x80 | size))
    return head + b"\0\0\0\0" + payload


def open_websocket(port: int, header: bytes = b"") -> socket.socket:
    """Connect and upgrade, with one more header line; waits until the books are loaded. Raises OSError."""
    give_up = time.monotonic() + CONNECT_SECONDS
    while True:
        peer = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(_HANDSHAKE % header)
        told = b""
        while not told.endswith(b"\r\n\r\n"):
            byte = peer.recv(1)
            if not byte:
                break
            told += byte
        if b" 101 " in told:
            return peer
        peer.close()
        if b" 503 " not in told or time.monotonic() > give_up:
            raise ConnectionError(f"no WebSocket at port {port}: {told!r}")
        time.sleep(_RETRY_SECONDS)


def wish(kind: str, coin: str, **more: Any) -> bytes:
    """The frame that subscribes."""
    subscription = {"type": kind, "coin": coin, **more}
    return client_frame(0x80 | TEXT, orjson.dumps({"method": "subscribe", "subscription": subscription}))


@define(eq=False)
class Subscriber:
    """One connection: what is still to be parsed, and the last epoch and sequence of each stream."""

    number: int
    peer: socket.socket
    unanswered: int
    buffer: bytearray = field(factory=bytearray)
    message: bytearray = field(factory=bytearray)
    sequences: dict[bytes, tuple[int, int]] = field(factory=dict)


@define(eq=False)
class Subscribers:
    """All connections, and what they got. ``bytes_per_second`` bounds what is read, unless it is 0."""

    bytes_per_second: float = 0.0
    error: str = ""
    _poll: select.epoll = field(factory=select.epoll)
    _by_descriptor: dict[int, Subscriber] = field(factory=dict)
    _blocks: dict[tuple[int, int], tuple[int, int]] = field(factory=dict)
    _told: dict[str, int] = field(factory=lambda: defaultdict(int))

    def connect(self, port: int, wishes: list[bytes]) -> None:
        """Open a connection and subscribe."""
        peer = open_websocket(port)
        peer.sendall(b"".join(wishes))
        self._by_descriptor[peer.fileno()] = Subscriber(len(self._by_descriptor), peer, len(wishes))
        self._poll.register(peer, select.EPOLLIN)

    @property
    def is_answered(self) -> bool:
        """Whether every subscription has been acknowledged, or refused."""
        return not any(subscriber.unanswered for subscriber in self._by_descriptor.values())

    def begin(self) -> None:
        """Forget what came so far."""
        self._blocks.clear()
        self._told.clear()

    def samples(self) -> dict[str, object]:
        """Blocks, and totals.

        A block is [height, ns from the node's writing to a connection's last message of it]. ``holes`` are
        sequences that did not come, ``merged`` and ``dropped`` what the gateway said of them.
        """
        blocks = [[height, last - node] for (_, height), (node, last) in self._blocks.items()]
        names = ("messages", "bytes", "holes", "merged", "dropped")
        return {"blocks": blocks, "error": self.error, **{name: self._told[name] for name in names}}

    def read(self, timeout_seconds: float) -> None:
        """Read what there is."""
        for descriptor, _ in self._poll.poll(timeout_seconds):
            subscriber = self._by_descriptor[descriptor]
            data = subscriber.peer.recv(READ_BYTES)
            if not data:
                self._end(subscriber, "hung up")
                continue
            self._told["bytes"] += len(data)
            subscriber.buffer += data
            self._parse(subscriber, time.time_ns())
            if self.bytes_per_second:
                time.sleep(len(data) / self.bytes_per_second)

    def _end(self, subscriber: Subscriber, why: str) -> None:
        self.error = self.error or f"connection {subscriber.number}: {why}"
        subscriber.unanswered = 0
        self._poll.unregister(subscriber.peer)
        subscriber.peer.close()

    def _parse(self, subscriber: Subscriber, now_ns: int) -> None:
        buffer, at = subscriber.buffer, 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4]), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10]), at + 10
            if len(buffer) < start + size:
                break
            first, payload = buffer[at], bytes(buffer[start : start + size])
            at = start + size
            opcode = first & 0x0F
            if opcode == PING:
                subscriber.peer.sendall(client_frame(0x80 | PONG, payload))
            elif opcode == CLOSE:
                self._end(subscriber, payload[2:].decode(errors="replace"))
                return
            else:
                subscriber.message += payload
                if first & 0x80:
                    self._note(subscriber, bytes(subscriber.message), now_ns)
                    subscriber.message.clear()
        del buffer[:at]

    def _note(self, subscriber: Subscriber, message: bytes, now_ns: int) -> None:
        self._told["messages"] += 1
        at = message.rfind(_PROVENANCE, max(0, len(message) - _LONGEST_PROVENANCE))
        if at < 0:
            self._note_other(subscriber, orjson.loads(message))
            return
        told = orjson.loads(message[at + len(_PROVENANCE) - 1 : -1])
        coin = message.index(_COIN) + len(_COIN)
        stream = message[: message.index(b'"', coin)]
        epoch, sequence = told["epoch"], told["sequence"]
        last_epoch, last = subscriber.sequences.get(stream, (epoch, sequence - 1))
        if epoch == last_epoch and sequence > last + 1:
            self._told["holes"] += sequence - last - 1
        subscriber.sequences[stream] = epoch, sequence
        self._blocks[subscriber.number, told["height"]] = told["node_time_ns"], now_ns

    def _note_other(self, subscriber: Subscriber, message: dict[str, Any]) -> None:
        channel, data = message["channel"], message["data"]
        if channel == "subscriptionResponse":
            subscriber.unanswered -= 1
        elif channel == "error":
            self.error = self.error or str(data)
            subscriber.unanswered -= 1
        elif channel == "merged":
            self._told["merged"] += data["count"]
        elif channel == "gap":
            self._told["dropped"] += data["dropped"]


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--connections", type=int, required=True)
@click.option("--symbols", required=True, help="Comma-separated; they are dealt out to the connections.")
@click.option("--each", type=int, default=0, help="Symbols of each connection; 0: every market.")
@click.option("--channels", default="l2Book", show_default=True, help="Comma-separated.")
@click.option("--bytes-per-second", type=float, default=0.0, help="Read no faster; 0: as fast as it comes.")
def main(
    port: int, connections: int, symbols: str, each: int, channels: str, bytes_per_second: float
) -> None:
    """Subscribe, then answer questions until standard input ends."""
    allow_descriptors()
    subscribers = Subscribers(bytes_per_second)
    names, kinds = symbols.split(","), channels.split(",")
    for number in range(connections):
        mine = [names[(number * each + index) % len(names)] for index in range(each)] or names
        subscribers.connect(port, [wish(kind, coin, provenance=True) for coin in mine for kind in kinds])
    give_up = time.monotonic() + CONNECT_SECONDS
    while not subscribers.is_answered and time.monotonic() < give_up:
        subscribers.read(0.1)
    answer({"connected": connections, "error": subscribers.error})
    questions = select.poll()
    questions.register(sys.stdin, select.POLLIN)
    while True:
        subscribers.read(0.01)
        if questions.poll(0):
            line = sys.stdin.buffer.readline()
            if not line:
                return
            if orjson.loads(line)["ask"] == "begin":
                subscribers.begin()
                answer({})
            else:
                answer(subscribers.samples())


if __name__ == "__main__":
    main()
