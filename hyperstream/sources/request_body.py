"""The body of an HTTP request, for peers that may hang up before they have it all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
from attrs import define, frozen


@frozen
class RequestBody(httpx.AsyncByteStream):
    """A body in one piece.

    httpx' own is an async generator, which httpcore leaves where it stands when the peer hangs up, or the
    request is cancelled, while it is being sent; its end is then Trio's business, with a ResourceWarning.
    """

    content: bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _OnePiece([self.content])


@define(eq=False)
class _OnePiece:
    left: list[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:  # httpcore awaits the sending, which is where others get their turn
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


def abandonable(request: httpx.Request) -> httpx.Request:
    """Return the request with its body as one that nobody has to finish."""
    request.stream = RequestBody(request.content)
    return request
