"""Client of the node's info server (``--serve-info``): one POST a question, JSON both ways."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import orjson
import trio

from hyperstream.errors import HyperstreamError
from hyperstream.sources.request_body import abandonable

ANSWER_SECONDS = 30.0
SNAPSHOT_SECONDS = 300.0
_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_KEPT = frozenset({"meta", "spotMeta", "perpDexs"})


class InfoError(HyperstreamError):
    """The info server gave no usable answer; ``status`` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class InfoClient:
    """Asks one info server; use it as an async context manager. ``transport`` replaces the network.

    The last answers to questions about the venue are kept, for others who would ask the same.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        self._kept: dict[bytes, bytes] = {}
        # Without trust_env: a proxy of the environment has no business between a daemon and its node.
        self._client = httpx.AsyncClient(transport=transport, trust_env=False)

    async def __aenter__(self) -> "InfoClient":
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

    async def ask(self, request: dict[str, Any], answer_seconds: float = ANSWER_SECONDS) -> Any:
        """Return the parsed answer; raises InfoError with what to do."""
        timeout = httpx.Timeout(answer_seconds, connect=_CONNECT_SECONDS)
        what = f"{request['type']} at {self.url}"
        try:
            asked = abandonable(self._client.build_request("POST", self.url, json=request, timeout=timeout))
            answer = await self._client.send(asked)
        except httpx.ConnectError as exc:
            raise InfoError(
                f"no info server answers for {what}: {exc}; start the node with --serve-info "
                "or set node.info_url"
            ) from exc
        except httpx.TimeoutException as exc:
            raise InfoError(f"no answer to {what} within {answer_seconds:g} s") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise InfoError(f"the connection broke during {what}: {exc!r}") from exc
        if answer.status_code != httpx.codes.OK:
            text = answer.text[:200]
            raise InfoError(f"HTTP {answer.status_code} for {what}: {text!r}", answer.status_code)
        try:
            parsed = orjson.loads(answer.content) if answer.content.strip() else None
        except orjson.JSONDecodeError as exc:
            raise InfoError(f"the answer to {what} is not JSON: {answer.content[:80]!r}") from exc
        if request["type"] in _KEPT:
            self._kept[orjson.dumps(request)] = answer.content
        return parsed

    def kept_answer(self, request: Mapping[str, Any]) -> bytes | None:
        """What was answered last to exactly this question about the venue; None if nothing was."""
        return self._kept.get(orjson.dumps(request))

    async def write_snapshot(self, path: Path) -> None:
        """Have the node write an L4 snapshot with users, height and trigger orders; raises InfoError."""
        request = {
            "type": "fileSnapshot",
            "request": {"type": "l4Snapshots", "includeUsers": True, "includeTriggerOrders": True},
            "outPath": str(path),
            "includeHeightInOutput": True,
        }
        await self.ask(request, SNAPSHOT_SECONDS)
