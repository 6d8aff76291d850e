"""A series and its topic: published when it has changed, begun with the newest value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from attrs import define, field

from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.price_updates import SeriesName
from hyperstream.market.updates import GAP_SOURCE, GapNote, Update


class PriceWireFormat(WireFormat, Protocol):
    """How prices are spelled for one kind of server."""

    def refusal(self, key: str, status_name: str, reason: str, /) -> bytes:
        """The frame that says that a series ends, and why."""


class Source(Protocol):
    """What a series shows: the newest value, and what tells it from an earlier one."""

    def newest(self, sequence: int, /) -> Update | None:
        """The newest value as the update with this sequence; None before the first."""

    def version(self) -> object:
        """What changes whenever the newest value does."""


@define(eq=False)
class Series:
    """A name, a topic, and what is shown on it."""

    name: SeriesName
    topic: Topic
    source: Source
    snapshot_lag: int = 0

    @property
    def is_followed(self) -> bool:
        """Whether anybody would get what is published."""
        return self.topic.is_followed

    def begin(self) -> None:
        """There is a first value: from now on newcomers begin with the newest."""
        self.topic.snapshots = self

    def publish(self) -> None:
        """Hand the newest value to the followers."""
        update = self.source.newest(self.topic.sequence + 1)
        if update is not None:
            self.topic.publish(update)

    def tell_gap(self, detail: str) -> None:
        """Values that come were computed without something that is missing: say so."""
        if self.is_followed:
            self.topic.tell_gap(GapNote(self.name, self.topic.epoch, 0, 0, 0, GAP_SOURCE, detail))

    def snapshot_key(self) -> object:
        """One snapshot per value."""
        return self.source.version()

    def snapshot_updates(self) -> Iterator[Update]:
        """The newest value."""
        update = self.source.newest(self.topic.sequence)
        if update is not None:
            yield update


@define(eq=False)
class Publisher:
    """Makes series for one wire format, and ends them.

    ``closings`` are values that stand for good (closed bars, indicators on them) and wait for the end of
    the batch. ``is_urgent`` says that something was published that waits for no batch.
    """

    hub: Hub
    wire_format: PriceWireFormat
    now_ns: Callable[[], int]
    closings: list[tuple[Topic, Callable[[int], Update]]] = field(factory=list)
    is_urgent: bool = False

    def series(self, name: SeriesName, source: Source) -> Series:
        """A series without a value yet. Streams of prices have no resume points."""
        topic = Topic(
            name,
            self.wire_format,
            self.hub.next_epoch(),
            last_used_ns=self.now_ns(),
            is_resumable=False,
        )
        return Series(name, topic, source)

    def publish_closings(self) -> None:
        """Publish what stands for good, in order.

        Of each series one value goes out at a time, so that a follower who keeps up gets every one of
        them, and none is replaced by the next.
        """
        closings, self.closings = self.closings, []
        gone: set[Topic] = set()
        for topic, update_of in closings:
            if topic in gone:
                self.hub.flush()
                gone.clear()
            gone.add(topic)
            topic.publish(update_of(topic.sequence + 1))

    def end(self, name: SeriesName, topics: tuple[Topic, ...], status_name: str, reason: str) -> None:
        """Take every follower off these topics, and tell each once that the series ends and why."""
        followers = {cursor.subscription: None for topic in topics for cursor in topic.cursors}
        frame = self.wire_format.refusal(name.symbol, status_name, reason)
        for subscription in followers:
            for topic in topics:
                subscription.detach(topic)
            subscription.tell(frame)
