"""What chance does: each kind of trouble, done to somebody picked at random."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from hyperstream.testing.exchanges.outbox import How

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.board import Topic
    from hyperstream.testing.exchanges.session import Session
    from hyperstream.testing.exchanges.trouble import Trouble

CLOSE_CODES = (1000, 1001, 1008, 1011, 1012)


def _someone(trouble: "Trouble") -> "Session | None":
    sessions = [session for session in trouble.venue.sessions if session.is_open]
    return trouble.rng.choice(sessions) if sessions else None


def _something(trouble: "Trouble", *, is_sequenced: bool = False) -> "Topic | None":
    topics = [
        topic
        for topic in trouble.venue.board.topics.values()
        if topic.followers and (topic.is_sequenced or not is_sequenced)
    ]
    return trouble.rng.choice(topics) if topics else None


def _end(how: How) -> Callable[["Trouble"], None]:
    def strike(trouble: "Trouble") -> None:
        session = _someone(trouble)
        code = trouble.rng.choice(CLOSE_CODES)
        if session is not None:
            trouble.disconnect(how, session=session, code=code)

    return strike


_reset = _end(How.RESET)


def _stall(trouble: "Trouble") -> None:
    session = _someone(trouble)
    seconds = trouble.rng.choice((1.0, 5.0, math.inf))
    if session is not None:
        trouble.stall(seconds, session=session)


def _stall_topic(trouble: "Trouble") -> None:
    topic = _something(trouble)
    if topic is not None:
        trouble.stall_topic(topic.name)


def _garbage(trouble: "Trouble") -> None:
    session = _someone(trouble)
    if session is not None:
        trouble.send_garbage(session=session)


def _skip(trouble: "Trouble") -> None:
    topic = _something(trouble, is_sequenced=True)
    if topic is not None:
        trouble.skip_updates(topic.name)


def _repeat(trouble: "Trouble") -> None:
    topic = _something(trouble, is_sequenced=True)
    if topic is not None:
        trouble.repeat_update(topic.name)


def _refuse(trouble: "Trouble") -> None:
    trouble.refuse_connections(trouble.rng.uniform(0.1, 2.0))
    _reset(trouble)


def _too_many(trouble: "Trouble") -> None:
    trouble.answer_handshakes(429, retry_after_seconds=1.0)
    _reset(trouble)


def _html(trouble: "Trouble") -> None:
    trouble.answer_handshakes_with_html()
    _reset(trouble)


def _slow_handshake(trouble: "Trouble") -> None:
    trouble.slow_handshakes(trouble.rng.choice((0.5, 8.0)))
    _reset(trouble)


def _failed_request(trouble: "Trouble") -> None:
    trouble.fail_requests(trouble.rng.choice((429, 500, 503)), retry_after_seconds=1.0)


STRIKES: dict[str, Callable[["Trouble"], None]] = {
    "reset": _reset,
    "drop": _end(How.DROP),
    "close": _end(How.CLOSE),
    "half_close": _end(How.HALF_CLOSE),
    "stall": _stall,
    "stall_topic": _stall_topic,
    "garbage": _garbage,
    "skip": _skip,
    "repeat": _repeat,
    "refuse": _refuse,
    "too_many": _too_many,
    "html": _html,
    "slow_handshake": _slow_handshake,
    "lost_ack": lambda trouble: trouble.lose_acks(),
    "refused_ack": lambda trouble: trouble.refuse_acks(),
    "late_ack": lambda trouble: trouble.delay_acks(trouble.rng.uniform(0.1, 2.0)),
    "failed_request": _failed_request,
    "stale_snapshot": lambda trouble: trouble.stale_snapshots(),
}
