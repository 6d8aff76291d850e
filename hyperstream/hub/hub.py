"""The hub: every subscription there is, and the end of a block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import define, field, frozen

from hyperstream.hub.contracts import DEFAULT_LIMITS, SUBSCRIPTIONS
from hyperstream.hub.subscription import Contract, OutboxLimits, Subscription
from hyperstream.hub.topic import WireFormat
from hyperstream.market.updates import NoticeNote

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
    soon after it this one was started.
    """

    start_seconds: float
    subscriptions: dict[Subscription, None] = field(factory=dict)
    counts: Counter[str] = field(factory=Counter)
    epochs_given: int = 0
    _marked: dict[Subscription, None] = field(factory=dict)

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
            self._marked[subscription] = None

    def flush(self) -> None:
        """A block ended: hand what was published to the subscriptions' servers.

        Those that can be written to come first: nobody waits for what the slow ones cost.
        """
        if self._marked:
            marked = self._marked
            self._marked = {}
            slow = []
            for subscription in marked:
                if subscription.is_idle:
                    subscription.flush()
                else:
                    slow.append(subscription)
            for subscription in slow:
                subscription.flush()

    def forget(self, subscription: Subscription) -> None:
        """This subscription takes no more updates."""
        self.subscriptions.pop(subscription, None)
        self._marked.pop(subscription, None)

    def notify_all(self, note: NoticeNote) -> None:
        """Tell every subscriber something about its stream."""
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
