"""HTTP as the fakes speak it: questions and answers as values, and a server's end of a connection."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import h11
import orjson
import trio
from attrs import define, field, frozen

MAX_BODY_BYTES = 1 << 20

Header = tuple[bytes, bytes]


@frozen
class Question:
    """A request: ``path`` without the query, ``query`` with the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    peer: str
    body: bytes = b""

    @classmethod
    def of(
        cls, method: str, target: str, headers: Mapping[str, str], peer: str, body: bytes = b""
    ) -> "Question":
        """Return the question of a request's target."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, parts.path, query, headers, peer, body)


@frozen
class Answer:
    """A response. ``delay_seconds`` pass between its making and its sending."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Sequence[Header] = ()
    delay_seconds: float = field(default=0.0)

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Sequence[Header] = ()) -> "Answer":
        """Return a value as JSON."""
        return cls(status, orjson.dumps(value), headers=headers)

    @classmethod
    def text(cls, text: str, status: int, headers: Sequence[Header] = ()) -> "Answer":
        """Return plain text."""
        return cls(status, text.encode(), "text/plain; charset=utf-8", headers)

    @classmethod
    def html(cls) -> "Answer":
        """Return what a captive portal, or a maintenance page, says to everything."""
        page = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in.</body></html>"
        return cls(200, page, "text/html; charset=utf-8")

    @classmethod
    def too_many(cls, status: int, retry_after_seconds: float) -> "Answer":
        """Return 429 (or 418, 403) with Retry-After."""
        seconds = max(1, round(retry_after_seconds))
        return cls.text("Too many requests", status, [(b"retry-after", str(seconds).encode())])


@define(eq=False)
class HttpConnection:
    """A server's end of an HTTP/1.1 connection, one question after the other.

    What breaks off raises Trio's errors, what is not HTTP ``h11.ProtocolError``.
    """

    stream: trio.abc.Stream
    peer: str = ""
    _http: h11.Connection = field(factory=lambda: h11.Connection(h11.SERVER), init=False)

    @property
    def has_answered(self) -> bool:
        """Whether the last question has its answer."""
        return self._http.our_state is h11.DONE

    @property
    def trailing(self) -> bytes:
        """What came after a question that wants another protocol."""
        return self._http.trailing_data[0]

    async def next_question(self) -> Question | None:
        """Read a question, up to its body where it asks for an upgrade; None when the client is through."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        request, body = None, b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await self.stream.receive_some(65_536)))
            elif isinstance(event, h11.Request):
                request = event
                if any(name == b"upgrade" for name, _ in event.headers):
                    break
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    await self.reply(Answer.text("too large", 413))
                    return None
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return None
        assert request is not None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        target = request.target.decode("latin-1")
        return Question.of(request.method.decode(), target, headers, self.peer, body)

    async def reply(self, answer: Answer) -> None:
        """Send an answer to the last question."""
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *answer.headers,
        ]
        out = self._http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        out += self._http.send(h11.Data(data=answer.body)) or b""
        out += self._http.send(h11.EndOfMessage()) or b""
        await self.stream.send_all(out)
