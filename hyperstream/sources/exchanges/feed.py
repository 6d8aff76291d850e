"""One venue's feed: what is wanted of it becomes streams, and streams are carried by lines.

    demand ─▶ topics ─▶ streams ─▶ lines ═▶ the venue
                          │
                          └─ items ─▶ outbox ─▶ one list for each read

A topic is first held against the venue's list. Trouble is told to whoever depends on it: a gap before
anything that comes after it, a refusal with its reason, the feed's state whenever it changes. Nothing the
venue does ends a feed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import structlog
import trio
from attrs import define, field

from hyperstream.errors import TopicError
from hyperstream.market.venue_book import BookSnapshot
from hyperstream.market.venues import (
    FeedDemand,
    FeedGap,
    FeedStatus,
    FeedTopic,
    TopicRefused,
    VenueListed,
)
from hyperstream.sockets import Gap, State
from hyperstream.sources.exchanges.books import SEQUENCE, BookKeeper
from hyperstream.sources.exchanges.line import Line
from hyperstream.sources.exchanges.lines import Lines
from hyperstream.sources.exchanges.list_keeper import ListKeeper
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.making import StreamMaker
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.snapshots import SnapshotQueue
from hyperstream.sources.exchanges.statistics import FeedStatistics, feed_statistics
from hyperstream.sources.exchanges.streams import BookStream, Stream
from hyperstream.sources.exchanges.venue import Venue

if TYPE_CHECKING:
    from hyperstream.sockets.connecting import OpenStream

log = structlog.get_logger("hyperstream.sources.exchanges")

NS = 1_000_000_000
OFF, CONNECTING, CONNECTED, DOWN = "off", "connecting", "connected", "down"
_SEQUENCE = f"{SEQUENCE}: "
_SILENCE = "nothing was heard"


@define(eq=False)
class Feed:
    """One venue. ``run`` lives until it is cancelled; ``demand`` may be called at any time.

    ``now_ns`` is the clock items are stamped with; ``opener`` replaces TCP and TLS, ``transport`` HTTP.
    """

    venue: Venue
    outbox: Outbox
    now_ns: Callable[[], int]
    opener: OpenStream | None = None
    transport: httpx.AsyncBaseTransport | None = None
    state: str = field(default=OFF, init=False)
    detail: str = field(default="not started", init=False)
    gaps: int = field(default=0, init=False)
    listing: Listing = field(init=False)
    snapshots: SnapshotQueue = field(init=False)
    _rest: RestClient = field(init=False)
    _books: BookKeeper = field(init=False)
    _maker: StreamMaker = field(init=False)
    _wanted: set[tuple[FeedTopic, bool]] = field(factory=set, init=False)
    _followed: dict[FeedTopic, tuple[str, ...]] = field(factory=dict, init=False)
    _refused: dict[FeedTopic, tuple[str, float]] = field(factory=dict, init=False)
    _streams: dict[str, Stream] = field(factory=dict, init=False)
    lines: Lines = field(init=False)
    _is_running: bool = field(default=False, init=False)
    _can_guess: bool = field(default=False, init=False)
    _last_gap: Gap | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        venue, timing = self.venue, self.venue.timing
        self.listing = Listing(venue.name)
        self._rest = RestClient(
            venue.rest_url, venue.rest_interval_seconds(), timing.rest_wait, self.transport
        )
        self.lines = Lines(
            venue,
            self.outbox,
            self.now_ns,
            self._on_gap,
            self._on_refusal,
            self._on_connected,
            self._judge,
            self.opener,
        )
        self.snapshots = SnapshotQueue(
            venue.name,
            self._fetch_snapshot,
            self.lines.is_live,
            self.now_ns,
            timing.resync_wait,
            timing.longest_resync_wait,
        )
        self._books = BookKeeper(venue, self.lines, self.snapshots, self._tell_break)
        self._maker = StreamMaker(venue, self.outbox, self._books.broken, self._books.waiting)

    async def run(self) -> None:
        """Serve what is wanted, until cancelled."""
        name = self.venue.name
        async with self._rest, trio.open_nursery() as nursery:
            nursery.start_soon(self.outbox.run, name=f"{name}: hand over")
            nursery.start_soon(self.lines.run, name=f"{name}: lines")
            await self.lines.wait_running()
            self._is_running = True
            try:
                keeper = ListKeeper(self.venue, self.listing, self._rest, self._on_news, self._on_late)
                nursery.start_soon(keeper.run, name=f"{name}: list")
                if self.venue.has_snapshots:
                    nursery.start_soon(self.snapshots.run, name=f"{name}: snapshots")
                self._judge()
                self._review()
                await trio.sleep_forever()
            finally:
                self._is_running = False

    # -- what is wanted

    def demand(self, demand: FeedDemand) -> None:
        """Somebody wants a topic, or nobody wants it any more; plain and raw demand count apart."""
        wish = (demand.topic, demand.is_raw)
        if demand.is_wanted:
            self._wanted.add(wish)
        else:
            self._wanted.discard(wish)
        if self._is_running:
            self._consider(demand.topic)
            self._judge()

    def _is_wanted(self, topic: FeedTopic) -> bool:
        wanted = self._wanted
        return (topic, False) in wanted or (topic, True) in wanted or topic in self.venue.always

    def _consider(self, topic: FeedTopic) -> None:
        """Follow a topic, leave it, or say why it cannot be followed."""
        if not self._is_wanted(topic):
            self._refused.pop(topic, None)
            self._leave(topic)
            return
        if topic not in self._followed:
            self._follow(topic)
        for key in self._followed.get(topic, ()):
            self._set_raw(key)

    def _follow(self, topic: FeedTopic) -> None:
        refused = self._refused.get(topic)
        if refused is not None and trio.current_time() < refused[1]:
            self._refuse(topic, refused[0])
            return
        try:
            keys = self.venue.streams_of(topic)
        except TopicError as exc:
            self._refuse(topic, str(exc))
            return
        problem = ""
        if self.listing.is_known:
            problem = self.venue.problem(topic, self.listing)
        elif not self._can_guess:
            return  # the list comes, and with it this topic's turn
        problem = problem or (self.venue.limit(self._streams) if set(keys) - set(self._streams) else "")
        if problem:
            self._refuse(topic, problem)
            return
        self._refused.pop(topic, None)
        self._followed[topic] = keys
        for key in keys:
            stream = self._streams.get(key)
            if stream is None:
                stream = self._streams[key] = self._maker.make(key, topic)
            stream.topics[topic] = None
            stream.topics_changed()
            if len(stream.topics) == 1:
                self.lines.carry(stream)
                self._books.expect(stream)

    def _leave(self, topic: FeedTopic) -> None:
        for key in self._followed.pop(topic, ()):
            stream = self._streams[key]
            stream.topics.pop(topic, None)
            if stream.topics:
                stream.topics_changed()
                self._set_raw(key)
            else:
                self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        del self._streams[stream.key]
        stream.is_over = True
        if isinstance(stream, BookStream):
            self.snapshots.forget(stream)
        self.lines.drop(stream)
        self._judge()

    def _refuse(self, topic: FeedTopic, detail: str) -> None:
        self._leave(topic)
        until = trio.current_time() + self.venue.timing.refused
        self._refused[topic] = (detail, until)
        log.info("a topic is refused", venue=self.venue.name, topic=str(topic), reason=detail)
        self.outbox.put_now(TopicRefused(topic, detail))

    def _set_raw(self, key: str) -> None:
        """Hand on a stream's frames too while somebody wants them, beginning with a snapshot."""
        stream = self._streams[key]
        is_raw = any((topic, True) in self._wanted for topic in stream.topics)
        if is_raw == stream.is_raw:
            return
        stream.is_raw = is_raw
        for line in self.lines.carriers(stream):
            line.set_raw(key, is_raw=is_raw)
            if is_raw and stream.received:
                line.connection.renew(key, "its frames are wanted from a snapshot on")

    def _review(self) -> None:
        """The list is new: everything wanted may be possible now, or not any more."""
        for topic in [*self.venue.always, *(topic for topic, _ in self._wanted)]:
            problem = self.venue.problem(topic, self.listing) if self.listing.is_known else ""
            if topic in self._followed and problem:
                self._refuse(topic, problem)
            elif topic not in self._followed and not (topic in self._refused and problem):
                self._refused.pop(topic, None)
                self._consider(topic)
        self.outbox.wake()

    def _judge(self) -> None:
        """Tell the feed's state if it has changed: the worst of its lines'."""
        lines = self.lines.in_use
        states = {line.state for line in lines}
        if not self._is_running:
            state, detail = OFF, "stopped"
        elif not lines and (self._wanted or self.venue.always) and not self.listing.is_known:
            state, detail = CONNECTING, "waiting for the list of symbols"
        elif not lines:
            state, detail = OFF, "nothing is wanted"
        elif states == {State.CONNECTED}:
            state, detail = CONNECTED, ""
        elif State.RECONNECTING in states:
            state, detail = DOWN, next(line.reason for line in lines if line.state is State.RECONNECTING)
        elif self.state == DOWN:
            return  # another attempt is no news
        else:
            state, detail = CONNECTING, ""
        if (state, detail) != (self.state, self.detail):
            self.state, self.detail = state, detail
            self.outbox.put_now(FeedStatus(self.venue.name, state, detail, self.now_ns()))

    # -- trouble

    def _on_gap(self, line: Line, gap: Gap) -> None:
        """Called for each stream of a gap; the first call tells it for all of them."""
        if gap is self._last_gap:
            return
        self._last_gap = gap
        streams = [line.streams[str(key)] for key in gap.keys if str(key) in line.streams]
        since_ns = self.now_ns() - round((trio.current_time() - gap.since) * NS)
        reason, detail = "connection", gap.reason
        if detail.startswith(_SEQUENCE):
            reason, detail = SEQUENCE, detail.removeprefix(_SEQUENCE)
        elif detail.startswith(_SILENCE):
            reason = "silence"
        self._tell_gap(streams, since_ns, reason, detail)
        for stream in streams:
            if reason == "silence":
                stream.silences += 1
                line.subscribe(stream)
            self._books.expect(stream)

    def _on_connected(self, line: Line) -> None:
        for stream in line.streams.values():
            self._books.connected(stream)

    def _tell_gap(self, streams: list[Stream], since_ns: int, reason: str, detail: str) -> None:
        for stream in streams:
            stream.interrupted()
        topics = tuple(topic for stream in streams for topic in stream.topics)
        if topics:
            self.gaps += 1
            self.outbox.put_now(FeedGap(self.venue.name, topics, since_ns, reason, detail))

    def _on_refusal(self, stream: Stream, reason: str) -> None:
        for topic in list(stream.topics):
            self._refuse(topic, f"{self.venue.name} refused it: {reason}")

    def _tell_break(self, stream: BookStream, reason: str) -> None:
        self.gaps += 1
        since_ns = stream.last_receive_time_ns
        self.outbox.put_now(FeedGap(self.venue.name, tuple(stream.topics), since_ns, SEQUENCE, reason))

    # -- the venue's list, and the passing of time

    async def _fetch_snapshot(self, symbol: str) -> BookSnapshot:
        return await self.venue.fetch_snapshot(self._rest, symbol)

    def _on_news(self) -> None:
        self.outbox.put_now(VenueListed(self.venue.name, tuple(self.listing.instruments.values())))
        self._review()
        self._judge()

    def _on_late(self) -> None:
        """Without a list for long, ask for symbols all the same where that harms nobody."""
        if self.venue.is_harmless_to_guess:
            log.warning("symbols are asked for unchecked: there is no list yet", venue=self.venue.name)
            self._can_guess = True
            self._review()
            self._judge()

    # -- figures

    def statistics(self) -> FeedStatistics:
        """What the feed did so far."""
        return feed_statistics(self, self._streams.values(), self._rest)

    @property
    def topic_count(self) -> int:
        """How many topics are followed."""
        return len(self._followed)

    @property
    def refused_count(self) -> int:
        """How many topics are wanted and not served."""
        return len(self._refused)
