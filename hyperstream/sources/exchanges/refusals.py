"""Topics that are wanted and not served, why, and when they are asked for once more."""

from __future__ import annotations

import math

from attrs import define, field

from hyperstream.market.venues import FeedTopic


@define(eq=False)
class Refused:
    """Why a topic is not served; it stands until a time. ``times`` counts those in a row."""

    detail: str
    until: float
    times: int = 1


@define(eq=False)
class Refusals:
    """All of a feed's. Times are Trio's; the waits double up to ``longest_seconds``."""

    longest_seconds: float
    _all: dict[FeedTopic, Refused] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._all)

    def refuse(self, topic: FeedTopic, detail: str, now: float, seconds: float = math.inf) -> bool:
        """Note a refusal that stands for some seconds, or until the list changes; whether it is news."""
        known = self._all.get(topic)
        times = known.times + 1 if known is not None else 1
        wait = seconds
        if seconds < math.inf:
            wait = min(seconds * 2.0 ** min(times - 1, 16), max(seconds, self.longest_seconds))
        self._all[topic] = Refused(detail, now + wait, times)
        return known is None or known.detail != detail

    def standing(self, topic: FeedTopic, now: float) -> str:
        """Why a topic is not asked for now; ``""`` if it may be."""
        refused = self._all.get(topic)
        return refused.detail if refused is not None and now < refused.until else ""

    def is_refused(self, topic: FeedTopic) -> bool:
        """Whether a topic was refused and has not been heard since."""
        return topic in self._all

    def due(self, now: float) -> list[FeedTopic]:
        """The topics whose refusal does not stand any more, though nothing was heard of them yet."""
        return [topic for topic, refused in self._all.items() if now >= refused.until]

    def forget(self, topic: FeedTopic) -> None:
        """It is served, or nobody wants it any more."""
        self._all.pop(topic, None)
