"""The venue's own frames: handed on while somebody wants them, and begun with a whole one."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from hyperstream.sources.exchanges.gaps import FRAMES_WANTED
from hyperstream.sources.exchanges.lines import Lines
from hyperstream.sources.exchanges.streams import Stream
from hyperstream.sources.exchanges.venue import Venue


@define(eq=False)
class FrameKeeper:
    """Sees to it that frames which build on each other begin with a snapshot."""

    venue: Venue
    lines: Lines

    def set_raw(self, stream: Stream, *, is_raw: bool) -> None:
        """Hand on a stream's frames too from now on, or do so no more."""
        if is_raw == stream.is_raw:
            return
        stream.is_raw = is_raw
        is_whole = stream.is_news_only or self.venue.is_frame_whole(stream.key)
        stream.awaits_snapshot = is_raw and not is_whole
        for line in self.lines.carriers(stream):
            line.set_raw(stream.key, is_raw=is_raw)
        if stream.awaits_snapshot and stream.received:
            self._renew(stream)

    def look(self, streams: Iterable[Stream]) -> None:
        """Ask once more for what goes on without the snapshot it should have begun with."""
        for stream in list(streams):
            if stream.goes_on_without_snapshot():
                self._renew(stream)

    def _renew(self, stream: Stream) -> None:
        """Ask for a stream anew; in vain if the venue's answer to the last request is still to come."""
        stream.received_before = None
        for line in self.lines.carriers(stream):
            line.connection.renew(stream.key, FRAMES_WANTED)
