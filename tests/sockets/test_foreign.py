"""Real sockets and a foreign server: the `websockets` library, on asyncio in a thread of its own."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from hyperstream.sockets import (
    Connection,
    FixedDelay,
    Heartbeat,
    SocketConfig,
    State,
    StateChange,
    Subscription,
)

from .venue import ToyProtocol, toy_router

CERTIFICATES = Path(__file__).parent.parent / "servers" / "grpc" / "certificates"


@define(eq=False)
class ForeignVenue:
    """Speaks the toy venue's protocol with somebody else's WebSocket."""

    server: Server = field(init=False)
    connections: list[ServerConnection] = field(factory=list)
    closed: list[tuple[int | None, str | None]] = field(factory=list)

    def serve(self, context: ssl.SSLContext | None) -> None:
        self.server = serve(self.handle, "127.0.0.1", 0, ssl=context, compression=None)

    @property
    def port(self) -> int:
        return int(self.server.socket.getsockname()[1])

    def handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        try:
            for text in connection:
                self.obey(connection, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self.closed.append((connection.close_code, connection.close_reason))

    def obey(self, connection: ServerConnection, command: dict[str, Any]) -> None:
        match command:
            case {"op": "sub", "keys": keys, "id": number}:
                connection.send(json.dumps({"ok": number}))
                for key in keys:
                    connection.send(json.dumps({"key": key, "n": 1}))
            case {"op": "fragments", "parts": parts}:
                connection.send(iter(parts))
            case {"op": "flood", "count": count}:
                for number in range(count):
                    connection.send(json.dumps({"key": "flood", "n": number, "pad": "x" * (number % 300)}))
            case {"op": "close", "code": code}:
                connection.close(code, "as you wish")
            case {"op": "reset"}:
                linger = struct.pack("ii", 1, 0)
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.socket.close()


@asynccontextmanager
async def foreign_venue(context: ssl.SSLContext | None = None) -> AsyncIterator[ForeignVenue]:
    venue = ForeignVenue()
    venue.serve(context)
    thread = threading.Thread(target=venue.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield venue
    finally:
        venue.server.shutdown()
        for connection in venue.connections:
            connection.close()
        thread.join(10)


def connect(venue: ForeignVenue, received: list[Any], **settings: Any) -> Connection:
    scheme = "wss" if settings.get("ssl_context") else "ws"
    config = SocketConfig(
        "foreign", f"{scheme}://localhost:{venue.port}/", reconnect=FixedDelay(0.01), **settings
    )
    return Connection(config, toy_router(received), ToyProtocol())


async def arrived(received: Sized, count: int) -> None:
    with trio.fail_after(30):
        while len(received) < count:  # noqa: ASYNC110 - it comes from a thread, through the kernel
            await trio.sleep(0.01)


async def test_a_foreign_server_is_subscribed_to_and_left_with_a_goodbye() -> None:
    received: list[Any] = []
    async with foreign_venue() as venue:
        async with connect(venue, received) as connection:
            await connection.subscribe(Subscription("a"))
            await arrived(received, 1)
        assert received == [{"key": "a", "n": 1}]
        await arrived(venue.closed, 1)
    assert venue.closed == [(1000, "")]


async def test_a_flood_arrives_whole_and_in_order() -> None:
    received: list[Any] = []
    async with foreign_venue() as venue, connect(venue, received) as connection:
        await connection.wait_state(State.CONNECTED)
        await connection.send(json.dumps({"op": "flood", "count": 20_000}))
        await arrived(received, 20_000)
        assert [message["n"] for message in received] == list(range(20_000))
        assert all(len(message["pad"]) == message["n"] % 300 for message in received)


async def test_a_message_the_server_sends_in_fragments_is_one() -> None:
    received: list[Any] = []
    async with foreign_venue() as venue, connect(venue, received) as connection:
        await connection.wait_state(State.CONNECTED)
        await connection.send(json.dumps({"op": "fragments", "parts": ['{"key"', ': "☃', '"}']}))
        await arrived(received, 1)
        assert received == [{"key": "☃"}]


async def test_pings_of_ours_are_answered_by_a_foreign_server() -> None:
    async with foreign_venue() as venue, connect(venue, [], heartbeat=Heartbeat(0.02, 0.02)) as connection:
        await connection.wait_state(State.CONNECTED)
        while connection.statistics().latency_seconds is None:  # noqa: ASYNC110 - through the kernel
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"op": "close", "code": 1012}, "closed with 1012 service restart: as you wish"),
        ({"op": "close", "code": 4001}, "closed with 4001 private reserved: as you wish"),
        ({"op": "reset"}, "the connection broke without a goodbye (1006)"),
    ],
)
async def test_a_close_or_a_tcp_reset_is_told_and_survived(command: dict[str, Any], reason: str) -> None:
    received: list[Any] = []
    async with foreign_venue() as venue, connect(venue, received) as connection:
        events = connection.events()
        await connection.subscribe(Subscription("a"))
        await connection.send(json.dumps(command))
        await arrived(received, 2)  # what was subscribed is subscribed again
        told = [events.receive_nowait() for _ in range(len(events._events))]
        assert reason in [event.reason for event in told if isinstance(event, StateChange)]


async def test_tls_with_a_certificate_that_is_vouched_for() -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    ours = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    received: list[Any] = []
    async with foreign_venue(theirs) as venue:
        async with connect(venue, received, ssl_context=ours) as connection:
            await connection.subscribe(Subscription("a"))
            await connection.send(json.dumps({"op": "flood", "count": 2000}))
            await arrived(received, 2001)
        await arrived(venue.closed, 1)
        assert venue.closed == [(1000, "")]


async def test_a_real_server_that_answers_html_is_left_alone_politely() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        page = b"<html><body>maintenance</body></html>"
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)
        )
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, listeners)
        port = listeners[0].socket.getsockname()[1]
        config = SocketConfig("foreign", f"ws://127.0.0.1:{port}/", reconnect=FixedDelay(0.01))
        async with Connection(config, toy_router([])) as connection:
            events = connection.events()
            told = []
            with trio.fail_after(20):
                while connection.statistics().connect_failures < 3:
                    told.append(await events.receive())
            assert connection.statistics().connects == 0
        nursery.cancel_scope.cancel(reason="the test is over")
    reasons = {event.reason for event in told if isinstance(event, StateChange)}
    assert any("rejected: HTTP 200 (text/html) instead of a handshake" in reason for reason in reasons)
