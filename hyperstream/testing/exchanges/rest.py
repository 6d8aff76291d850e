"""A fake venue's HTTP questions and answers, as values."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import orjson
from attrs import field, frozen

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
