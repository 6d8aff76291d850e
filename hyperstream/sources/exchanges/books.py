"""Seeing to it that books which fall out of step get back into it."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio
from attrs import define

from hyperstream.sources.exchanges.lines import Lines
from hyperstream.sources.exchanges.snapshots import SnapshotQueue
from hyperstream.sources.exchanges.streams import BookStream, Stream
from hyperstream.sources.exchanges.venue import Venue

log = structlog.get_logger("hyperstream.sources.exchanges")

SEQUENCE = "sequence"


@define(eq=False)
class BookKeeper:
    """Synchronises a venue's books anew, each by itself.

    Where the venue has snapshots, one is fetched; where a new subscription brings one, the stream is
    renewed; where each message is a whole book, the next one is waited for. A book that breaks again and
    again is tried at growing intervals. ``tell_gap`` gets the stream and why it broke.
    """

    venue: Venue
    lines: Lines
    snapshots: SnapshotQueue
    tell_gap: Callable[[BookStream, str], None]

    def broken(self, stream: BookStream, reason: str) -> None:
        """A book contradicts itself: tell it, and see to it that it gets into step again."""
        now, timing = trio.current_time(), self.venue.timing
        is_early = now < stream.not_before
        log.info("a book is out of step", venue=self.venue.name, stream=stream.key, reason=reason)
        if not is_early:
            if now >= stream.not_before + timing.longest_resync_wait:
                stream.attempts = 0
            wait = timing.resync_wait * 2 ** min(stream.attempts, 16)
            stream.not_before = now + min(wait, timing.longest_resync_wait)
            stream.attempts += 1
        if not is_early and self._renew(stream, reason):
            return  # the line tells the gap
        self.tell_gap(stream, reason)
        if self.venue.has_snapshots:
            self.snapshots.ask(stream)

    def waiting(self, stream: BookStream) -> None:
        """A book's updates wait for a snapshot: see that one comes."""
        if self.venue.has_snapshots:
            self.snapshots.ask(stream)
        elif trio.current_time() >= stream.not_before:
            self.broken(stream, "no snapshot came")

    def expect(self, stream: Stream) -> None:
        """A stream begins (again): its book needs a snapshot even if nothing changes in it."""
        if self.venue.has_snapshots and isinstance(stream, BookStream) and not stream.book.is_synced:
            self.snapshots.ask(stream, self.venue.timing.snapshot_wait)

    def connected(self, stream: Stream) -> None:
        """A new connection: whatever was in vain on the last is forgotten."""
        if isinstance(stream, BookStream):
            stream.attempts = 0
        self.expect(stream)

    def _renew(self, stream: BookStream, reason: str) -> bool:
        if self.venue.has_snapshots or self.venue.books_repeat:
            return False
        text = f"{SEQUENCE}: {reason}"
        return any(line.connection.renew(stream.key, text) for line in self.lines.carriers(stream))
