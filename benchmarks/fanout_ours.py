"""The fan-out's server under test, as a process: GrpcServer and Hub, and a driver that publishes.

Everything between ``Topic.publish`` and the socket is the daemon's own. It answers lines of JSON:

    (start)                            {"port": P}
    {"ask": "state"}                   {"subscribers": N, "resident_bytes": …, "cuts": …}
    {"messages": 300, "rate": 60}      {"cpu_seconds": …, "late_ms": …}

``cpu_seconds`` is this process's processor time from the first message to half a second after the last.
"""

import os
import time
from functools import partial

import click
import orjson
import trio
from attrs import define, field

from benchmarks.fanout_payload import Payload
from benchmarks.measure import allow_descriptors, profiling, resident_bytes
from benchmarks.processes import LineReader, answer
from hyperstream.config import LogSettings, load
from hyperstream.engine.collector import relax_collector, set_books_aside
from hyperstream.logs import set_up
from hyperstream.servers.grpc.server import GrpcServer
from hyperstream.slow_steps import SlowStepLog

SETTLE_SECONDS = 0.5


@define(eq=False)
class Server:
    """A server, and the topic everybody follows."""

    payload: Payload = field(factory=Payload)
    _grpc: GrpcServer = field(init=False)
    _published: int = 0

    def __attrs_post_init__(self) -> None:
        settings = load(overrides=["grpc.listen=127.0.0.1:0"], environ={})
        engine = self.payload.engine
        self._grpc = GrpcServer(settings.grpc, engine, engine.hub, time.time_ns)

    async def run(self, *, is_profiled: bool) -> None:
        """Serve, and answer questions until standard input ends."""
        relax_collector()
        set_books_aside()
        with SlowStepLog():
            async with trio.open_nursery() as nursery:
                _, port = await nursery.start(self._grpc.run, name="grpc")
                answer({"port": port})
                questions = LineReader(trio.lowlevel.FdStream(os.dup(0)))
                while line := await questions.line():
                    question = orjson.loads(line)
                    if "messages" in question:
                        with profiling(is_profiled):
                            answer(await self._publish(question["messages"], question["rate"]))
                    else:
                        answer(self._state())
                nursery.cancel_scope.cancel(reason="standard input ended")

    def _state(self) -> dict[str, object]:
        hub = self.payload.engine.hub.statistics()
        return {
            "subscribers": hub.subscriptions,
            "resident_bytes": resident_bytes(),
            "counts": hub.counts,
        }

    async def _publish(self, messages: int, rate: float) -> dict[str, object]:
        payload, hub = self.payload, self.payload.engine.hub
        began = time.process_time()
        due, late = trio.current_time(), 0.0
        for _ in range(messages):
            due += 1 / rate
            await trio.sleep_until(due)
            late = max(late, trio.current_time() - due)
            self._published += 1
            payload.topic.publish(payload.delta(self._published))
            hub.flush()
        await trio.sleep(SETTLE_SECONDS)
        return {"cpu_seconds": time.process_time() - began, "late_ms": late * 1e3}


@click.command()
@click.option("--profile", "is_profiled", is_flag=True, help="Profile the publishing; printed to errors.")
def main(is_profiled: bool) -> None:
    """Serve until standard input ends."""
    set_up(LogSettings(level="warning"))
    allow_descriptors()
    trio.run(partial(Server().run, is_profiled=is_profiled))


if __name__ == "__main__":
    main()
