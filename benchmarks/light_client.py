"""Many subscribers of a benchmark in one process, as cheap as Python allows (``http2_reader.py``).

One thread, one epoll, a connection for each subscriber. It notes of every message when it was read from
the socket, by the wall clock, and its first bytes, which hold height and publish time; these are
parsed when it is asked. Stuck subscribers make their call and never read again.

It answers lines of JSON on standard input with lines on standard output:

    (start)              {"connected": N}              every stream has its response headers
    {"ask": "begin"}     {}                            forget what came so far
    {"ask": "samples"}   {"messages": …, …}            what came since: see ``Subscribers.samples``
"""

import select
import socket
import sys
import time
from functools import partial
from typing import Any

import click
import orjson

from benchmarks.client import REQUESTS, SERVICE
from benchmarks.http2_reader import StreamFailed, StreamReader, opening
from benchmarks.latency import parse_receipt
from benchmarks.measure import allow_descriptors
from benchmarks.processes import answer

READ_BYTES = 262_144
HEAD_BYTES = 100
CONNECT_SECONDS = 60.0
STUCK_WINDOW_BYTES = 65_535
STUCK_BUFFER_BYTES = 4_096
_DELTA, _GAP = 2, 3


class Subscribers:
    """All connections, and what they got. With ``count_updates`` every message's events are counted."""

    def __init__(self, *, count_updates: bool) -> None:
        self.connected = 0
        self.error = ""
        self._count_updates = count_updates
        self._poll = select.epoll()
        self._readers: dict[int, tuple[socket.socket, StreamReader]] = {}
        self._stuck: list[socket.socket] = []
        self._now_ns = 0
        self.begin()

    def begin(self) -> None:
        """Forget what came so far."""
        self._heads: list[tuple[int, bytes]] = []
        self._messages = self._bytes = 0
        self._updates = self._gaps = 0

    def connect(self, port: int, hello: bytes) -> None:
        """Open a connection and make its call."""
        peer = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(hello)
        self._readers[peer.fileno()] = peer, StreamReader(self._take, peer.sendall)
        self._poll.register(peer, select.EPOLLIN)

    def connect_stuck(self, port: int, hello: bytes) -> None:
        """Open a connection that is never read from."""
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STUCK_BUFFER_BYTES)
        peer.connect(("127.0.0.1", port))
        peer.sendall(hello)
        self._stuck.append(peer)

    def run(self, streams: int) -> None:
        """Read until standard input ends, answering questions."""
        give_up = time.monotonic() + CONNECT_SECONDS
        while sum(reader.has_headers for _, reader in self._readers.values()) < streams:
            self._step(0.1)
            if self.error or time.monotonic() > give_up:
                raise click.ClickException(self.error or "the server did not answer every call")
        answer({"connected": streams})
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while self._step(-1):
            pass

    def _step(self, timeout_seconds: float) -> bool:
        """Wait for bytes and read them; False once standard input has ended."""
        readers, now_ns = self._readers, time.time_ns
        for number, _ in self._poll.poll(timeout_seconds):
            if number not in readers:
                return self._answer()
            peer, reader = readers[number]
            try:
                data = peer.recv(READ_BYTES)
                self._now_ns = now_ns()
                if not data:
                    raise StreamFailed("the server closed the connection")
                reader.feed(data)
            except (OSError, StreamFailed) as exc:
                self.error = self.error or str(exc)
                self._poll.unregister(number)
        return True

    def _take(self, data: bytes, start: int, stop: int) -> None:
        self._messages += 1
        self._bytes += stop - start
        self._heads.append((self._now_ns, data[start : min(stop, start + HEAD_BYTES)]))
        if self._count_updates:
            self._count(data, start, stop)

    def _count(self, data: bytes, at: int, stop: int) -> None:
        """Walk over the message's events, each of them field 1; what they are is their first field."""
        while at < stop:
            at += 1
            size = shift = 0
            while (byte := data[at]) >= 0x80:
                size |= (byte & 0x7F) << shift
                shift += 7
                at += 1
            size |= byte << shift
            at += 1
            kind = data[at] >> 3
            if kind == _DELTA:
                self._updates += 1
            elif kind == _GAP:
                self._gaps += 1
            at += size

    def _answer(self) -> bool:
        line = sys.stdin.buffer.readline()
        if not line:
            return False
        if orjson.loads(line)["ask"] == "begin":
            self.begin()
            answer({})
        else:
            answer(self.samples())
        return True

    def samples(self) -> dict[str, Any]:
        """Counts, the first error, and ``latencies_us`` from publish time to receipt, ascending."""
        receipts = (parse_receipt(head, time_ns) for time_ns, head in self._heads)
        found = [receipt for receipt in receipts if receipt is not None]
        return {
            "messages": self._messages,
            "bytes": self._bytes,
            "updates": self._updates,
            "gaps": self._gaps,
            "error": self.error,
            "cpu_seconds": time.process_time(),
            "latencies_us": sorted(
                (receipt.receipt_time_ns - receipt.publish_time_ns) // 1000 for receipt in found
            ),
            "node_latencies_us": sorted(
                (receipt.receipt_time_ns - receipt.node_time_ns) // 1000 for receipt in found
            )
            if self._count_updates
            else [],
        }


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--call", type=click.Choice(list(REQUESTS)), default="orderbook")
@click.option("--streams", type=int, required=True)
@click.option("--symbols", required=True, help="Comma-separated; they are dealt out to the streams.")
@click.option("--each", type=int, default=1, help="Symbols of each stream.")
@click.option("--step", type=int, default=0, help="Symbols between the first of two streams.")
@click.option("--stuck", type=int, default=0, help="Subscribers that never read, connected first.")
@click.option("--count-updates", is_flag=True, help="Count the events of every message.")
def main(
    port: int, call: str, streams: int, symbols: str, each: int, step: int, stuck: int, count_updates: bool
) -> None:
    """Subscribe, then answer questions until standard input ends."""
    allow_descriptors()
    method, request = REQUESTS[call]
    names = symbols.split(",")
    subscribers = Subscribers(count_updates=count_updates)
    say = partial(opening, SERVICE + method)
    for _ in range(stuck):
        body = request(symbols=names[:each]).SerializeToString()
        subscribers.connect_stuck(port, say(body, window_bytes=STUCK_WINDOW_BYTES))
    for number in range(streams):
        mine = [names[(number * step + index) % len(names)] for index in range(each)]
        subscribers.connect(port, say(request(symbols=list(dict.fromkeys(mine))).SerializeToString()))
    subscribers.run(streams)


if __name__ == "__main__":
    main()
