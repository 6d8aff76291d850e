"""What a connection, or many, did so far: counts, and what waits now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import define, frozen

from hyperstream.sockets.events import State
from hyperstream.sockets.record import Status
from hyperstream.sockets.router import RouterStatistics

if TYPE_CHECKING:
    from hyperstream.sockets.upkeep import Upkeep


@define(eq=False, repr=False)
class Traffic:
    """What a connection received and sent, over all its sessions."""

    received_messages: int = 0
    received_bytes: int = 0
    sent_messages: int = 0
    passive_pings: int = 0
    unmatched_replies: int = 0
    unsent: int = 0
    latency_seconds: float | None = None


@frozen
class ConnectionStatistics:
    """One connection's counts since it was built.

    ``latency_seconds`` is how long the last ping took, ``queued`` how many messages wait to be sent,
    ``unsent`` how many were lost with a connection. ``gaps`` counts subscriptions told of one, ``unanswered``
    commands without an answer, ``unmatched_replies`` answers without a command. ``losses`` leaves out what
    was planned.
    """

    name: str
    state: State
    attempt: int
    connects: int
    losses: int
    connect_failures: int
    connected_seconds: float
    latency_seconds: float | None
    received_messages: int
    received_bytes: int
    sent_messages: int
    queued: int
    unsent: int
    passive_pings: int
    unmatched_replies: int
    desired: int
    active: int
    gaps: int
    renewals: int
    refusals: int
    unanswered: int
    router: RouterStatistics


def connection_statistics(upkeep: Upkeep) -> ConnectionStatistics:
    """Return what a connection did so far."""
    session, ledger, traffic = upkeep.session, upkeep.ledger, upkeep.traffic
    since = upkeep.connected_at
    records = ledger.records.values()
    return ConnectionStatistics(
        name=upkeep.config.name,
        state=upkeep.state,
        attempt=upkeep.attempt,
        connects=upkeep.connects,
        losses=upkeep.losses,
        connect_failures=upkeep.connect_failures,
        connected_seconds=trio.current_time() - since if since is not None else 0.0,
        latency_seconds=traffic.latency_seconds,
        received_messages=traffic.received_messages,
        received_bytes=traffic.received_bytes + (session.transport.received_bytes if session else 0),
        sent_messages=traffic.sent_messages,
        queued=session.sender.queued if session else 0,
        unsent=traffic.unsent,
        passive_pings=traffic.passive_pings,
        unmatched_replies=traffic.unmatched_replies,
        desired=sum(record.is_wanted for record in records),
        active=sum(record.status is Status.ACTIVE for record in records),
        gaps=ledger.gaps,
        renewals=ledger.renewals,
        refusals=ledger.refusals,
        unanswered=ledger.unanswered,
        router=upkeep.router.statistics(),
    )
