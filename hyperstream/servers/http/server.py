"""The operator's pages as a Trio service.

They are small, made when asked for, and for few readers: at most ``MAX_CONNECTIONS`` at a time. They stay
open until everything else has ended, so that a drain can be watched. Books do not depend on them: where the
port is taken the daemon says so and goes on without.
"""

from __future__ import annotations

import socket
from collections import Counter
from http import HTTPStatus

import structlog
import trio
from attrs import define, field

from hyperstream.config import HttpSettings
from hyperstream.errors import ConfigurationError
from hyperstream.log_once import LogOnce
from hyperstream.servers.door.binding import bind
from hyperstream.servers.door.http import HttpPeer, HttpRefusal, HttpRequest
from hyperstream.servers.door.limits import ConnectionLimits
from hyperstream.servers.door.listener import accept_connections
from hyperstream.servers.door.transport import Transport
from hyperstream.servers.door.turnstile import Turnstile
from hyperstream.servers.http.pages import Figures, Page, Pages

log = structlog.get_logger("hyperstream.http")

MAX_CONNECTIONS = 64
FIRST_REQUEST_SECONDS = 5.0
NEXT_REQUEST_SECONDS = 30.0
FAREWELL_SECONDS = 1.0
MAX_BODY_BYTES = 1024
_HEADERS = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'"),
)


@define(eq=False)
class HttpServer:
    """Serves the pages of ``figures`` on one port; ``inherited`` is a socket that listens already."""

    settings: HttpSettings
    figures: Figures
    inherited: socket.socket | None = None
    counts: Counter[str] = field(factory=Counter)
    _pages: Pages = field(init=False)
    _limits: ConnectionLimits = field(factory=lambda: ConnectionLimits(MAX_CONNECTIONS, MAX_CONNECTIONS))
    _nursery: trio.Nursery | None = None
    _turnstile: Turnstile = field(factory=Turnstile)
    _end: trio.Event = field(factory=trio.Event)
    _told: LogOnce = field(factory=lambda: LogOnce(log, trio.current_time))

    def __attrs_post_init__(self) -> None:
        self._pages = Pages(self.figures)

    async def run(
        self, *, task_status: trio.TaskStatus[tuple[str, int] | None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until ``close``. Started with the address, None if the port is not to be had."""
        try:
            listener = bind(self.settings.listen, "HTTP", "http.listen", self.inherited)
        except ConfigurationError as exc:
            log.error("there are no status pages and no metrics", problem=str(exc))
            task_status.started(None)
            return
        with listener:
            address = listener.getsockname()
            log.info("status pages and metrics are served", host=address[0], port=address[1])
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._turnstile.run, name="http turnstile")
                nursery.start_soon(accept_connections, listener, self._take, self.counts, name="http accept")
                task_status.started((address[0], address[1]))
                await self._end.wait()
                nursery.cancel_scope.cancel(reason="the daemon ends")
            self._told.flush()

    def close(self) -> None:
        """Everything else has ended: let ``run`` return."""
        self._end.set()

    def _take(self, peer: socket.socket, address: str) -> None:
        why = self._limits.open(address)
        if why or self._nursery is None:
            self._tell(why or "connections while shutting down", address)
            peer.close()
            return
        self._nursery.start_soon(self._serve, peer, address, name=f"http {address}")

    async def _serve(self, peer: socket.socket, address: str) -> None:
        """One connection, guarded: a reader may never end the daemon."""
        transport = Transport(peer, self._turnstile, address)
        try:
            await self._answer_requests(HttpPeer(transport, MAX_BODY_BYTES), transport, address)
        except trio.BrokenResourceError:
            pass  # the reader is gone, which is its right
        except Exception as exc:
            self._tell("requests that failed", address, error=repr(exc))
        finally:
            transport.close()
            self._limits.close(address)

    async def _answer_requests(self, http: HttpPeer, transport: Transport, address: str) -> None:
        seconds = FIRST_REQUEST_SECONDS
        try:
            while True:
                with trio.move_on_after(seconds) as deadline:
                    request = await http.read()
                    if request is None:
                        return
                    self._answer(http, request)
                    await transport.flush()
                if deadline.cancelled_caught:
                    return
                seconds = NEXT_REQUEST_SECONDS
        except HttpRefusal as refusal:
            self._tell(refusal.cause or "refused requests", address)
            http.refuse(refusal)
            with trio.move_on_after(FAREWELL_SECONDS):
                await transport.flush()
                await transport.hear_out()

    def _answer(self, http: HttpPeer, request: HttpRequest) -> None:
        if request.method not in ("GET", "HEAD"):
            page: Page | None = Page(b"these pages can only be read\n", status=HTTPStatus.METHOD_NOT_ALLOWED)
        else:
            page = self._pages.find(request.path)
        if page is None:
            text = f"there are {', '.join(self._pages.paths)}\n"
            page = Page(text.encode(), status=HTTPStatus.NOT_FOUND)
        headers = [("content-type", page.content_type), *_HEADERS]
        if page.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("allow", "GET, HEAD"))
        http.answer(page.status, page.body, headers)

    def _tell(self, cause: str, address: str, **fields: object) -> None:
        self.counts[cause] += 1
        self._told.warning("a reader was turned away", cause=cause, why=cause, address=address, **fields)
