"""A venue's HTTP interface, asked politely: one request at a time, paced, and long waits after a refusal."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, cast

import httpx
import trio
from attrs import define, field

from hyperstream.errors import HyperstreamError
from hyperstream.sockets.connecting import default_context
from hyperstream.sources.request_body import abandonable

ANSWER_SECONDS = 20.0
MAX_ANSWER_BYTES = 64 << 20
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_OVER_LIMIT = (418, 429, 403)


class RestError(HyperstreamError):
    """A venue's HTTP interface gave no usable answer; ``cause`` is the same for the same trouble."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@define(eq=False)
class RestClient:
    """Asks one venue; an async context manager. ``transport`` replaces the network.

    Requests are at least ``interval_seconds`` apart. After one that failed the next waits, longer each
    time, or as long as ``Retry-After`` says.
    """

    url: str
    interval_seconds: float = 1.0
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    transport: httpx.AsyncBaseTransport | None = None
    requests: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    _failures_in_a_row: int = field(default=0, init=False)
    _not_before: float = field(default=0.0, init=False)
    _turn: trio.Lock = field(factory=trio.Lock, init=False)
    _client: httpx.AsyncClient = field(init=False)

    async def __aenter__(self) -> RestClient:
        # Certificates are those of the system, as for WebSockets; no proxy stands between, as for these.
        context = default_context()
        self._client = httpx.AsyncClient(verify=context, transport=self.transport, trust_env=False)
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._client.__aexit__(kind, error, traceback)

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> bytes:
        """Return the answer to a GET of a path; raises RestError."""
        return await self._ask(
            "GET", f"{self.url.rstrip('/')}{path}", params=dict(params) if params else None
        )

    async def post(self, body: Mapping[str, Any]) -> bytes:
        """Return the answer to a POST of JSON; raises RestError."""
        return await self._ask("POST", self.url, json=dict(body))

    async def _ask(self, method: str, url: str, **request: Any) -> bytes:
        async with self._turn:
            await trio.sleep_until(self._not_before)
            self.requests += 1
            try:
                answer = await self._answer(method, url, **request)
            except RestError:
                self.failures += 1
                self._failures_in_a_row += 1
                wait = min(self.first_wait_seconds * 2 ** (self._failures_in_a_row - 1), LONGEST_WAIT_SECONDS)
                self._wait(max(wait, self.interval_seconds))
                raise
            self._failures_in_a_row = 0
            self._wait(self.interval_seconds)
            return answer

    def _wait(self, seconds: float) -> None:
        self._not_before = max(self._not_before, trio.current_time() + seconds)

    async def _answer(self, method: str, url: str, **request: Any) -> bytes:
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        try:
            with trio.fail_after(2 * ANSWER_SECONDS):
                asked = abandonable(self._client.build_request(method, url, timeout=timeout, **request))
                answer = await self._client.send(asked, stream=True)
                async with aclosing(answer):
                    body = await _read(answer, url)
        except httpx.TimeoutException as exc:
            raise RestError("no answer", f"{url} does not answer within {ANSWER_SECONDS:g} s") from exc
        except trio.TooSlowError as exc:
            raise RestError("no answer", f"{url} takes more than {2 * ANSWER_SECONDS:g} s to answer") from exc
        except httpx.ConnectError as exc:
            raise RestError(f"connect {exc}", f"{url} cannot be reached: {exc}") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise RestError(type(exc).__name__, f"the connection broke during {url}: {exc!r}") from exc
        if answer.status_code != httpx.codes.OK:
            if answer.status_code in _OVER_LIMIT or "retry-after" in answer.headers:
                self._wait(_retry_after_seconds(answer.headers.get("retry-after", "")))
            text = body[:200].decode(errors="replace")
            raise RestError(f"HTTP {answer.status_code}", f"HTTP {answer.status_code} from {url}: {text!r}")
        return body


async def _read(answer: httpx.Response, url: str) -> bytes:
    """The body, but no more of it than memory is worth."""
    body = bytearray()
    async with aclosing(cast(AsyncGenerator[bytes, None], answer.aiter_bytes())) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise RestError("too long", f"{url} answers with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _retry_after_seconds(text: str) -> float:
    """What ``Retry-After`` asks for, within reason; a minute where it says nothing we understand."""
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_SECONDS)
    return LONGEST_WAIT_SECONDS
