"""A venue's own frames as topics: forwarded as they came, to those who follow them and nobody else.

The first follower of a topic makes the feed subscribe upstream, the last one leaving unsubscribes. What
frames amount to is remembered as long as somebody follows, so that a newcomer begins with a snapshot of that
moment and gets every frame after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import structlog
from attrs import define, field

from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.updates import GAP_RESYNC, GAP_SOURCE, BlockStamp, GapNote, MarketName, Update
from hyperstream.market.venue_frames import FrameMemory, FrameTopics, FrameUpdate, Verdict
from hyperstream.market.venues import FeedGap, FeedItem, FeedTopic, TopicRefused, VenueFrame
from hyperstream.wire.bybit_frames import BYBIT_FRAMES
from hyperstream.wire.hyperliquid_frames import HYPERLIQUID_FRAMES

log = structlog.get_logger("hyperstream.engine")

OnRefused = Callable[[str, str], None]


class Upstream(Protocol):
    """What the topics need of the prices engine."""

    def locate(self, venue: str, symbol: str) -> str:
        """Raises SelectionError for a symbol that the venue does not list."""

    def want_frames(self, topic: FeedTopic) -> None:
        """Ask the feed for a topic with its frames."""

    def release_frames(self, topic: FeedTopic) -> None:
        """Let it go again."""


@define(eq=False)
class FrameTopic:
    """One topic of a venue: what its frames amount to, and a hub topic for each format."""

    name: str
    heading: MarketName
    feed: FeedTopic
    memory: FrameMemory
    hub: Hub
    topics: dict[WireFormat, Topic] = field(factory=dict)
    followers: Counter[OnRefused] = field(factory=Counter)
    stamp: BlockStamp = field(factory=lambda: BlockStamp(0, 0, 0, 0, 0))
    snapshot_lag: int = 0
    is_broken: bool = False
    has_begun: bool = False

    def topic(self, wire_format: WireFormat) -> Topic:
        """The hub's topic in a format."""
        found = self.topics.get(wire_format)
        if found is None:
            epoch = self.hub.next_epoch()
            found = self.topics[wire_format] = Topic(
                self.heading, wire_format, epoch, is_resumable=False, begins_with_update=True
            )
            if self.memory.has_snapshots:
                found.snapshots = FrameSnapshots(self, found)
        return found

    def publish(self, frame: VenueFrame) -> Verdict:
        """Forward a frame, if it follows what was forwarded."""
        was_known = self.memory.is_known
        verdict = self.memory.take(frame)
        if verdict is not Verdict.FORWARD:
            if verdict is Verdict.BROKEN and was_known:
                self.is_broken = True
                self.tell_gap(GAP_RESYNC, "an update is missing; a snapshot follows")
            return verdict
        self.is_broken, self.has_begun = False, True
        time_ns = frame.receive_time_ns
        self.stamp = BlockStamp(0, 0, 0, time_ns, time_ns)
        for topic in self.topics.values():
            topic.publish(self.update(topic, topic.sequence + 1, frame.data))
        return verdict

    def update(self, topic: Topic, sequence: int, data: bytes) -> FrameUpdate:
        """A frame as one of the hub's updates."""
        return FrameUpdate(topic.name, topic.epoch, sequence, self.stamp, self.is_broken, data)

    def tell_gap(self, reason: str, detail: str) -> None:
        """Frames are missing; none that anybody needed before the first snapshot, where that comes first."""
        if self.memory.has_snapshots and not self.has_begun:
            return
        for topic in self.topics.values():
            topic.tell_gap(GapNote(topic.name, topic.epoch, 0, 0, 0, reason, detail))


@define(eq=False)
class FrameSnapshots:
    """What a newcomer to one format's topic begins with."""

    frames: FrameTopic
    topic: Topic
    snapshot_lag: int = 0

    def snapshot_key(self) -> object | None:
        """One for each frame; None until the venue has sent the first."""
        return self.topic.sequence if self.frames.memory.is_known else None

    def snapshot_updates(self) -> Iterator[Update]:
        """All the frames amount to."""
        data = self.frames.memory.snapshot()
        if data is not None:
            yield self.frames.update(self.topic, self.topic.sequence, data)


@define(eq=False)
class FrameBoard:
    """The topics of a venue that somebody follows. ``counts`` are by cause."""

    kind: FrameTopics
    hub: Hub
    upstream: Upstream
    topics: dict[str, FrameTopic] = field(factory=dict)
    counts: Counter[str] = field(factory=Counter)

    # --- what comes from the feed ---

    def on_frame(self, frame: VenueFrame) -> None:
        """The venue sent a frame."""
        topic = self.topics.get(frame.topic)
        if topic is None:
            self.counts["frames of nobody's topics"] += 1
            return
        verdict = topic.publish(frame)
        if verdict is not Verdict.FORWARD:
            self.counts[f"{verdict.value} frames"] += 1
        self.hub.flush()

    def on_news(self, item: FeedItem) -> None:
        """What else the feed told: a gap, or that a topic is not served."""
        if isinstance(item, FeedGap) and item.venue == self.kind.venue:
            missed = set(item.topics)
            for topic in self.topics.values():
                if topic.feed in missed:
                    topic.memory.interrupt()
                    topic.tell_gap(GAP_SOURCE, f"{item.reason}: {item.detail}")
            self.hub.flush()
        elif isinstance(item, TopicRefused) and item.topic.venue == self.kind.venue:
            for topic in [topic for topic in self.topics.values() if topic.feed == item.topic]:
                for on_refused in list(topic.followers):
                    on_refused(topic.name, item.detail)

    # --- the directory that servers use ---

    def check(self, name: str) -> None:
        """Raises TopicError or SelectionError for a topic that is not served."""
        feed = self.kind.feed_topic(name)
        self.upstream.locate(feed.venue, feed.symbol)

    def follow(self, name: str, wire_format: WireFormat, on_refused: OnRefused) -> Topic:
        """The topic in this format, for one more follower."""
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = self._made(name)
            found.followers[on_refused] += 1
            topic = found.topic(wire_format)
            log.debug("a topic is followed", topic=name)
            self.upstream.want_frames(found.feed)
            return topic
        found.followers[on_refused] += 1
        return found.topic(wire_format)

    def _made(self, name: str) -> FrameTopic:
        feed = self.kind.feed_topic(name)
        heading = MarketName(self.kind.heading(feed, name))
        return FrameTopic(name, heading, feed, self.kind.memory(name), self.hub)

    def leave(self, name: str, on_refused: OnRefused) -> None:
        """One follower less."""
        found = self.topics.get(name)
        if found is None or not found.followers[on_refused]:
            return
        found.followers[on_refused] -= 1
        found.followers += Counter()  # without those that are at zero
        found.topics = {key: topic for key, topic in found.topics.items() if topic.is_followed}
        if not found.followers:
            del self.topics[name]
            log.debug("a topic is followed no more", topic=name)
            self.upstream.release_frames(found.feed)


@define(eq=False)
class FrameBoards:
    """The boards of all venues whose frames are forwarded, by venue."""

    boards: Mapping[str, FrameBoard]

    @classmethod
    def of(cls, hub: Hub, upstream: Upstream) -> FrameBoards:
        """Boards without topics."""
        kinds = (BYBIT_FRAMES, HYPERLIQUID_FRAMES)
        return cls({kind.venue: FrameBoard(kind, hub, upstream) for kind in kinds})

    def on_frame(self, frame: VenueFrame) -> None:
        """A venue sent a frame."""
        self.boards[frame.venue].on_frame(frame)

    def on_news(self, item: FeedItem) -> None:
        """A feed told something else."""
        for board in self.boards.values():
            board.on_news(item)
