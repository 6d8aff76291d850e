"""A crowd that connects within a second and wants everything, as a process (``http2_reader.py``).

Half of it asks for the books of every market, half for every order of one. Of each it is noted when its call
was made and when its snapshots were complete; snapshots are recognised by their last bytes only.

It answers lines of JSON on standard input with lines on standard output:

    (start)                            {"ready": true}
    {"ask": "storm", "seconds": 1}     {"complete": N, …}   all came, and all have all or ran out of time
    {"ask": "stay", "seconds": 2}      {"gaps": …}          goes on reading for so long
"""

import select
import socket
import sys
import time
from typing import Any

import click
import orjson
from attrs import define, field

from benchmarks.client import REQUESTS, SERVICE
from benchmarks.http2_reader import StreamFailed, StreamReader, opening
from benchmarks.measure import allow_descriptors
from benchmarks.processes import answer

READ_BYTES = 524_288
_SNAPSHOT, _DELTA, _GAP = 1, 2, 3
# The last field of the last chunk of an OrdersSnapshot: 13, true.
_LAST_CHUNK = b"\x68\x01"


@define(eq=False)
class Member:
    """One of the crowd. ``missing`` is how many snapshots it still waits for."""

    peer: socket.socket
    missing: int
    is_order_level: bool
    began: float
    completed: float = 0.0
    gaps: int = 0
    received: int = 0
    reader: StreamReader = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reader = StreamReader(self._take, self.peer.sendall)

    def _take(self, data: bytes, at: int, stop: int) -> None:
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
            at += size
            if kind == _GAP:
                self.gaps += 1
            elif kind == _SNAPSHOT and (not self.is_order_level or data[at - 2 : at] == _LAST_CHUNK):
                self.missing -= 1
                if not self.missing:
                    self.completed = time.monotonic()


@define(eq=False)
class Crowd:
    """All its members."""

    port: int
    subscribers: int
    markets: int
    symbol: str
    timeout_seconds: float
    _poll: select.epoll = field(factory=select.epoll)
    _members: dict[int, Member] = field(factory=dict)
    _lost: int = 0
    _error: str = ""

    def storm(self, seconds: float) -> dict[str, Any]:
        """Connect evenly over so many seconds, and read until all have all."""
        say = {
            is_order_level: opening(
                SERVICE + REQUESTS[call][0], REQUESTS[call][1](symbols=[symbol]).SerializeToString()
            )
            for is_order_level, call, symbol in ((False, "orderbook", "*"), (True, "orders", self.symbol))
        }
        began = time.monotonic()
        for number in range(self.subscribers):
            due = began + number * seconds / self.subscribers
            while (wait := due - time.monotonic()) > 0:
                self._read(wait)
            is_order_level = number % 2 == 1
            self._connect(say[is_order_level], is_order_level=is_order_level)
            self._read(0)
        connected = time.monotonic()
        while self._waiting and time.monotonic() - began < self.timeout_seconds:
            self._read(0.1)
        ended = max(member.completed or time.monotonic() for member in self._members.values())
        times = {
            is_order_level: sorted(
                member.completed - member.began
                for member in self._members.values()
                if member.completed and member.is_order_level is is_order_level
            )
            for is_order_level in (False, True)
        }
        return {
            "connect_seconds": connected - began,
            "all_seconds": ended - began,
            "complete": sum(bool(member.completed) for member in self._members.values()),
            "books_seconds": times[False],
            "orders_seconds": times[True],
            "bytes": sum(member.received for member in self._members.values()),
            "gaps": sum(member.gaps for member in self._members.values()),
            "lost": self._lost,
            "error": self._error,
            "cpu_seconds": time.process_time(),
        }

    def stay(self, seconds: float) -> dict[str, Any]:
        """Go on reading."""
        until = time.monotonic() + seconds
        while (wait := until - time.monotonic()) > 0:
            self._read(wait)
        gaps = sum(member.gaps for member in self._members.values())
        return {"gaps": gaps, "lost": self._lost, "error": self._error}

    @property
    def _waiting(self) -> int:
        return sum(not member.completed for member in self._members.values()) - self._lost

    def _connect(self, hello: bytes, *, is_order_level: bool) -> None:
        began = time.monotonic()
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout_seconds)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(hello)
        missing = 1 if is_order_level else self.markets
        self._members[peer.fileno()] = Member(peer, missing, is_order_level, began)
        self._poll.register(peer, select.EPOLLIN)

    def _read(self, timeout_seconds: float) -> None:
        for number, _ in self._poll.poll(timeout_seconds):
            member = self._members[number]
            try:
                data = member.peer.recv(READ_BYTES)
                if not data:
                    raise StreamFailed("the server closed the connection")
                member.received += len(data)
                member.reader.feed(data)
            except (OSError, StreamFailed) as exc:
                self._error = self._error or str(exc)
                self._lost += not member.completed
                self._poll.unregister(number)


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--subscribers", type=int, required=True)
@click.option("--markets", type=int, required=True, help="How many there are.")
@click.option("--symbol", required=True, help="The market whose orders are asked for.")
@click.option("--timeout", "timeout_seconds", type=float, default=60.0)
def main(port: int, subscribers: int, markets: int, symbol: str, timeout_seconds: float) -> None:
    """Wait for the word, then come all at once."""
    allow_descriptors()
    crowd = Crowd(port, subscribers, markets, symbol, timeout_seconds)
    asked = {"storm": crowd.storm, "stay": crowd.stay}
    answer({"ready": True})
    for line in sys.stdin.buffer:
        question = orjson.loads(line)
        answer(asked[question["ask"]](question["seconds"]))


if __name__ == "__main__":
    main()
