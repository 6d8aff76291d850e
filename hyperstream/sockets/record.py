"""One subscription of a connection, and one command that is on its way."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Final

from attrs import define, field

from hyperstream.errors import SocketError
from hyperstream.sockets.protocol import Command, Kind, Subscription

Waiter = Callable[[SocketError | None], None]
NEVER: Final = -math.inf


class Status(Enum):
    """What the peer knows of a subscription."""

    WANTED = "wanted"  # to be asked for
    QUEUED = "queued"  # in a command that waits to be sent
    ASKED = "asked"
    ACTIVE = "active"
    UNWANTED = "unwanted"  # to be ended
    LEAVING = "leaving"  # in a command that ends it


@define(eq=False, repr=False)
class Record:
    """One subscription and what became of it. Times are seconds of Trio's clock.

    ``is_tentative``: whoever asked for it waits for the answer, and does not want it after a refusal.
    ``is_proven``: accepted or heard since it is desired. ``group_size``: as a suspect it is asked for
    together with so many at most.
    """

    subscription: Subscription
    is_tentative: bool = False
    status: Status = Status.WANTED
    is_wanted: bool = True
    is_proven: bool = False
    is_gap_told: bool = False
    asked_at: float = NEVER
    heard_at: float = NEVER
    not_before: float = NEVER
    group_size: int | None = None
    offences: int = 0
    renewals: int = 0
    pending: Pending | None = None
    joining: list[Waiter] = field(factory=list)
    leaving: list[Waiter] = field(factory=list)

    @property
    def is_heard(self) -> bool:
        """Whether something came since it was last asked for."""
        return self.heard_at >= self.asked_at > NEVER

    @property
    def has_stream(self) -> bool:
        """Whether the peer may be sending it."""
        return self.status not in (Status.WANTED, Status.QUEUED)


@define(eq=False, repr=False)
class Pending:
    """A command that was sent and not answered yet, with the records it was not answered for."""

    kind: Kind
    command: Command
    records: list[Record]
    sent_at: float


def answer(waiters: list[Waiter], outcome: SocketError | None) -> None:
    """Tell everyone who waits, once."""
    told = list(waiters)
    waiters.clear()
    for waiter in told:
        waiter(outcome)
