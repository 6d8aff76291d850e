"""The hub: every subscription there is, and the end of a block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from hyperstream.hub.contracts import DEFAULT_LIMITS, SUBSCRIPTIONS
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import WireFormat
from hyperstream.market.updates import NoticeNote

if TYPE_CHECKING:
    from hyperstream.hub.log import Entry
    from hyperstream.hub.topic import Topic

MICROSECONDS = 1_000_000


@frozen
class HubStatistics:
    """Subscriptions now, and what happened by cause since the start."""

    subscriptions: int
    counts: dict[str, int]


@define(eq=False)
class Hub:
    """Opens subscriptions and tells those with news when a block ends.

    ``start_seconds`` is the wall clock at the start of the process. Epochs rise from its microsecond,
    slower than microseconds pass: a resume point of an earlier run never fits by accident, however
    soon after it this one was started. ``marked`` are those with something to flush; ``deferred`` is what
    was published since the last flush and not yet offered to the late.
    """

    start_seconds: float
    subscriptions: dict[Subscription, None] = field(factory=dict)
    counts: Counter[str] = field(factory=Counter)
    epochs_given: int = 0
    marked: dict[Subscription, None] = field(factory=dict)
    deferred: list[tuple[Topic, Entry]] = field(factory=list)
    _joined_entries: list[Entry] = field(factory=list)
    _joined: bytes = b""

    def next_epoch(self) -> int:
        """A number never given before, not even by an earlier run."""
        self.epochs_given += 1
        return int(self.start_seconds * MICROSECONDS) + self.epochs_given

    def subscribe(
        self,
        contract: Contract,
        wire_format: WireFormat,
        wake: Callable[[], None],
        limits: OutboxLimits = DEFAULT_LIMITS,
    ) -> Subscription:
        """Open a subscription without topics; ``wake`` is called when there is something to take."""
        subscription = SUBSCRIPTIONS[contract](self, wire_format, limits, wake)
        self.subscriptions[subscription] = None
        return subscription

    def mark(self, subscription: Subscription) -> None:
        """This subscription has something to flush."""
        if subscription in self.subscriptions:
            self.marked[subscription] = None

    def flush(self) -> None:
        """A block ended: hand what was published to the subscriptions' servers.

        Those that keep up come first: they are written to before the late are even offered it, so
        that nobody waits for what the slow ones cost.
        """
        rest = self._flush_prompt()
        if rest or self.deferred:
            self.settle()
            late, self.marked = self.marked, {}
            late.update(dict.fromkeys(rest))
            for subscription in sorted(late, key=_is_busy):
                subscription.flush()
                subscription.flushed()

    def flush_prompt(self) -> None:
        """Hand what was published so far to those that keep up; the block has not ended yet."""
        rest = self._flush_prompt()
        self.marked.update(dict.fromkeys(rest))

    def _flush_prompt(self) -> list[Subscription]:
        """Flush those that keep up; returns the others that have something to flush."""
        marked, self.marked = self.marked, {}
        rest = []
        for subscription in marked:
            if subscription.is_prompt and subscription.is_idle:
                subscription.flush()
            else:
                rest.append(subscription)
        return rest

    def join(self, entries: list[Entry]) -> bytes:
        """The frames of a block joined; those who follow the same topics share one message."""
        if entries != self._joined_entries:
            self._joined_entries = list(entries)
            self._joined = b"".join([entry[0] for entry in entries])
        return self._joined

    def settle(self) -> None:
        """Offer the late what was published since the last flush."""
        if self.deferred:
            deferred, self.deferred = self.deferred, []
            for topic, entry in deferred:
                for cursor in topic.late:
                    cursor.offer(entry)

    def forget(self, subscription: Subscription) -> None:
        """This subscription takes no more updates."""
        self.subscriptions.pop(subscription, None)
        self.marked.pop(subscription, None)

    def notify_all(self, note: NoticeNote) -> None:
        """Tell every subscriber something about its stream."""
        self.settle()
        for subscription in list(self.subscriptions):
            subscription.notify(note)

    def finish(self) -> None:
        """Nothing will be published any more: every stream ends behind what waits for it."""
        for subscription in list(self.subscriptions):
            subscription.finish()

    def count(self, cause: str) -> None:
        """Count something that happened to a subscriber."""
        self.counts[cause] += 1

    def statistics(self) -> HubStatistics:
        """What there is and what happened."""
        return HubStatistics(len(self.subscriptions), dict(self.counts))


def _is_busy(subscription: Subscription) -> bool:
    return not subscription.is_idle
