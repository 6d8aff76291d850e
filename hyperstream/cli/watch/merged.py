"""Two subscriptions shown in one view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import trio

from hyperstream.errors import HyperstreamError
from hyperstream.servers.grpc.client_stream import EventStream


class Merged(EventStream[Any]):
    """The events of several streams as they come. Ends, or fails, with the first that does."""

    def __init__(self, *streams: EventStream[Any]) -> None:
        super().__init__()
        self._streams = streams

    async def receive_batch(self) -> list[Any]:
        """Return all events of the streams that have some, waiting for at least one.

        Raises trio.EndOfChannel when the server has ended one of them with OK.
        """
        events: list[Any] = []
        ends: list[Exception] = []

        async def receive(stream: EventStream[Any], scope: trio.CancelScope) -> None:
            try:
                events.extend(await stream.receive_batch())
            except (trio.EndOfChannel, HyperstreamError) as end:
                ends.append(end)
            scope.cancel(reason="one stream has something")

        async with trio.open_nursery() as nursery:
            for stream in self._streams:
                nursery.start_soon(receive, stream, nursery.cancel_scope, name="one of several streams")
        if not events:
            raise ends[0]
        return events


@asynccontextmanager
async def merged(
    first: AbstractAsyncContextManager[EventStream[Any]],
    second: AbstractAsyncContextManager[EventStream[Any]],
) -> AsyncIterator[EventStream[Any]]:
    """Open both and yield their events as one stream."""
    async with first as one, second as other:
        yield Merged(one, other)
