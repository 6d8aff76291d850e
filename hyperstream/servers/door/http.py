"""HTTP/1.1 as far as servers here need it: a request read within bounds, an answer, a change of protocol."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import h11
from attrs import define, field, frozen

from hyperstream.errors import HyperstreamError
from hyperstream.servers.door.transport import Transport

MAX_HEADER_BYTES = 16_384
SERVER = b"hyperstream"
_ABSOLUTE = "http://"


class HttpRefusal(HyperstreamError):
    """A request is answered with an error; ``cause`` is a short name to count by, empty if it is usual."""

    def __init__(
        self,
        status: int,
        text: str,
        cause: str = "",
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.cause = cause
        self.headers = tuple(headers)


@frozen
class HttpRequest:
    """One request. ``headers`` have lower-case names; of one that came several times, the values joined.

    ``version`` is HTTP's, such as ``1.1``.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    version: str = "1.1"

    @property
    def path(self) -> str:
        """The target without its query, and without the host that proxies are told (RFC 9112, 3.2.2)."""
        path = self.target.partition("?")[0]
        if path[: len(_ABSOLUTE)].lower() == _ABSOLUTE:
            path = "/" + path[len(_ABSOLUTE) :].partition("/")[2]
        return path

    @property
    def has_query(self) -> bool:
        """Whether something was asked for in the target."""
        return bool(self.target.partition("?")[2])


@define(eq=False)
class HttpPeer:
    """The HTTP side of a connection. ``max_body_bytes`` bounds what a request may bring."""

    transport: Transport
    max_body_bytes: int
    _http: h11.Connection = field(
        factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
    )

    _is_head: bool = False

    async def read(self) -> HttpRequest | None:
        """Wait for the next request; None if the peer has gone. Raises HttpRefusal, BrokenResourceError."""
        http = self._http
        if http.our_state is h11.DONE:
            if http.their_state is not h11.DONE:
                return None
            http.start_next_cycle()
        elif http.our_state is not h11.IDLE:
            return None
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Request):
                head = event
                self._is_head = event.method == b"HEAD"
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self.max_body_bytes:
                    text = f"a request may have {self.max_body_bytes} bytes"
                    raise HttpRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, "requests too big")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                return None

    async def _next_event(self) -> h11.Event:
        while True:
            try:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    if self._http.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[])
                        self.transport.send(self._http.send(go_on) or b"")
                    self._http.receive_data(await self.transport.receive())
                    continue
            except h11.RemoteProtocolError as exc:
                raise HttpRefusal(exc.error_status_hint, f"not HTTP: {exc}", "malformed requests") from exc
            if event is h11.PAUSED:
                return h11.ConnectionClosed()
            assert isinstance(event, h11.Event)  # nothing else is left
            return event

    def answer(
        self,
        status: int,
        body: bytes,
        headers: Iterable[tuple[str, str]] = (),
        *,
        is_last: bool = False,
    ) -> None:
        """Answer the request that was read; of a HEAD request the body is only measured."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        fields = [
            (b"server", SERVER),
            (b"content-length", str(len(body)).encode()),
            *((name.encode(), value.encode("latin-1", "replace")) for name, value in headers),
        ]
        if is_last:
            fields.append((b"connection", b"close"))
        response = h11.Response(status_code=status, headers=fields)
        data = [self._http.send(response)]
        if not self._is_head:
            data.append(self._http.send(h11.Data(data=body)))
        data.append(self._http.send(h11.EndOfMessage()))
        self.transport.send(b"".join(part for part in data if part))

    def refuse(self, refusal: HttpRefusal) -> None:
        """Answer with an error and say that the connection will be closed."""
        headers = (("content-type", "text/plain; charset=utf-8"), *refusal.headers)
        self.answer(refusal.status, refusal.text.encode() + b"\n", headers, is_last=True)

    def switch(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """Answer 101; returns what the peer has sent of the new protocol already."""
        fields = [(b"server", SERVER), *((name.encode(), value.encode()) for name, value in headers)]
        response = h11.InformationalResponse(status_code=HTTPStatus.SWITCHING_PROTOCOLS, headers=fields)
        self.transport.send(self._http.send(response) or b"")
        return self._http.trailing_data[0]


def _request(head: h11.Request, body: bytes) -> HttpRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    method, target, version = (
        part.decode("latin-1") for part in (head.method, head.target, head.http_version)
    )
    return HttpRequest(method, target, headers, body, version)
