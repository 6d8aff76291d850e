"""A venue that says what it is told to say: frames as they were recorded, in order, and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import trio
import trio.testing
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from hyperstream.market.venues import FeedItem, FeedTopic
from hyperstream.sockets import Endpoint
from hyperstream.sources.exchanges.feed import Feed
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.state import CONNECTED
from hyperstream.sources.exchanges.timing import FeedTiming
from tests.sources.exchanges.world import VENUES, make_venue


def _acknowledge(venue: str, request: Any) -> str:
    """What the venue answers to a request: Hyperliquid echoes it, the others name its number."""
    if venue == "hyperliquid":
        return orjson.dumps({"channel": "subscriptionResponse", "data": request}).decode()
    if venue == "bybit":
        answer = {"success": True, "ret_msg": "", "req_id": request.get("req_id", ""), "op": request["op"]}
        return orjson.dumps(answer).decode()
    return orjson.dumps({"result": None, "id": request["id"]}).decode()


@define(eq=False)
class Scripted:
    """A feed, and the venue that says what ``say`` is given, on every connection there is.

    ``answers`` maps a path, or the type of question Hyperliquid is asked, to the JSON of the answer.
    """

    venue: str
    answers: Mapping[str, Any]
    items: list[FeedItem] = field(factory=list)
    batches: list[list[FeedItem]] = field(factory=list)
    requests: list[Any] = field(factory=list)
    feed: Feed = field(init=False)
    _connections: list[tuple[WSConnection, trio.abc.Stream]] = field(factory=list, init=False)

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer HTTP."""
        body = orjson.loads(request.content) if request.content else {}
        key = " ".join(filter(None, (body.get("type"), body.get("dex")))) if body else request.url.path
        return httpx.Response(200, json=self.answers[key])

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Accept one WebSocket, and acknowledge whatever it asks for."""
        socket = WSConnection(ConnectionType.SERVER)
        async with stream:
            while data := await stream.receive_some(65_536):
                socket.receive_data(bytes(data))
                for event in socket.events():
                    await self._answer(socket, stream, event)

    async def _answer(self, socket: WSConnection, stream: trio.abc.Stream, event: object) -> None:
        if isinstance(event, Request):
            self._connections.append((socket, stream))
            await stream.send_all(socket.send(AcceptConnection()))
        elif isinstance(event, TextMessage):
            request = orjson.loads(event.data)
            if request.get("method") == "ping" or request.get("op") == "ping":
                return
            self.requests.append(request)
            await stream.send_all(socket.send(TextMessage(_acknowledge(self.venue, request))))
        elif isinstance(event, Ping | CloseConnection):
            await stream.send_all(socket.send(event.response()))

    async def say(self, frames: Sequence[str]) -> None:
        """Say frames on every connection, and wait until all of them were taken."""
        for socket, stream in self._connections:
            for frame in frames:
                await stream.send_all(socket.send(TextMessage(frame)))
        await trio.testing.wait_all_tasks_blocked(0.01)

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        with trio.move_on_after(60) as scope:
            while not is_so():  # noqa: ASYNC110 - the clock jumps
                await trio.sleep(0.05)
        assert not scope.cancelled_caught, f"never: {what}; {self.feed.statistics()}"

    async def ready(self) -> None:
        """Wait until everything is subscribed."""
        feed = self.feed
        await self.until(
            lambda: feed.state == CONNECTED and all(line.is_complete for line in feed.lines.in_use),
            "connected",
        )


@asynccontextmanager
async def scripted(
    venue: str, topics: Sequence[FeedTopic], answers: Mapping[str, Any], **settings: Any
) -> AsyncIterator[Scripted]:
    """Run a feed that follows these topics against a scripted venue."""
    assert venue in VENUES
    here = Scripted(venue, answers)
    send, receive = trio.open_memory_channel[list[FeedItem]](256)

    async with trio.open_nursery() as nursery:

        async def open_stream(endpoint: Endpoint, context: ssl.SSLContext | None) -> trio.abc.Stream:
            del endpoint, context
            await trio.lowlevel.checkpoint()
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(here.serve, theirs)
            return ours

        async def collect() -> None:
            async for batch in receive:
                here.batches.append(batch)
                here.items.extend(batch)

        made = make_venue(venue, FeedTiming(), **settings)
        made.always = tuple(topics)
        here.feed = Feed(
            made,
            Outbox(send),
            lambda: round(trio.current_time() * 1e9),
            open_stream,
            httpx.MockTransport(here.respond),
        )
        nursery.start_soon(collect, name="collect")
        nursery.start_soon(here.feed.run, name=f"feed: {venue}")
        await here.ready()
        yield here
        nursery.cancel_scope.cancel(reason="the test is over")
