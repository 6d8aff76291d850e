"""Snapshots of books, fetched one at a time: what breaks all at once is mended in turn."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import structlog
import trio
from attrs import define, field

from hyperstream.errors import FormatError
from hyperstream.log_once import LogOnce
from hyperstream.market.venue_book import BookSnapshot
from hyperstream.sources.exchanges.rest import RestError
from hyperstream.sources.exchanges.streams import BookStream

log = structlog.get_logger("hyperstream.sources.exchanges")


@define(eq=False)
class SnapshotQueue:
    """Books that wait for a snapshot, in the order they asked.

    ``fetch`` asks the venue, which paces requests; ``is_live`` says whether a book's stream is subscribed,
    because a snapshot is no use before. A book that a snapshot did not help waits longer each time.
    """

    venue: str
    fetch: Callable[[str], Awaitable[BookSnapshot]]
    is_live: Callable[[BookStream], bool]
    now_ns: Callable[[], int]
    first_wait_seconds: float
    longest_wait_seconds: float
    fetched: int = field(default=0, init=False)
    useless: int = field(default=0, init=False)
    _waiting: dict[BookStream, float] = field(factory=dict, init=False)
    _bell: trio.Event = field(factory=trio.Event, init=False)
    _causes: LogOnce = field(factory=lambda: LogOnce(log, trio.current_time), init=False)

    def ask(self, stream: BookStream, seconds: float = 0.0) -> None:
        """Have a snapshot fetched for a book, after some seconds at the earliest; once is enough."""
        known = self._waiting.get(stream)
        at = max(trio.current_time() + seconds, stream.not_before)
        if known is None or at < known:
            self._waiting[stream] = at
            self._bell.set()

    def forget(self, stream: BookStream) -> None:
        """Nobody wants this book any more."""
        self._waiting.pop(stream, None)

    @property
    def waiting_count(self) -> int:
        """How many books wait."""
        return len(self._waiting)

    async def run(self) -> None:
        """Fetch snapshots until cancelled."""
        while True:
            self._bell = trio.Event()
            stream, at = self._next()
            if stream is None or at > trio.current_time():
                with trio.move_on_at(at):
                    await self._bell.wait()
            elif not self.is_live(stream):
                self._waiting[stream] = trio.current_time() + self.first_wait_seconds
            else:
                await self._mend(stream)

    def _next(self) -> tuple[BookStream | None, float]:
        stream = min(self._waiting, key=self._waiting.__getitem__, default=None)
        return stream, (self._waiting[stream] if stream is not None else math.inf)

    async def _mend(self, stream: BookStream) -> None:
        """Fetch and join one snapshot; a book that is still not in step asks again."""
        is_synced = False
        try:
            snapshot = await self.fetch(stream.symbol)
        except (RestError, FormatError) as exc:
            cause = exc.cause if isinstance(exc, RestError) else "format"
            self._causes.warning(
                "a book's snapshot is not to be had, asking again",
                cause,
                venue=self.venue,
                symbol=stream.symbol,
                error=str(exc),
            )
        else:
            self.fetched += 1
            is_synced = self._waiting.get(stream) is not None and stream.join(snapshot, self.now_ns())
            self.useless += not is_synced
        self._waiting.pop(stream, None)
        if not is_synced and not stream.is_over:
            stream.attempts += 1
            wait = self.first_wait_seconds * 2 ** min(stream.attempts - 1, 16)
            self._waiting[stream] = trio.current_time() + min(wait, self.longest_wait_seconds)
