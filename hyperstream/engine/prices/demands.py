"""What of the venues is wanted upstream: the first who wants a topic asks for it, the last lets it go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from attrs import define, field

from hyperstream.market.venues import FeedDemand, FeedTopic


@define(eq=False)
class Demands:
    """Counts who wants each topic, and the venue's own frames of it, and tells ``send`` of each change.

    ``send`` gets one FeedDemand when the first wants a topic and one when the last has let it go; the same
    for its raw frames, apart from that.
    """

    send: Callable[[FeedDemand], None]
    _wanted: Counter[tuple[FeedTopic, bool]] = field(factory=Counter)

    def want(self, topics: Iterable[FeedTopic], *, is_raw: bool = False) -> None:
        """One more wants these topics."""
        for topic in topics:
            self._wanted[topic, is_raw] += 1
            if self._wanted[topic, is_raw] == 1:
                self.send(FeedDemand(topic, is_wanted=True, is_raw=is_raw))

    def release(self, topics: Iterable[FeedTopic], *, is_raw: bool = False) -> None:
        """One who wanted these topics wants them no more."""
        for topic in topics:
            left = self._wanted[topic, is_raw] - 1
            if left:
                self._wanted[topic, is_raw] = left
            else:
                del self._wanted[topic, is_raw]
                self.send(FeedDemand(topic, is_wanted=False, is_raw=is_raw))

    def is_wanted(self, topic: FeedTopic) -> bool:
        """Whether anybody wants the topic."""
        return (topic, False) in self._wanted or (topic, True) in self._wanted

    def __len__(self) -> int:
        """How many topics are wanted, raw frames counted apart."""
        return len(self._wanted)
