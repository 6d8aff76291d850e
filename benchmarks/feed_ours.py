"""The feed benchmark's subject, as a process: `hyperstream.sockets` with a venue's decoder.

    {"url": "ws://…", "venue": "binance"}    {"messages": N, "cpu_seconds": …, "seconds": …}

Everything a feed's connection does is here: states, heartbeat, silence watched for each subscription, routes
that count, frames checked and read into values. A message counts when a route's handler has got its values.
"""

import sys
import time
from operator import itemgetter
from typing import Any

import click
import orjson
import trio
from attrs import define

from benchmarks.feed_frames import SOURCES
from benchmarks.measure import profiling
from benchmarks.processes import answer
from hyperstream.config import LogSettings
from hyperstream.logs import set_up
from hyperstream.sockets import Connection, Never, Router, SocketConfig, State, Subscription

SILENCE_SECONDS = 60.0


@define(eq=False)
class Counter:
    """A handler that counts what it gets."""

    messages: int = 0

    def take(self, message: tuple[str, Any]) -> None:
        """Count a message with values."""
        if message[1] is not None:
            self.messages += 1


async def receive(venue: str, url: str) -> int:
    """Receive until the server says goodbye; return the messages that were read into values."""
    source, counter = SOURCES[venue](), Counter()
    decode, now_ns = source.decoder().decode, time.time_ns
    router = Router(lambda frame: decode(frame, now_ns()), itemgetter(0))
    router.add(handler=counter.take, name=venue)
    wanted = [Subscription(stream, max_silence_seconds=SILENCE_SECONDS) for stream in source.streams]
    async with Connection(
        SocketConfig(venue, url, reconnect=Never()), router, source.protocol()
    ) as connection:
        connection.subscribe_nowait(*wanted)
        await connection.wait_state(State.SHUTTING_DOWN)
    return counter.messages


@click.command()
@click.option("--profile", "is_profiled", is_flag=True, help="Profile the receiving; printed to errors.")
def main(is_profiled: bool) -> None:
    """Answer questions until standard input ends."""
    set_up(LogSettings(level="error"))
    for line in sys.stdin.buffer:
        question = orjson.loads(line)
        began, cpu_began = time.perf_counter(), time.process_time()
        with profiling(is_profiled):
            messages = trio.run(receive, question["venue"], question["url"])
        cpu_seconds, seconds = time.process_time() - cpu_began, time.perf_counter() - began
        answer({"messages": messages, "cpu_seconds": cpu_seconds, "seconds": seconds})


if __name__ == "__main__":
    main()
