"""The waiting orders of one market as they live in the engine: how far they are trusted, and their topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import define, field

from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.stop_orders import StopOrder, StopOrders, StopOrdersChunk, StopOrdersDelta
from hyperstream.market.updates import (
    GAP_RESYNC,
    GAP_SOURCE,
    BlockStamp,
    GapNote,
    MarketName,
    Update,
)

# As many updates as of all orders: a crowd that comes within them shares one snapshot.
STOPS_SNAPSHOT_LAG = 16


@define(eq=False)
class MarketStops:
    """The orders that wait for their price in one market.

    ``current_stamp`` tells the last block of statuses applied. ``doubt`` says why the list may be wrong;
    ``is_complete`` whether it began with all that waited then. Topics exist while somebody follows.
    """

    name: MarketName
    hub: Hub
    current_stamp: Callable[[], BlockStamp]
    chunk_orders: int
    is_complete: bool
    orders: StopOrders = field(factory=StopOrders)
    doubt: str = ""
    topics: dict[WireFormat, StopOrdersTopic] = field(factory=dict)

    @property
    def stamp(self) -> BlockStamp:
        """The block of statuses after which these orders wait."""
        return self.current_stamp()

    def stream(self, wire_format: WireFormat) -> Topic:
        """The topic of the waiting orders; from now on their changes are noted for it."""
        found = self.topics.get(wire_format)
        if found is None:
            topic = Topic(
                self.name, wire_format, self.hub.next_epoch(), last_used_ns=self.stamp.publish_time_ns
            )
            found = topic.snapshots = StopOrdersTopic(self, topic)
            if not self.topics:
                self.orders.keep_changes(True)
            self.topics[wire_format] = found
        return found.topic

    def publish(self, stamp: BlockStamp) -> None:
        """Publish what became of the orders since the last time, if anything."""
        changes = self.orders.take_changes()
        if changes:
            for stops in self.topics.values():
                topic = stops.topic
                topic.publish(
                    StopOrdersDelta(
                        self.name,
                        topic.epoch,
                        topic.sequence + 1,
                        stamp,
                        bool(self.doubt),
                        changes,
                        self.is_complete,
                    )
                )

    def doubt_because(self, reason: str) -> bool:
        """The list may be wrong from here on: say so to everybody who follows it, unless that was done."""
        if self.doubt:
            return False
        self.doubt = reason
        for stops in self.topics.values():
            stops.topic.tell_gap(self._gap(stops.topic, GAP_SOURCE, reason))
        return True

    def replace(self, orders: StopOrders, is_complete: bool, reason: str) -> None:
        """Trust this list from now on; every follower is told and gets a snapshot of it."""
        self.orders = orders
        self.orders.keep_changes(bool(self.topics))
        self.is_complete = is_complete
        self.doubt = ""
        for stops in self.topics.values():
            topic = stops.topic
            topic.restart(self.hub.next_epoch(), self._gap(topic, GAP_RESYNC, reason))

    def _gap(self, topic: Topic, reason: str, detail: str) -> GapNote:
        return GapNote(self.name, topic.epoch, 0, 0, 0, reason, detail)

    def retire(self, oldest_ns: int) -> None:
        """Drop topics that nobody has followed since then."""
        self.topics = {
            key: stops for key, stops in self.topics.items() if stops.topic.last_used_ns > oldest_ns
        }
        if not self.topics:
            self.orders.keep_changes(False)

    def now(self, wire_format: WireFormat) -> StopOrdersChunk:
        """All orders that wait now, in one chunk; epoch and sequence are 0 if there is no topic."""
        found = self.topics.get(wire_format)
        return StopOrdersChunk(
            self.name,
            found.topic.epoch if found is not None else 0,
            found.topic.sequence if found is not None else 0,
            self.stamp,
            bool(self.doubt),
            self.orders.orders(),
            0,
            True,
            self.is_complete,
        )


@define(eq=False)
class StopOrdersTopic:
    """The waiting orders of a market in one wire format. The snapshot comes in chunks, of one moment."""

    stops: MarketStops
    topic: Topic
    snapshot_lag: int = STOPS_SNAPSHOT_LAG

    def snapshot_key(self) -> object:
        """One snapshot per height, and per change of trust."""
        stops = self.stops
        return stops.stamp.height, stops.doubt, stops.is_complete

    def snapshot_updates(self) -> Iterator[Update]:
        """The orders of now in chunks; the first one copies the list."""
        stops = self.stops
        whole = stops.now(self.topic.wire_format)
        size = stops.chunk_orders
        parts: list[list[StopOrder]] = [
            list(whole.orders[first : first + size]) for first in range(0, len(whole.orders), size)
        ] or [[]]
        for chunk, part in enumerate(parts):
            yield StopOrdersChunk(
                whole.name,
                whole.epoch,
                whole.sequence,
                whole.stamp,
                whole.is_doubtful,
                part,
                chunk,
                chunk == len(parts) - 1,
                whole.is_complete,
            )
