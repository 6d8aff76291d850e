"""One connection of a venue, with the streams it carries and the decoder of its frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from hyperstream.errors import ConnectionLost
from hyperstream.sockets import Connection, Gap, Router, State, Subscription, open_stream
from hyperstream.sources.exchanges.streams import BookStream, QuoteStream, Stream, TradeStream
from hyperstream.sources.exchanges.venue import Decoder, Venue
from hyperstream.wire.venue_fields import RawPayload, ServerShutdown, Unknown

if TYPE_CHECKING:
    from hyperstream.sockets.connecting import OpenStream

MAX_STANDBY = 50_000
MAX_RENEWALS = 1_000_000  # where silence may be normal, a connection is not given up because of it
MAX_SILENCE_SECONDS = 3600.0
QUIET_PATIENCE = 2
WANTED_AGAIN = "it is wanted again before the venue heard that it was not"
_key = itemgetter(0)


@define(eq=False)
class Line:
    """A connection. On ``standby`` it gathers what it hears, to take over from another without a hole."""

    venue: Venue
    group: str
    name: str
    now_ns: Callable[[], int]
    on_gap: Callable[[Line, Gap], None]
    on_shutdown: Callable[[Line], None]
    flush: Callable[[], object]
    opener: OpenStream | None = None
    is_standby: bool = field(default=False, kw_only=True)
    streams: dict[str, Stream] = field(factory=dict, init=False)
    standby: deque[tuple[Stream, Any]] | None = field(default=None, init=False)
    is_retired: bool = field(default=False, init=False)
    is_leaving: bool = field(default=False, init=False)
    state: State = field(default=State.DISCONNECTED, init=False)
    reason: str = field(default="", init=False)
    replace_at: float = field(default=math.inf, init=False)
    empty_since: float | None = field(default=None, init=False)
    strays: int = field(default=0, init=False)
    heard: int = field(default=0, init=False)
    heard_before: int = field(default=0, init=False)
    heard_at: float = field(default=0.0, init=False)
    quiet_spells: int = field(default=0, init=False)
    connection: Connection = field(init=False)
    _decoder: Decoder = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.is_standby:
            self.standby = deque(maxlen=MAX_STANDBY)
        decoder, now_ns = self.venue.decoder(self.group), self.now_ns
        self._decoder = decoder
        decode = decoder.decode
        router = Router(lambda frame: decode(frame, now_ns()), _key, self.flush)
        router.add(handler=self._take)
        config = self.venue.socket(self.group, self.name)
        protocol = self.venue.protocol()
        self.connection = Connection(config, router, protocol, self.opener or open_stream)

    # -- what it carries

    def add(self, stream: Stream) -> None:
        """Carry a stream from now on.

        What the venue still sends of one that was left a moment ago goes on without a beginning: it is ended
        after all, and asked for anew.
        """
        self.streams[stream.key] = stream
        self.empty_since = None
        self._decoder.follow(stream.key)
        self.subscribe(stream)
        if not stream.is_news_only:
            self.connection.renew(stream.key, WANTED_AGAIN)

    def remove(self, stream: Stream) -> None:
        """Carry it no more."""
        self.streams.pop(stream.key, None)
        self._decoder.unfollow(stream.key)
        self.connection.unsubscribe_nowait(stream.key)

    def subscribe(self, stream: Stream) -> None:
        """Ask for a stream, or change how long it may be silent: twice as long after each renewal in vain."""
        channel = next(iter(stream.topics)).channel
        seconds = self.venue.silence_of(channel)
        speaks_always = self.venue.speaks_always(stream.key)
        if not speaks_always:
            seconds = max(seconds, min(seconds * 2.0 ** min(stream.silences, 16), MAX_SILENCE_SECONDS))
        subscription = Subscription(
            stream.key,
            max_silence_seconds=seconds,
            max_renewals=3 if speaks_always else MAX_RENEWALS,
            on_gap=self._tell_gap,
        )
        try:
            self.connection.subscribe_nowait(subscription)
        except ConnectionLost:
            self.strays += 1  # it is shut down already: its streams are on another line, or on none

    def set_raw(self, key: str, *, is_raw: bool) -> None:
        """Hand on a stream's frames as they come, or do so no more."""
        raw: set[str] | None = getattr(self._decoder, "raw_topics", None)
        if raw is not None:
            (raw.add if is_raw else raw.discard)(key)

    @property
    def is_connected(self) -> bool:
        """Whether it is up."""
        return self.state is State.CONNECTED

    def is_live(self, stream: Stream) -> bool:
        """Whether the venue has accepted this stream on the connection there is."""
        return self.streams.get(stream.key) is stream and stream.key in self.connection.active

    @property
    def is_complete(self) -> bool:
        """Whether the venue has accepted every stream."""
        return self.is_connected and set(self.streams) <= set(self.connection.active)

    # -- what it hears

    def is_mute(self, now: float) -> bool:
        """Whether no stream at all has spoken for long, twice as long after each time in vain.

        Some venues go on answering pings on a connection whose streams have all gone quiet.
        """
        has_spoken = self.heard != self.heard_before
        if has_spoken:
            self.quiet_spells = 0
        if has_spoken or not self.is_connected or not self.streams:
            self.heard_before, self.heard_at = self.heard, now
            return False
        patience = self.venue.silence_seconds * QUIET_PATIENCE * 2.0 ** min(self.quiet_spells, 16)
        if now < self.heard_at + min(patience, MAX_SILENCE_SECONDS):
            return False
        self.quiet_spells += 1
        self.heard_at = now
        return True

    def _take(self, message: tuple[str, Any]) -> None:
        key, payload = message
        stream = self.streams.get(key)
        if stream is None or payload.__class__ is Unknown:
            self._take_other(payload)
            return
        self.connection.heard(key)
        if self.standby is not None:
            self._stand_by(stream, payload)
            return
        if payload.__class__ is RawPayload:
            if payload.frame.is_snapshot:
                stream.awaits_snapshot = False
            stream.outbox.put(payload.frame)
            payload = payload.payload
        stream.received += 1
        self.heard += 1
        if stream.silences:
            stream.silences = 0
            self.subscribe(stream)
        stream.refusals = 0
        stream.take(payload)

    def _take_other(self, payload: Any) -> None:
        if payload.__class__ is ServerShutdown:
            self.on_shutdown(self)
        else:
            self.strays += 1

    def _stand_by(self, stream: Stream, payload: Any) -> None:
        """Keep what must not be missed; what is repeated anyway will be."""
        if self.standby is not None and isinstance(stream, BookStream | TradeStream | QuoteStream):
            self.standby.append((stream, payload))

    def take_over(self) -> None:
        """Hand on what was gathered, but for what the line before handed on already.

        Books and trades know themselves what is a repetition.
        """
        gathered, self.standby = self.standby, None
        for stream, payload in gathered or ():
            if stream.is_over:
                continue
            if isinstance(stream, QuoteStream) and payload.update_id <= stream.last_id:
                continue
            stream.received += 1
            stream.take(payload)

    def _tell_gap(self, gap: Gap) -> None:
        if not self.is_retired and self.standby is None:
            self.on_gap(self, gap)
