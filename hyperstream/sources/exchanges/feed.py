"""One venue's feed: what is wanted of it becomes streams, and streams are carried by lines.

    demand ─▶ topics ─▶ streams ─▶ lines ═▶ the venue
                          │
                          └─ items ─▶ outbox ─▶ one list for each read

A topic is first held against the venue's list. Trouble is told to whoever depends on it: a gap before
anything that comes after it, a refusal with its reason, the feed's state whenever it changes. Nothing the
venue does ends a feed.
"""

from __future__ import annotations

import math
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
    FeedStatus,
    FeedTopic,
    TopicRefused,
    VenueListed,
)
from hyperstream.sockets import Gap
from hyperstream.sources.exchanges.books import BookKeeper
from hyperstream.sources.exchanges.frames import FrameKeeper
from hyperstream.sources.exchanges.gaps import GapTeller
from hyperstream.sources.exchanges.line import Line
from hyperstream.sources.exchanges.lines import Lines
from hyperstream.sources.exchanges.list_keeper import ListKeeper
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.making import StreamMaker
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.refusals import Refusals
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.snapshots import SnapshotQueue
from hyperstream.sources.exchanges.state import CONNECTING, DOWN, OFF, state_of
from hyperstream.sources.exchanges.statistics import FeedStatistics, feed_statistics
from hyperstream.sources.exchanges.streams import BookStream, Stream
from hyperstream.sources.exchanges.venue import Venue

if TYPE_CHECKING:
    from hyperstream.sockets.connecting import OpenStream

log = structlog.get_logger("hyperstream.sources.exchanges")

REVIEWED_AT_ONCE = 8
_DEADLY = "the connection was lost"


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
    listing: Listing = field(init=False)
    snapshots: SnapshotQueue = field(init=False)
    _rest: RestClient = field(init=False)
    _gaps: GapTeller = field(init=False)
    _books: BookKeeper = field(init=False)
    _frames: FrameKeeper = field(init=False)
    _maker: StreamMaker = field(init=False)
    _wanted: dict[tuple[FeedTopic, bool], None] = field(factory=dict, init=False)
    _followed: dict[FeedTopic, tuple[str, ...]] = field(factory=dict, init=False)
    _refusals: Refusals = field(init=False)
    _streams: dict[str, Stream] = field(factory=dict, init=False)
    lines: Lines = field(init=False)
    _is_running: bool = field(default=False, init=False)
    _is_review_due: trio.Event = field(factory=trio.Event, init=False)
    _can_guess: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        venue, timing = self.venue, self.venue.timing
        self.listing = Listing(venue.name)
        self._refusals = Refusals(timing.longest_refused)
        self._rest = RestClient(
            venue.rest_url, venue.rest_interval_seconds(), timing.rest_wait, self.transport
        )
        self.lines = Lines(
            venue,
            self.outbox,
            self.now_ns,
            self._tell_gap,
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
        self._gaps = GapTeller(
            venue.name, self.outbox, self.now_ns, lambda stream: self._books.expect(stream)
        )
        self._books = BookKeeper(venue, self.lines, self.snapshots, self._gaps.broken)
        self._frames = FrameKeeper(venue, self.lines)
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
                nursery.start_soon(self._review, name=f"{name}: review what is wanted")
                nursery.start_soon(self._try_again, name=f"{name}: ask once more")
                if self.venue.has_snapshots:
                    nursery.start_soon(self.snapshots.run, name=f"{name}: snapshots")
                self._judge()
                self._is_review_due.set()
                await trio.sleep_forever()
            finally:
                self._is_running = False

    # -- what is wanted

    def demand(self, demand: FeedDemand) -> None:
        """Somebody wants a topic, or nobody wants it any more; plain and raw demand count apart."""
        wish = (demand.topic, demand.is_raw)
        if demand.is_wanted:
            self._wanted[wish] = None
        else:
            self._wanted.pop(wish, None)
        if self._is_running:
            self._consider(demand.topic)
            self._judge()

    def _is_wanted(self, topic: FeedTopic) -> bool:
        wanted = self._wanted
        return (topic, False) in wanted or (topic, True) in wanted or topic in self.venue.always

    def _consider(self, topic: FeedTopic) -> None:
        """Follow a topic, leave it, or say why it cannot be followed."""
        if not self._is_wanted(topic):
            self._refusals.forget(topic)
            self._leave(topic)
            return
        if topic not in self._followed:
            self._follow(topic)
        for key in self._followed.get(topic, ()):
            self._hand_frames(self._streams[key])

    def _follow(self, topic: FeedTopic) -> None:
        standing = self._refusals.standing(topic, trio.current_time())
        if standing:
            self.outbox.put_now(TopicRefused(topic, standing))
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
                self._hand_frames(stream)
            else:
                self._drop(stream)

    def _hand_frames(self, stream: Stream) -> None:
        is_raw = any((topic, True) in self._wanted for topic in stream.topics)
        self._frames.set_raw(stream, is_raw=is_raw)

    def _drop(self, stream: Stream) -> None:
        del self._streams[stream.key]
        stream.is_over = True
        if isinstance(stream, BookStream):
            self.snapshots.forget(stream)
        self.lines.drop(stream)
        self._judge()

    def _refuse(self, topic: FeedTopic, detail: str, seconds: float = math.inf) -> None:
        """Leave a topic and say why; for so long, or until the venue's list changes."""
        self._leave(topic)
        if self._refusals.refuse(topic, detail, trio.current_time(), seconds):
            log.info("a topic is refused", venue=self.venue.name, topic=str(topic), reason=detail)
            self.outbox.put_now(TopicRefused(topic, detail))

    async def _try_again(self) -> None:
        """Ask once more for what the venue refused; what is heard meanwhile is refused no more.

        And for what goes on without the snapshot that its frames should have begun with.
        """
        while True:
            await trio.sleep(self.venue.timing.housekeeping)
            self._frames.look(self._streams.values())
            for topic in self._refusals.due(trio.current_time()):
                keys = self._followed.get(topic)
                if keys is None:
                    self._consider(topic)
                elif all(self._streams[key].received for key in keys):
                    self._refusals.forget(topic)

    async def _review(self) -> None:
        """Whenever the list is new: everything wanted may be possible now, or not any more.

        A few at a time: what is not listed is compared with all that is, and thousands may want what is not.
        """
        while True:
            await self._is_review_due.wait()
            self._is_review_due = trio.Event()
            wanted = dict.fromkeys([*self.venue.always, *(topic for topic, _ in self._wanted)])
            for number, topic in enumerate(wanted):
                if self._is_wanted(topic):
                    self._review_one(topic)
                if number % REVIEWED_AT_ONCE == REVIEWED_AT_ONCE - 1:
                    await trio.lowlevel.checkpoint()
            self.outbox.wake()
            self._judge()

    def _review_one(self, topic: FeedTopic) -> None:
        problem = self.venue.problem(topic, self.listing) if self.listing.is_known else ""
        if topic not in self._followed and not problem:
            self._refusals.forget(topic)
            self._consider(topic)
        elif problem and not self._refusals.is_refused(topic):
            self._refuse(topic, problem)

    def _judge(self) -> None:
        """Tell the feed's state if it has changed: the worst of its lines'."""
        lines = self.lines.in_use
        if not self._is_running:
            state, detail = OFF, "stopped"
        elif not lines and (self._wanted or self.venue.always) and not self.listing.is_known:
            state, detail = CONNECTING, "waiting for the list of symbols"
        else:
            state, detail = state_of(lines)
            if (state, self.state) == (CONNECTING, DOWN):
                return  # another attempt is no news
        if (state, detail) != (self.state, self.detail):
            self.state, self.detail = state, detail
            self.outbox.put_now(FeedStatus(self.venue.name, state, detail, self.now_ns()))

    # -- trouble

    def _tell_gap(self, line: Line, gap: Gap) -> None:
        self._gaps.lost(line, gap)

    def _on_connected(self, line: Line) -> None:
        for stream in line.streams.values():
            self._books.connected(stream)

    def _on_refusal(self, stream: Stream, reason: str) -> None:
        """The venue refused a stream of a symbol that it lists: once may be a whim, twice is meant."""
        timing = self.venue.timing
        is_deadly = _DEADLY in reason
        stream.refusals += 1
        if stream.refusals == 1 and not is_deadly:
            return  # the connection asks again by itself
        seconds = timing.deadly if is_deadly else timing.refused
        for topic in list(stream.topics):
            self._refuse(topic, f"{self.venue.name} refused it: {reason}", seconds)

    # -- the venue's list, and the passing of time

    async def _fetch_snapshot(self, symbol: str) -> BookSnapshot:
        return await self.venue.fetch_snapshot(self._rest, symbol)

    def _on_news(self) -> None:
        self.outbox.put_now(VenueListed(self.venue.name, tuple(self.listing.instruments.values())))
        self._is_review_due.set()

    def _on_late(self) -> None:
        """Without a list for long, ask for symbols all the same where that harms nobody."""
        if self.venue.is_harmless_to_guess:
            log.warning("symbols are asked for unchecked: there is no list yet", venue=self.venue.name)
            self._can_guess = True
            self._is_review_due.set()

    # -- figures

    def statistics(self) -> FeedStatistics:
        """What the feed did so far."""
        return feed_statistics(self, self._streams.values(), self._rest)

    @property
    def gaps(self) -> int:
        """How many gaps were told."""
        return self._gaps.told

    @property
    def topic_count(self) -> int:
        """How many topics are followed."""
        return len(self._followed)

    @property
    def refused_count(self) -> int:
        """How many topics are wanted and not served."""
        return len(self._refusals)
