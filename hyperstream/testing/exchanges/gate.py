"""The way in: one port for WebSocket and HTTP, trouble at the door, keep-alive.

h11 reads every request. One that wants an upgrade is handed to wsproto together with whatever came
after it; all others are answered until the client goes.
"""

import ssl
from typing import TYPE_CHECKING

import h11
import trio
from attrs import define
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from hyperstream.testing.exchanges.outbox import drop, reset
from hyperstream.testing.http import Answer, HttpConnection, Question

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.venue import FakeVenue

HANDSHAKE_SECONDS = 10.0
IDLE_SECONDS = 120.0
DROP_SECONDS = 1.0


async def admit(venue: "FakeVenue", stream: trio.abc.Stream, peer: str, tls: ssl.SSLContext | None) -> None:
    """Serve one connection until it ends, however it ends."""
    venue.statistics.connections += 1
    try:
        if venue.trouble.is_refusing():
            await reset(stream)
            return
        if tls is not None:
            stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
            with trio.fail_after(HANDSHAKE_SECONDS):
                await stream.do_handshake()
        await _Connection(venue, HttpConnection(stream, peer)).run()
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, h11.ProtocolError):
        venue.statistics.broken_connections += 1
    finally:
        with trio.move_on_after(DROP_SECONDS, shield=True):
            await drop(stream)


@define(eq=False)
class _Connection:
    venue: "FakeVenue"
    http: HttpConnection

    async def run(self) -> None:
        while True:
            with trio.fail_after(IDLE_SECONDS):
                question = await self.http.next_question()
            if question is None:
                return
            if "websocket" in question.headers.get("upgrade", "").lower():
                await self._upgrade(question)
                return
            await self.http.reply(await self._answer(question))

    async def _answer(self, question: Question) -> Answer:
        self.venue.statistics.requests += 1
        answer = self.venue.trouble.rest_answer() or self.venue.rest(question)
        seconds = self.venue.trouble.rest_delay_seconds() + answer.delay_seconds
        if seconds:
            await trio.sleep(seconds)
        return answer

    async def _upgrade(self, question: Question) -> None:
        venue = self.venue
        seconds = venue.trouble.handshake_delay_seconds()
        if seconds:
            await trio.sleep(seconds)
        found = venue.trouble.handshake_answer() or venue.open_session(question)
        if isinstance(found, Answer):
            venue.statistics.refused_handshakes += 1
            await self.http.reply(found)
            return
        websocket = WSConnection(ConnectionType.SERVER)
        try:
            websocket.initiate_upgrade_connection(
                [
                    (name.encode("latin-1"), value.encode("latin-1"))
                    for name, value in question.headers.items()
                ],
                question.path,
            )
            (request,) = websocket.events()
            assert isinstance(request, Request)
            extensions: list[Extension] = []
            if venue.compresses:
                extensions = [
                    PerMessageDeflate(client_no_context_takeover=True, server_no_context_takeover=True)
                ]
            out = websocket.send(AcceptConnection(extensions=extensions))
        except (RemoteProtocolError, LocalProtocolError):
            await self.http.reply(Answer.text("not a WebSocket handshake", 400))
            return
        session = venue.begin(
            found, self.http.stream, question, websocket, compresses=b"permessage-deflate" in out
        )
        session.outbox.put(out)  # whoever has read it finds the session there
        try:
            await session.run(self.http.trailing)
        finally:
            venue.sessions.remove(session)
