"""The feed benchmark's measure, as a process: the ``websockets`` library in a bare loop.

    {"url": "ws://…", "parses": false}         {"messages": N, "cpu_seconds": …, "seconds": …}
    {"url": "ws://…", "timed_messages": N}     {"latencies_ns": […]}

As anybody would write it who wants messages counted, and compression off, for there is none on the other side
either. ``parses`` has every message parsed with orjson, for information. ``timed_messages`` are frames of
``feed_venue.py``, which say when they were written: what the same frames take on this machine at this time.
"""

import asyncio
import sys
import time

import orjson
from websockets.asyncio.client import connect

from benchmarks.feed_stamps import frame_time_ns
from benchmarks.processes import answer


async def count(url: str) -> int:
    """Receive until the server says goodbye; return the messages."""
    messages = 0
    async with connect(url, compression=None) as socket:
        async for _ in socket:
            messages += 1
    return messages


async def parse(url: str) -> int:
    """Receive and parse until the server says goodbye; return the messages."""
    messages = 0
    async with connect(url, compression=None) as socket:
        async for message in socket:
            orjson.loads(message)
            messages += 1
    return messages


async def time_frames(url: str, messages: int) -> list[int]:
    """Receive so many stamped frames; return how long each took, in ns."""
    noted: list[tuple[int, str | bytes]] = []
    async with connect(url, compression=None) as socket:
        async for message in socket:
            noted.append((time.time_ns(), message))
            if len(noted) == messages:
                break
    return [time_ns - frame_time_ns(message) for time_ns, message in noted]


def main() -> None:
    """Answer questions until standard input ends."""
    for line in sys.stdin.buffer:
        question = orjson.loads(line)
        if "timed_messages" in question:
            latencies = asyncio.run(time_frames(question["url"], question["timed_messages"]))
            answer({"latencies_ns": latencies})
            continue
        began, cpu_began = time.perf_counter(), time.process_time()
        messages = asyncio.run((parse if question["parses"] else count)(question["url"]))
        cpu_seconds, seconds = time.process_time() - cpu_began, time.perf_counter() - began
        answer({"messages": messages, "cpu_seconds": cpu_seconds, "seconds": seconds})


if __name__ == "__main__":
    main()
