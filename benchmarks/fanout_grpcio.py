"""The fan-out's other server, as a process: grpcio's asyncio server, written as its own examples are.

Every call has a queue; the publisher puts the encoded message into all of them, and the call's handler
writes what comes out of its own. Messages are bytes already, so grpcio serializes nothing: that
is its best case. The payload, the questions and the answers are those of ``fanout_ours.py``.
"""

import asyncio
import sys
import time
from typing import Any

import click
import grpc
import orjson
from attrs import define, field

from benchmarks.fanout_payload import Payload
from benchmarks.measure import allow_descriptors, resident_bytes
from benchmarks.processes import answer
from hyperstream.config import LogSettings
from hyperstream.engine.collector import relax_collector, set_books_aside
from hyperstream.logs import set_up

QUEUE_MESSAGES = 1000
SETTLE_SECONDS = 0.5
SERVICE = "hyperstream.v1.OrderbookService"


@define(eq=False)
class Server:
    """A server, and one queue for each subscriber."""

    payload: Payload = field(factory=Payload)
    _queues: dict[asyncio.Queue[bytes], None] = field(factory=dict)
    _published: int = 0
    _dropped: int = 0

    async def run(self) -> None:
        """Serve, and answer questions until standard input ends."""
        relax_collector()
        server = grpc.aio.server()
        handler = grpc.unary_stream_rpc_method_handler(self._subscribe)
        calls = grpc.method_handlers_generic_handler(SERVICE, {"SubscribeOrderbook": handler})
        server.add_generic_rpc_handlers((calls,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        set_books_aside()
        answer({"port": port})
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            question = orjson.loads(line)
            if "messages" in question:
                answer(await self._publish(question["messages"], question["rate"]))
            else:
                answer(self._state())
        await server.stop(None)

    async def _subscribe(self, _request: bytes, context: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_MESSAGES)
        await context.send_initial_metadata(())
        self._queues[queue] = None
        try:
            while True:
                await context.write(await queue.get())
        finally:
            del self._queues[queue]

    def _state(self) -> dict[str, object]:
        counts = {"dropped": self._dropped}
        return {"subscribers": len(self._queues), "resident_bytes": resident_bytes(), "counts": counts}

    async def _publish(self, messages: int, rate: float) -> dict[str, object]:
        loop, payload = asyncio.get_running_loop(), self.payload
        encode = payload.topic.wire_format.encode
        began = time.process_time()
        due, late = loop.time(), 0.0
        for _ in range(messages):
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            late = max(late, loop.time() - due)
            self._published += 1
            body = encode(payload.delta(self._published))
            for queue in self._queues:
                try:
                    queue.put_nowait(body)
                except asyncio.QueueFull:
                    self._dropped += 1
        await asyncio.sleep(SETTLE_SECONDS)
        return {"cpu_seconds": time.process_time() - began, "late_ms": late * 1e3}


@click.command()
def main() -> None:
    """Serve until standard input ends."""
    set_up(LogSettings(level="warning"))
    allow_descriptors()
    asyncio.run(Server().run())


if __name__ == "__main__":
    main()
