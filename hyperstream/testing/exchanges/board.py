"""Topics of a fake venue: what is published, to whom, how often.

A topic turns market steps into emissions; the board hands each emission to the sessions that
follow the topic. A session spells it (``Session.spell``), because the same update looks different
in Binance's raw and combined streams, or in milliseconds and microseconds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from hyperstream.testing.exchanges.flow import MarketFlow, MarketStep

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.session import Session
    from hyperstream.testing.exchanges.trouble import Trouble

Steps = Mapping[MarketFlow, MarketStep]


@define(eq=False)
class Emission:
    """One update. ``spell`` writes its JSON with times in units of 1/``n`` ms; spelled once per unit."""

    spell: Callable[[int], bytes]
    _spelled: dict[int, bytes] = field(factory=dict, init=False)

    def text(self, units_per_ms: int = 1) -> bytes:
        """Return the JSON."""
        text = self._spelled.get(units_per_ms)
        if text is None:
            text = self._spelled[units_per_ms] = self.spell(units_per_ms)
        return text

    @classmethod
    def of(cls, text: bytes) -> "Emission":
        """Return an emission that is always spelled so."""
        return cls(lambda _: text)


@define(eq=False)
class Topic(ABC):
    """One stream of updates. ``period_ms`` is the cadence on the venue's clock; 0: with each step."""

    name: str
    period_ms: int
    is_sequenced: bool = field(default=False, kw_only=True)  # a client can tell when an update is missing
    followers: dict["Session", None] = field(factory=dict, init=False)
    last: Emission | None = field(default=None, init=False)
    stalled_until: float = field(default=0.0, init=False)
    to_skip: int = field(default=0, init=False)
    due_ms: int = field(default=0, init=False)

    def first(self) -> Iterable[Emission]:
        """Return what a new follower gets at once; nothing by default."""
        return ()

    def take(self, steps: Steps) -> None:  # noqa: B027 - most topics keep nothing between cadences
        """See what a step did; called before ``emit``, at each step, with or without followers."""

    @abstractmethod
    def emit(self, now_ms: int) -> Iterable[Emission]:
        """Return what is to be published now; called when the cadence says so."""

    def is_due(self, now_ms: int) -> bool:
        """Whether the cadence says so. Cadences of a period coincide for all topics, as on a venue."""
        if now_ms < self.due_ms:
            return False
        if self.period_ms:
            self.due_ms = now_ms - now_ms % self.period_ms + self.period_ms
        return True


@define(eq=False)
class MarketTopic(Topic):
    """A topic of one market."""

    flow: MarketFlow = field(kw_only=True)

    def step_of(self, steps: Steps) -> MarketStep | None:
        """Return what happened in the topic's market."""
        return steps.get(self.flow)


@define(eq=False)
class Board:
    """All topics of a venue that are followed, or have been and keep state."""

    topics: dict[str, Topic] = field(factory=dict)

    def open(self, name: str, make: Callable[[], Topic | None], now_ms: int) -> Topic | None:
        """Return the topic, made when it is not there; None if ``make`` knows no such topic."""
        topic = self.topics.get(name)
        if topic is None:
            topic = make()
            if topic is not None:
                topic.is_due(now_ms)  # the first update of a cadence comes at its next beat
                self.topics[name] = topic
        return topic

    def follow(self, topic: Topic, session: "Session") -> None:
        """Send the session what the topic publishes, from its first frames on."""
        topic.followers[session] = None
        topic.stalled_until = 0.0  # whoever subscribes anew is served again
        for emission in topic.first():
            session.publish(topic, emission)

    def leave(self, topic: Topic, session: "Session") -> None:
        """Stop; a topic that nobody follows ends."""
        topic.followers.pop(session, None)
        if not topic.followers and self.topics.get(topic.name) is topic:
            del self.topics[topic.name]

    def advance(self, steps: Steps, now_ms: int, trouble: "Trouble", now: float) -> None:
        """Publish what a step brought."""
        for topic in list(self.topics.values()):
            topic.take(steps)
            if topic.is_due(now_ms):
                for emission in topic.emit(now_ms):
                    self._publish(topic, emission, trouble, now)

    def _publish(self, topic: Topic, emission: Emission, trouble: "Trouble", now: float) -> None:
        topic.last = emission
        if topic.to_skip and topic.followers:
            topic.to_skip -= 1
            trouble.done("skipped_update", len(topic.followers), topic.name)
            return
        if now < topic.stalled_until:
            trouble.done("withheld_update", len(topic.followers), topic.name)
            return
        for session in list(topic.followers):
            session.publish(topic, emission)
