"""A small venue that speaks true WebSocket over memory streams, with hooks for every kind of trouble.

Its protocol: ``{"op": "sub" | "unsub", "keys": [...], "id": n}`` is answered by ``{"ok": n}`` or
``{"no": n, "bad": [...], "why": "…"}``; data is ``{"key": …, "n": …}``; ``{"op": "ping"}`` → ``{"pong": 1}``.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

import trio
import trio.testing
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from hyperstream.sockets import (
    Accepted,
    Command,
    Connection,
    Endpoint,
    FixedDelay,
    Pong,
    Protocol,
    Rejected,
    Reply,
    Router,
    SocketConfig,
    Subscription,
)

CONTROL = "control"


class ToyProtocol(Protocol):
    """The client's side of the venue's protocol."""

    control_keys = frozenset({CONTROL})

    def subscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        return self._build("sub", subscriptions, new_id())

    def unsubscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        return self._build("unsub", subscriptions, new_id())

    @staticmethod
    def _build(op: str, subscriptions: Sequence[Subscription], number: int) -> list[Command]:
        text = json.dumps({"op": op, "keys": [one.key for one in subscriptions], "id": number})
        return [Command(text, tuple(subscriptions), number)]

    def reply(self, message: Any) -> Reply | None:
        if "ok" in message:
            return Accepted(command=message["ok"])
        if "no" in message:
            return Rejected(message["why"], command=message["no"], keys=tuple(message["bad"]))
        return Pong() if "pong" in message else None

    def ping(self, new_id: Callable[[], int]) -> str:
        return json.dumps({"op": "ping", "id": new_id()})

    def speaker(self, message: Any) -> Hashable | None:
        return message.get("key")  # type: ignore[no-any-return]


def toy_key(message: Any) -> Hashable:
    key: Hashable = message.get("key", CONTROL)
    return key


def toy_router(received: list[Any]) -> Router:
    router = Router(decode=json.loads, key=toy_key)
    router.add(handler=received.append)
    return router


@define(eq=False)
class Visit:
    """One connection to the venue, from its side."""

    venue: Venue
    socket: WebSocketConnection
    stream: trio.abc.Stream
    number: int
    headers: dict[str, str]
    subscribed: dict[str, int] = field(factory=dict)
    commands: list[tuple[float, dict[str, Any]]] = field(factory=list)
    closed: Any = None
    deaf: trio.CancelScope = field(factory=trio.CancelScope)

    async def send(self, message: Any) -> None:
        await self.socket.send_message(json.dumps(message))

    async def serve(self) -> None:
        try:
            while True:
                text = await self.socket.get_message()
                command = json.loads(text)
                self.commands.append((trio.current_time(), command))
                await self.venue.behave(self, command)
        except ConnectionClosed:
            self.closed = self.socket.closed

    async def obey(self, command: dict[str, Any]) -> None:
        """What a well-behaved venue does."""
        match command:
            case {"op": "sub", "keys": keys, "id": number}:
                bad = [key for key in keys if key in self.venue.bad]
                if any(key in self.venue.deadly for key in keys):
                    await self.hang_up()
                elif bad:
                    await self.send({"no": number, "bad": bad[:1], "why": f"no such key: {bad[0]}"})
                else:
                    self.subscribed |= dict.fromkeys(keys, 0)
                    await self.send({"ok": number})
            case {"op": "unsub", "keys": keys, "id": number}:
                for key in keys:
                    self.subscribed.pop(key, None)
                await self.send({"ok": number})
            case {"op": "ping"}:
                await self.send({"pong": 1})
            case {"op": "echo", "id": number}:
                await self.send({"ok": number, "echo": command})

    async def publish(self, key: str) -> None:
        self.subscribed[key] += 1
        await self.send({"key": key, "n": self.subscribed[key]})

    def deafen(self) -> None:
        """Read and answer nothing any more, pings and goodbyes included; the connection stays open."""
        self.deaf.cancel(reason="the venue stalls")

    async def blurt(self, data: bytes) -> None:
        """Send bytes as they are, between two frames of the library's."""
        async with self.socket._stream_lock:
            await self.stream.send_all(data)

    async def hang_up(self) -> None:
        """Close TCP without a goodbye."""
        await trio.aclose_forcefully(self.stream)


async def obey(visit: Visit, command: dict[str, Any]) -> None:
    await visit.obey(command)


@define(eq=False)
class Venue:
    """Serves every connection its ``opener`` makes; ``refuse`` is called first and may raise."""

    nursery: trio.Nursery
    behave: Callable[[Visit, dict[str, Any]], Awaitable[None]] = obey
    refuse: Callable[[int], Awaitable[None] | None] = lambda _number: None
    bad: set[str] = field(factory=set)
    deadly: set[str] = field(factory=set)
    visits: list[Visit] = field(factory=list)
    attempts: list[float] = field(factory=list)

    async def opener(self, endpoint: Endpoint, context: ssl.SSLContext | None) -> trio.abc.Stream:
        self.attempts.append(trio.current_time())
        refusal = self.refuse(len(self.attempts))
        if refusal is not None:
            await refusal
        near, far = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._serve, far)
        return near

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            await self._receive(stream)
        except* LocalProtocolError:  # a ping met trio-websocket's own goodbye
            await trio.aclose_forcefully(stream)

    async def _receive(self, stream: trio.abc.Stream) -> None:
        deaf = trio.CancelScope()
        with deaf:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, stream)
                headers = {name.decode(): value.decode() for name, value in request.headers}
                try:
                    socket = await request.accept()
                except ConnectionClosed:
                    pass  # the client did not wait for it
                else:
                    visit = Visit(self, socket, stream, len(self.visits) + 1, headers, deaf=deaf)
                    self.visits.append(visit)
                    await visit.serve()
                await trio.aclose_forcefully(stream)

    @property
    def visit(self) -> Visit:
        return self.visits[-1]

    def connect(self, router: Router, **settings: Any) -> Connection:
        """Return a connection to this venue, whose pings are off unless asked for."""
        settings = {"heartbeat": None, "reconnect": FixedDelay(1.0), **settings}
        config = SocketConfig("toy", "ws://venue.test/ws", **settings)
        return Connection(config, router, ToyProtocol(), opener=self.opener)


async def silent(_visit: Visit, _command: dict[str, Any]) -> None:
    """A venue that answers nothing."""


def keys(visit: Visit, op: str) -> list[list[str]]:
    """The keys of each command of a kind, in the order they came in."""
    return [command["keys"] for _, command in visit.commands if command.get("op") == op]
