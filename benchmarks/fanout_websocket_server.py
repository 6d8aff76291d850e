"""The WebSocket servers of the fan-out, as a process: ours, and two as people write them.

    ours         WebSocketServer and Hub: all between the publishing of trades and the socket is the daemon's
    trio         trio-websocket: a memory channel and a task for each client, ``send_message`` in it
    websockets   the websockets library: its own ``broadcast`` to all connections

None compresses (``--deflate`` lets ours), and the messages are the same. Questions and answers are those of
``fanout_ours.py``.
"""

import asyncio
import os
import sys
import time
from functools import partial
from typing import Any, Protocol

import click
import orjson
import trio
import trio_websocket
from attrs import define, field
from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.fanout_websocket_payload import TradesPayload
from benchmarks.measure import allow_descriptors, profiling, resident_bytes
from benchmarks.processes import LineReader, answer
from hyperstream.config import ListenAddress, LogSettings, WebSocketSettings
from hyperstream.engine.collector import relax_collector, set_books_aside
from hyperstream.logs import set_up
from hyperstream.servers.websocket.content import Content
from hyperstream.servers.websocket.server import WebSocketServer
from hyperstream.slow_steps import SlowStepLog

SETTLE_SECONDS = 0.5
QUEUE_MESSAGES = 1000


class Contender(Protocol):
    """A server: publishes a message, and knows how many would get it."""

    def publish(self, number: int) -> None:
        """Send to everybody."""

    def subscribers(self) -> int:
        """How many there are."""


async def answer_questions(contender: Contender, *, is_profiled: bool) -> None:
    """Publish when asked to, until standard input ends."""
    questions = LineReader(trio.lowlevel.FdStream(os.dup(0)))
    published = 0
    while line := await questions.line():
        question = orjson.loads(line)
        if "messages" not in question:
            answer({"subscribers": contender.subscribers(), "resident_bytes": resident_bytes()})
            continue
        with profiling(is_profiled):
            began = time.process_time()
            due = trio.current_time()
            for _ in range(question["messages"]):
                due += 1 / question["rate"]
                await trio.sleep_until(due)
                published += 1
                contender.publish(published)
            await trio.sleep(SETTLE_SECONDS)
        answer({"cpu_seconds": time.process_time() - began})


@define(eq=False)
class Ours:
    """The gateway."""

    payload: TradesPayload

    def publish(self, number: int) -> None:
        self.payload.publish(number)

    def subscribers(self) -> int:
        return self.payload.engine.hub.statistics().subscriptions


async def run_ours(*, deflates: bool, is_profiled: bool) -> None:
    payload = TradesPayload()
    settings = WebSocketSettings(
        listen=ListenAddress("127.0.0.1", 0), compression=deflates, compression_threshold_bytes=0
    )
    content = Content(settings, payload.engine, payload.engine.hub, lambda _request: None, {})
    server = WebSocketServer(settings, payload.engine.hub, content)
    set_books_aside()
    with SlowStepLog():
        async with trio.open_nursery() as nursery:
            _, port = await nursery.start(server.run)
            answer({"port": port})
            await answer_questions(Ours(payload), is_profiled=is_profiled)
            nursery.cancel_scope.cancel(reason="standard input ended")


@define(eq=False)
class TrioWebsocket:
    """trio-websocket, as its documentation serves: a handler a client."""

    payload: TradesPayload
    clients: dict[trio.MemorySendChannel[str], None] = field(factory=dict)

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.get_message()
        await connection.send_message("{}")
        send, receive = trio.open_memory_channel[str](QUEUE_MESSAGES)
        self.clients[send] = None
        try:
            async for text in receive:
                await connection.send_message(text)
        except trio_websocket.ConnectionClosed:
            return  # or the whole server would end
        finally:
            del self.clients[send]

    def publish(self, number: int) -> None:
        text = self.payload.text(number)
        for client in self.clients:
            client.send_nowait(text)

    def subscribers(self) -> int:
        return len(self.clients)


async def run_trio(*, is_profiled: bool) -> None:
    server = TrioWebsocket(TradesPayload())
    set_books_aside()
    async with trio.open_nursery() as nursery:
        started: Any = await nursery.start(
            partial(trio_websocket.serve_websocket, server.serve, "127.0.0.1", 0, ssl_context=None)
        )
        answer({"port": started.port})
        await answer_questions(server, is_profiled=is_profiled)
        nursery.cancel_scope.cancel(reason="standard input ended")


@define(eq=False)
class Websockets:
    """The websockets library, as its documentation broadcasts."""

    payload: TradesPayload
    clients: set[ServerConnection] = field(factory=set)

    async def serve(self, connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("{}")
        self.clients.add(connection)
        try:
            await connection.wait_closed()
        finally:
            self.clients.discard(connection)


async def run_websockets() -> None:
    server = Websockets(TradesPayload())
    published = 0
    options: dict[str, Any] = {"compression": None, "ping_interval": None, "backlog": 4096}
    async with serve(server.serve, "127.0.0.1", 0, **options) as bound:
        set_books_aside()
        answer({"port": next(iter(bound.sockets)).getsockname()[1]})
        loop = asyncio.get_running_loop()
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            question = orjson.loads(line)
            if "messages" not in question:
                answer({"subscribers": len(server.clients), "resident_bytes": resident_bytes()})
                continue
            began = time.process_time()
            due = loop.time()
            for _ in range(question["messages"]):
                due += 1 / question["rate"]
                await asyncio.sleep(max(0.0, due - loop.time()))
                published += 1
                broadcast(server.clients, server.payload.text(published))
            await asyncio.sleep(SETTLE_SECONDS)
            answer({"cpu_seconds": time.process_time() - began})


@click.command()
@click.option("--kind", type=click.Choice(["ours", "trio", "websockets"]), required=True)
@click.option("--deflate", is_flag=True, help="Let clients take compressed messages (ours).")
@click.option("--profile", "is_profiled", is_flag=True, help="Profile the publishing; printed to errors.")
def main(kind: str, deflate: bool, is_profiled: bool) -> None:
    """Serve until standard input ends."""
    set_up(LogSettings(level="warning"))
    allow_descriptors()
    relax_collector()
    if kind == "ours":
        trio.run(partial(run_ours, deflates=deflate, is_profiled=is_profiled))
    elif kind == "trio":
        trio.run(partial(run_trio, is_profiled=is_profiled))
    else:
        asyncio.run(run_websockets())


if __name__ == "__main__":
    main()
