"""The feed benchmark's measure, as a process: the ``websockets`` library in a bare loop.

    {"url": "ws://…", "parses": false}    {"messages": N, "cpu_seconds": …, "seconds": …}

As anybody would write it who wants messages counted, and compression off, for there is none on the other side
either. ``parses`` has every message parsed with orjson, for information.
"""

import asyncio
import sys
import time

import orjson
from websockets.asyncio.client import connect

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


def main() -> None:
    """Answer questions until standard input ends."""
    for line in sys.stdin.buffer:
        question = orjson.loads(line)
        began, cpu_began = time.perf_counter(), time.process_time()
        messages = asyncio.run((parse if question["parses"] else count)(question["url"]))
        cpu_seconds, seconds = time.process_time() - cpu_began, time.perf_counter() - began
        answer({"messages": messages, "cpu_seconds": cpu_seconds, "seconds": seconds})


if __name__ == "__main__":
    main()
