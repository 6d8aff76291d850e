"""Trouble on request: what can go wrong between a venue and its client, injected by call or by chance.

Every method says what a correct client must do. What was really done is counted (``counts``) and
listed (``incidents``) when it takes effect, so that a test can compare it with what its client told.
Chance has a generator of its own: the market is the same with trouble and without.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING

import trio
from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.testing.exchanges.garbage import Garbage, garbage_frame
from hyperstream.testing.exchanges.outbox import How
from hyperstream.testing.exchanges.strikes import STRIKES
from hyperstream.testing.exchanges.trouble_rates import TroubleRates
from hyperstream.testing.http import Answer

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.session import Session
    from hyperstream.testing.exchanges.venue import FakeVenue

KEPT_INCIDENTS = 10_000


@frozen
class Incident:
    """Something that was done: ``detail`` names the topic, the kind of garbage, the status."""

    kind: str
    count: int
    detail: str
    time_ms: int


@define(eq=False)
class Trouble:
    """The trouble kit of one venue. Seconds are Trio's; chances are per minute of the venue's clock."""

    venue: "FakeVenue"
    rng: Random
    rates: TroubleRates
    counts: Counter[str] = field(factory=Counter, init=False)
    incidents: deque[Incident] = field(factory=lambda: deque(maxlen=KEPT_INCIDENTS), init=False)
    incident_count: int = field(default=0, init=False)  # how many there ever were; the list is bounded
    pending: Counter[str] = field(factory=Counter, init=False)
    _refused_until: float = field(default=-math.inf, init=False)
    _handshake_answers: deque[Answer] = field(factory=deque, init=False)
    _rest_answers: deque[Answer] = field(factory=deque, init=False)
    _handshake_delays: deque[float] = field(factory=deque, init=False)
    _ack_delays: deque[float] = field(factory=deque, init=False)
    _rest_delays: deque[float] = field(factory=deque, init=False)

    # -- connections ------------------------------------------------------------------------

    def disconnect(
        self, how: How = How.RESET, *, session: "Session | None" = None, code: int = 1001, reason: str = ""
    ) -> int:
        """End one session, or all; return how many. A client reconnects, restores, and tells a gap.

        HALF_CLOSE sends FIN and goes on reading: a client must not take that for a quiet market.
        """
        return self._each(session, how.value, lambda each: each.end(how, code, reason))

    def refuse_connections(self, seconds: float) -> None:
        """Reset whatever connects for a while. A client backs off and does not give up."""
        self._refused_until = trio.current_time() + seconds

    def answer_handshakes(self, status: int, *, count: int = 1, retry_after_seconds: float = 5.0) -> None:
        """Answer the next handshakes with a status such as 429. A client waits for Retry-After."""
        self._handshake_answers.extend([Answer.too_many(status, retry_after_seconds)] * count)

    def answer_handshakes_with_html(self, count: int = 1) -> None:
        """Answer the next handshakes with a page and status 200. A client retries, and says what it got."""
        self._handshake_answers.extend([Answer.html()] * count)

    def slow_handshakes(self, seconds: float, *, count: int = 1) -> None:
        """Let the next handshakes wait. A client has a deadline."""
        self._handshake_delays.extend([seconds] * count)

    def stall(self, seconds: float = math.inf, *, session: "Session | None" = None) -> int:
        """Keep the connection and say nothing, no pong either. A client notices by its own deadlines.

        What would have been said is lost: after a finite stall, sequences jump.
        """
        until = trio.current_time() + seconds
        return self._each(session, "stall", lambda each: each.stall(until))

    def stall_topic(self, name: str, seconds: float = math.inf) -> bool:
        """Withhold a topic's updates. A client renews that subscription only; renewing ends the stall."""
        topic = self.venue.board.topics.get(name)
        if topic is None:
            return False
        topic.stalled_until = trio.current_time() + seconds
        self.done("topic_stall", 1, name)
        return True

    # -- frames -----------------------------------------------------------------------------

    def send_garbage(self, kind: Garbage | None = None, *, session: "Session | None" = None) -> int:
        """Send what no venue would. A client counts it and keeps the connection if the frame was whole."""
        kind = kind or self.rng.choice(list(Garbage))

        def send(each: "Session") -> None:
            each.send_bytes(garbage_frame(kind, each.last_text, self.rng))
            if kind is Garbage.TORN_FRAME:
                each.end(How.HALF_CLOSE)

        return self._each(session, "garbage", send, kind.value)

    def skip_updates(self, name: str, count: int = 1) -> bool:
        """Lose the next updates of a topic. A client of a sequenced one resynchronises that book only."""
        topic = self.venue.board.topics.get(name)
        if topic is None:
            return False
        topic.to_skip += count
        return True

    def repeat_update(self, name: str) -> bool:
        """Send a topic's newest update again. A client of a sequenced one ignores it."""
        topic = self.venue.board.topics.get(name)
        if topic is None or topic.last is None or not topic.followers:
            return False
        for session in list(topic.followers):
            session.publish(topic, topic.last)
        self.done("repeated_update", len(topic.followers), name)
        return True

    # -- commands ---------------------------------------------------------------------------

    def lose_acks(self, count: int = 1) -> None:
        """Carry the next commands out and do not say so. A client's command has a deadline."""
        self.pending["lost_ack"] += count

    def refuse_acks(self, count: int = 1) -> None:
        """Refuse the next commands, whatever they are. A client names the subscription refused."""
        self.pending["refused_ack"] += count

    def delay_acks(self, seconds: float, *, count: int = 1) -> None:
        """Answer the next commands late, data meanwhile. A client minds neither."""
        self._ack_delays.extend([seconds] * count)

    # -- REST -------------------------------------------------------------------------------

    def fail_requests(self, status: int = 503, *, count: int = 1, retry_after_seconds: float = 5.0) -> None:
        """Answer the next HTTP requests with an error. A client asks again, politely."""
        self._rest_answers.extend([Answer.too_many(status, retry_after_seconds)] * count)

    def answer_requests_with_html(self, count: int = 1) -> None:
        """Answer the next HTTP requests with a page and status 200."""
        self._rest_answers.extend([Answer.html()] * count)

    def delay_requests(self, seconds: float, *, count: int = 1) -> None:
        """Make the next answers at once and send them late: a snapshot is old when it comes."""
        self._rest_delays.extend([seconds] * count)

    def stale_snapshots(self, count: int = 1) -> None:
        """Answer the next book requests with an old book. A client that is told of a gap asks again."""
        self.pending["stale_snapshot"] += count

    # -- chance -----------------------------------------------------------------------------

    def strike(self, kind: str | None = None) -> str:
        """Do one kind of trouble to something picked at random, and return its name.

        By default it is one of ``rates``, or any where these want none; names are ``TroubleRates``'
        fields. A kind that finds nobody to strike does nothing; one that waits for the next handshake,
        command or request is counted when that comes.
        """
        if kind is None:
            wanted = self.rates.chosen() or [(name, 1.0) for name in STRIKES]
            names, weights = zip(*wanted, strict=True)
            kind = str(self.rng.choices(names, weights)[0])
        if kind not in STRIKES:
            raise ConfigurationError(f"no such trouble: {kind!r}; there is {', '.join(STRIKES)}")
        STRIKES[kind](self)
        return kind

    def roll(self, minutes: float) -> None:
        """Strike by chance for a stretch of the venue's time."""
        for kind, rate in self.rates.chosen():
            if self.rng.random() < rate * minutes:
                self.strike(kind)

    # -- what the venue asks ----------------------------------------------------------------

    def spend(self, kind: str) -> bool:
        """Use up one of ``pending`` and count it; False if none is wanted."""
        if not self.pending[kind]:
            return False
        self.pending[kind] -= 1
        self.done(kind)
        return True

    def is_refusing(self) -> bool:
        """Whether a new connection is to be reset; counts it."""
        if trio.current_time() >= self._refused_until:
            return False
        self.done("refused_connection")
        return True

    def handshake_delay_seconds(self) -> float:
        """Return how long the next handshake waits."""
        return self._next_delay(self._handshake_delays, "slow_handshake")

    def ack_delay_seconds(self) -> float:
        """Return how long the next acknowledgement waits."""
        return self._next_delay(self._ack_delays, "late_ack")

    def rest_delay_seconds(self) -> float:
        """Return how long the next answer waits."""
        return self._next_delay(self._rest_delays, "late_request")

    def handshake_answer(self) -> Answer | None:
        """Return what the next handshake gets instead of one."""
        return self._next_answer(self._handshake_answers, "refused_handshake")

    def rest_answer(self) -> Answer | None:
        """Return what the next request gets instead of an answer."""
        return self._next_answer(self._rest_answers, "failed_request")

    def done(self, kind: str, count: int = 1, detail: str = "") -> None:
        """Count something that took effect."""
        self.counts[kind] += count
        self.incident_count += 1
        self.incidents.append(Incident(kind, count, detail, self.venue.now_ms))

    def _next_delay(self, delays: deque[float], kind: str) -> float:
        if not delays:
            return 0.0
        self.done(kind)
        return delays.popleft()

    def _next_answer(self, answers: deque[Answer], kind: str) -> Answer | None:
        if not answers:
            return None
        answer = answers.popleft()
        self.done(kind, 1, str(answer.status))
        return answer

    def _each(
        self, session: "Session | None", kind: str, act: Callable[["Session"], None], detail: str = ""
    ) -> int:
        sessions: Iterable[Session] = [session] if session is not None else list(self.venue.sessions)
        struck = [each for each in sessions if each.is_open]
        for each in struck:
            act(each)
        if struck:
            self.done(kind, len(struck), detail)
        return len(struck)
