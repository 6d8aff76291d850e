"""Telling what was missed: once for each trouble, before anything that comes after it."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, field

from hyperstream.market.venues import FeedGap
from hyperstream.sockets import Gap
from hyperstream.sources.exchanges.books import SEQUENCE
from hyperstream.sources.exchanges.line import WANTED_AGAIN, Line
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.streams import BookStream, Stream

CONNECTION = "connection"
SILENCE = "silence"
RENEWAL = "renewal"
FRAMES_WANTED = "its frames are wanted from a snapshot on"
_SEQUENCE = f"{SEQUENCE}: "
_SILENT = "nothing was heard"
_NS = 1_000_000_000


@define(eq=False)
class GapTeller:
    """Turns gaps of connections and breaks of books into ``FeedGap`` items.

    ``FeedGap.reason`` is ``connection`` (it was lost), ``silence`` (a stream said nothing and was renewed),
    ``sequence`` (a book contradicted itself) or ``renewal`` (a snapshot was wanted). ``expect`` is told each
    stream that begins anew.
    """

    venue: str
    outbox: Outbox
    now_ns: Callable[[], int]
    expect: Callable[[Stream], None]
    told: int = field(default=0, init=False)
    _last: Gap | None = field(default=None, init=False)

    def lost(self, line: Line, gap: Gap) -> None:
        """A connection has a gap. Called for each of its streams; the first call tells it for all of them."""
        if gap is self._last:
            return
        self._last = gap
        streams = [line.streams[str(key)] for key in gap.keys if str(key) in line.streams]
        reason, detail = _reason_of(gap.reason)
        for stream in streams:
            stream.interrupted()
        since_ns = self.now_ns() - round((trio.current_time() - gap.since) * _NS)
        self._tell(streams, since_ns, reason, detail)
        for stream in streams:
            if reason == SILENCE:
                stream.silences += 1
                line.subscribe(stream)
            self.expect(stream)

    def broken(self, stream: BookStream, reason: str) -> None:
        """A book is out of step with its stream, which goes on."""
        self._tell([stream], stream.last_receive_time_ns, SEQUENCE, reason)

    def _tell(
        self, streams: list[Stream] | list[BookStream], since_ns: int, reason: str, detail: str
    ) -> None:
        topics = tuple(topic for stream in streams for topic in stream.topics)
        if topics:
            self.told += 1
            self.outbox.put_now(FeedGap(self.venue, topics, since_ns, reason, detail))


def _reason_of(text: str) -> tuple[str, str]:
    """What kind of gap a connection's sentence is about, and the sentence."""
    if text.startswith(_SEQUENCE):
        return SEQUENCE, text.removeprefix(_SEQUENCE)
    if text.startswith(_SILENT):
        return SILENCE, text
    return (RENEWAL if text in (FRAMES_WANTED, WANTED_AGAIN) else CONNECTION), text
