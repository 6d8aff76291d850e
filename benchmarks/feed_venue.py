"""The venue of the latency benchmark, as a process: a fake Binance that quotes and trades at an even pace.

    (start)                              {"settings": {…}, "url": "ws://…"}
    {"ask": "streams"}                   {"streams": N}    subscribed by now
    {"messages": 50000, "rate": 5000}    {"sent": N, "late_ms": …}

Handshakes, subscriptions and the list of symbols are the fake exchange's. The frames are ours: each carries
the clock's time when it was sent, in seconds, as its size. A frame is written as soon as it is due; those
that have come due meanwhile share the write, as on a venue's busy socket. ``url`` subscribes by itself.
"""

import os
import time

import click
import orjson
import trio
from attrs import define

from benchmarks.feed_stamps import KINDS, NS, SYMBOLS, spell_frame
from benchmarks.processes import LineReader, answer
from hyperstream.testing.exchanges import BinanceLimits, FakeBinance
from hyperstream.testing.exchanges.session import Session


@define(eq=False)
class Sender:
    """Sends frames to whoever subscribed. Every symbol gets every kind in turn."""

    fake: FakeBinance
    _sent: int = 0

    def session(self) -> Session | None:
        """The daemon's connection, if it is there."""
        return next((session for session in self.fake.sessions if session.is_open), None)

    def streams(self) -> int:
        """How many streams it has subscribed."""
        session = self.session()
        return len(session.topics) if session is not None else 0

    async def send(self, messages: int, rate: float) -> dict[str, object]:
        """Send so many frames; returns the worst delay of one behind its time."""
        session = self.session()
        assert session is not None
        assert isinstance(session.stream, trio.SocketStream)
        socket = session.stream.socket
        began_ns, sent, late_ns = time.monotonic_ns(), 0, 0
        while sent < messages:
            due_ns = began_ns + int(sent * NS / rate)
            now_ns = time.monotonic_ns()
            if now_ns < due_ns:
                await trio.sleep((due_ns - now_ns) / NS)
                continue
            late_ns = max(late_ns, now_ns - due_ns)
            due = min(messages - sent, 1 + int((now_ns - due_ns) * rate / NS))
            time_ns = time.time_ns()
            await write(socket, b"".join(self._spell(time_ns) for _ in range(due)))
            sent += due
        return {"sent": sent, "late_ms": late_ns / 1e6}

    def _spell(self, time_ns: int) -> bytes:
        self._sent += 1
        return spell_frame(self._sent, SYMBOLS[self._sent % len(SYMBOLS)], time_ns)


async def write(socket: trio.socket.SocketType, data: bytes) -> None:
    """Write past the outbox, which has nothing to say meanwhile and would need another task."""
    while data:
        try:
            data = data[os.write(socket.fileno(), data) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(socket)


async def serve() -> None:
    """Answer questions until standard input ends."""
    # Pings would be written by the outbox, in the midst of a frame at worst.
    fake = FakeBinance(symbols=SYMBOLS, limits=BinanceLimits(ping_seconds=0, lifetime_seconds=0))
    sender = Sender(fake)
    async with fake.serve() as urls:
        settings = {"feeds.binance.url": urls.stream, "feeds.binance.rest_url": urls.rest}
        streams = "/".join(f"{symbol.lower()}@{kind}" for symbol in SYMBOLS for kind in dict.fromkeys(KINDS))
        answer({"settings": settings, "url": f"{urls.stream}?streams={streams}"})
        questions = LineReader(trio.lowlevel.FdStream(os.dup(0)))
        while line := await questions.line():
            question = orjson.loads(line)
            if "messages" in question:
                answer(await sender.send(question["messages"], question["rate"]))
            else:
                answer({"streams": sender.streams()})


@click.command()
def main() -> None:
    """Serve until standard input ends."""
    trio.run(serve)


if __name__ == "__main__":
    main()
