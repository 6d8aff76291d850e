"""What a venue adds to a WebSocket: how it is asked for subscriptions, and how it answers.

A `Protocol` holds pure functions from and to messages; the connection does all waiting, counting and
repeating. The one here knows no subscriptions: it serves a peer that only talks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Literal

from attrs import field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.sockets.events import Gap

SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"
Kind = Literal["subscribe", "unsubscribe"]


@frozen
class Subscription:
    """Something a peer is to send, until it is told to stop.

    ``key`` is its identity: what the venue's answers and `Connection.heard` name it by. ``request`` is
    whatever the protocol needs to ask for it. With ``max_silence_seconds`` it is renewed when nothing
    was heard of it for so long, and after ``max_renewals`` in vain the socket is reconnected, once.
    ``on_gap`` is called, synchronously, with each `Gap` that concerns it.
    """

    key: Hashable
    request: Any = field(default=None, eq=False)
    max_silence_seconds: float | None = None
    max_renewals: int = 3
    on_gap: Callable[[Gap], None] | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.max_silence_seconds is not None and self.max_silence_seconds <= 0:
            raise ConfigurationError(
                f"subscription {self.key!r}: max_silence_seconds is {self.max_silence_seconds}; it must be "
                "above 0, or None where silence is normal"
            )
        if self.max_renewals < 1:
            raise ConfigurationError(
                f"subscription {self.key!r}: max_renewals is {self.max_renewals}, not 1 or more"
            )


@frozen
class Command:
    """A message to the peer, the subscriptions it covers, and the id its answer carries (None: no id)."""

    data: str | bytes
    subscriptions: tuple[Subscription, ...] = ()
    id: Hashable | None = None


@frozen
class Accepted:
    """The peer agreed: to the command of this id, or to the subscriptions with these keys.

    ``kind`` says to what the keys refer, where an id does not.
    """

    command: Hashable | None = None
    keys: tuple[Hashable, ...] = ()
    kind: Kind = SUBSCRIBE


@frozen
class Rejected:
    """The peer said no, with its reason.

    ``keys`` are the subscriptions it named. Where the command covered others too, they are asked for
    again, because venues reject a command as a whole; with ``is_rest_accepted`` the others stand. A
    command of several that is rejected without a name is asked for again one by one.
    """

    reason: str
    command: Hashable | None = None
    keys: tuple[Hashable, ...] = ()
    kind: Kind = SUBSCRIBE
    is_rest_accepted: bool = False


@frozen
class Pong:
    """The peer's answer to an application ping."""


Reply = Accepted | Rejected | Pong


class Protocol:
    """A peer without subscriptions; derive from it and override what the venue has.

    ``control_keys`` are the route keys of messages that can be replies, so that no other message is
    looked at; None asks `reply` about every message. Where ``acknowledges`` is False, subscriptions
    count as accepted once they are sent.
    """

    control_keys: frozenset[Hashable] | None = frozenset()
    acknowledges: bool = True

    def subscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """Return the commands that ask for these; together they cover each exactly once.

        ``new_id`` gives numbers that rise by one and are unique on this connection.
        """
        raise ConfigurationError(
            f"{type(self).__name__} knows no subscriptions ({subscriptions[0].key!r} was asked for, command "
            f"{new_id()}); give the connection a protocol that overrides subscribe and unsubscribe"
        )

    def unsubscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """Return the commands that end these; together they cover each exactly once."""
        return self.subscribe(subscriptions, new_id)

    def reply(self, message: Any) -> Reply | None:  # noqa: ARG002 - for those that override it
        """Return what a decoded message answers; None if it is no reply."""
        return None

    def ping(self, new_id: Callable[[], int]) -> str | bytes | None:  # noqa: ARG002 - as above
        """Return an application ping; None if the venue has none."""
        return None

    def speaker(self, message: Any) -> Hashable | None:  # noqa: ARG002 - as above
        """Return the key of the subscription that a message was sent for; None if it cannot be told.

        Asked only while some subscription has ``max_silence_seconds``; `Connection.heard` does the same.
        """
        return None
