"""One connection from its first byte to its last: TLS, requests, and the WebSocket one of them may become."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

import trio
from attrs import define, field
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import Extension

from hyperstream.hub.hub import Hub
from hyperstream.servers.door.http import HttpPeer, HttpRefusal, HttpRequest
from hyperstream.servers.door.transport import Transport
from hyperstream.servers.door.usage import Usage
from hyperstream.servers.websocket.deflate import BoundedDeflate
from hyperstream.servers.websocket.handshake import PATHS, Upgrade, Visitors, is_upgrade
from hyperstream.servers.websocket.session import Dialect, Session, SessionLimits, Watchman

INFO_PATH = "/info"
HANDSHAKE_SECONDS = 5.0
NEXT_REQUEST_SECONDS = 30.0
FAREWELL_SECONDS = 1.0
_JSON = (("content-type", "application/json"),)
_TEXT = (("content-type", "text/plain; charset=utf-8"),)
_GREETING = b"""hyperstream's WebSocket gateway.

  /ws     WebSocket: Hyperliquid's subscriptions, and topics of exchanges
  /info   POST: Hyperliquid's info requests, as far as they can be answered here
"""


class Answering(Protocol):
    """What is served: info requests, and what is spoken on a WebSocket."""

    @property
    def is_ready(self) -> bool:
        """Whether there is anything to subscribe to yet."""

    async def run(self) -> None:
        """Tell what is told by the clock, until cancelled."""

    def answer_info(self, body: bytes) -> bytes:
        """The JSON that answers an info request. Raises HttpRefusal."""

    def open_dialect(self, session: Session, window_bits: int) -> Dialect:
        """What is spoken on a new session; ``window_bits`` is 0 unless it takes compressed messages."""


class House(Watchman, Protocol):
    """What a connection is told by its server."""

    hub: Hub
    visitors: Visitors
    limits: SessionLimits
    content: Answering
    is_draining: bool

    def opened(self, session: Session) -> None:
        """A WebSocket has been opened."""

    def closed(self, session: Session) -> None:
        """It has ended."""


@define(eq=False)
class PeerConnection:
    """One accepted socket. ``run`` serves it; closing the transport is its caller's business."""

    transport: Transport
    house: House
    _http: HttpPeer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._http = HttpPeer(self.transport, self.house.limits.inbox.max_message_bytes)

    async def run(self) -> None:
        """Serve requests until the peer goes, is turned away, or has had its WebSocket."""
        upgraded: tuple[HttpRequest, Usage | None] | None = None
        try:
            seconds = HANDSHAKE_SECONDS
            while upgraded is None:
                with trio.move_on_after(seconds) as deadline:
                    if seconds == HANDSHAKE_SECONDS:
                        await self.transport.handshake()
                    request = await self._http.read()
                    if request is None:
                        return
                    usage = self.house.visitors.judge(request)
                    if is_upgrade(request) and request.path in PATHS:
                        upgraded = request, usage
                    else:
                        self._answer(request)
                        await self.transport.flush()
                if deadline.cancelled_caught:
                    if seconds == HANDSHAKE_SECONDS:
                        self.house.tell("handshakes too slow")
                    return
                seconds = NEXT_REQUEST_SECONDS
            await self._upgrade(*upgraded)
        except HttpRefusal as refusal:
            if refusal.cause:
                self.house.tell(refusal.cause)
            self._http.refuse(refusal)
            await self._say_goodbye()
        except trio.BrokenResourceError:
            return

    async def _say_goodbye(self) -> None:
        """Let the peer read why, before the socket is closed on what it may still be sending."""
        with trio.move_on_after(FAREWELL_SECONDS):
            await self.transport.flush()
            await self.transport.hear_out()

    # --- requests ---

    def _answer(self, request: HttpRequest) -> None:
        origin = self.house.visitors.cross_origin_headers(request)
        if request.path == INFO_PATH and request.method == "POST":
            try:
                body = self.house.content.answer_info(request.body)
            except HttpRefusal as refusal:
                self._http.answer(refusal.status, refusal.text.encode(), (*_TEXT, *origin))
                return
            self._http.answer(HTTPStatus.OK, body, (*_JSON, *origin))
        elif request.path == INFO_PATH and request.method == "OPTIONS":
            allowed = (
                ("access-control-allow-methods", "POST"),
                ("access-control-allow-headers", "content-type, authorization, x-api-key"),
                ("access-control-max-age", "86400"),
            )
            self._http.answer(HTTPStatus.NO_CONTENT, b"", (*allowed, *origin))
        elif request.path == INFO_PATH:
            self._http.answer(HTTPStatus.METHOD_NOT_ALLOWED, b"POST it\n", (("allow", "POST"), *_TEXT))
        elif request.path in PATHS:
            text = b"this is a WebSocket: connect with a WebSocket client\n"
            self._http.answer(HTTPStatus.UPGRADE_REQUIRED, text, (("upgrade", "websocket"), *_TEXT))
        elif request.path == "/" and request.method in ("GET", "HEAD"):
            self._http.answer(HTTPStatus.OK, _GREETING, _TEXT)
        else:
            self._http.answer(HTTPStatus.NOT_FOUND, b"there are /ws and /info here\n", _TEXT)

    # --- the WebSocket ---

    async def _upgrade(self, request: HttpRequest, usage: Usage | None) -> None:
        house = self.house
        if house.is_draining:
            text = "hyperstream is shutting down; connect again in a moment"
            raise HttpRefusal(HTTPStatus.SERVICE_UNAVAILABLE, text)
        if not house.content.is_ready:
            # A client that came back too early tries again after this; told later, that there is no such
            # market, it would drop its subscriptions for good.
            text = "the books are still being loaded; connect again in a few seconds"
            raise HttpRefusal(HTTPStatus.SERVICE_UNAVAILABLE, text, headers=(("retry-after", "1"),))
        upgrade = house.visitors.upgrade(request)
        if usage is None:
            await self._run_session(upgrade, None)
            return
        why = usage.open_stream(self)
        if why:
            raise HttpRefusal(HTTPStatus.TOO_MANY_REQUESTS, why, "keys past their limits")
        try:
            await self._run_session(upgrade, usage)
        finally:
            usage.close_stream(self, 0)

    async def _run_session(self, upgrade: Upgrade, usage: Usage | None) -> None:
        house = self.house
        early = self._http.switch(upgrade.headers)
        del self._http  # its parser is of no use to a session that lives for days
        extensions: list[Extension] = []
        if upgrade.window_bits:
            extensions.append(BoundedDeflate(house.limits.inbox.max_message_bytes))
        protocol = Connection(ConnectionType.SERVER, extensions, early)
        session = Session(self.transport, protocol, house.hub, house, house.limits, usage)
        house.opened(session)
        try:
            await session.run(house.content.open_dialect(session, upgrade.window_bits))
        finally:
            house.closed(session)
