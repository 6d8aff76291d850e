"""A WebSocket client that stays connected: useful without the rest of hyperstream.

`Connection` keeps one WebSocket up and everything subscribed on it; `Router` takes messages to handlers;
`Protocol` is what a venue adds; `ConnectionManager` runs many. `docs/sockets.md` has the tour.

    config, strategies      what is wanted
    connection, session     what is kept up, and one life of it
    ledger, record          which subscriptions are desired, and what the peer knows of them
    router, route           bytes → message → handler
    transport, connecting   the one place that knows trio-websocket; TCP, TLS, handshake
    events, statistics      what is told
"""

from hyperstream.sockets.config import Endpoint, Heartbeat, PassivePing, SocketConfig
from hyperstream.sockets.connecting import OpenStream, open_stream
from hyperstream.sockets.connection import Connection
from hyperstream.sockets.events import (
    Event,
    EventReader,
    Gap,
    Missed,
    Refusal,
    Restored,
    State,
    StateChange,
)
from hyperstream.sockets.failures import FailureKind
from hyperstream.sockets.manager import ConnectionManager, Totals
from hyperstream.sockets.protocol import (
    Accepted,
    Command,
    Pong,
    Protocol,
    Rejected,
    Reply,
    Subscription,
)
from hyperstream.sockets.route import Policy, RouteStatistics
from hyperstream.sockets.router import Router, RouterStatistics
from hyperstream.sockets.statistics import ConnectionStatistics
from hyperstream.sockets.strategies import ExponentialBackoff, FixedDelay, Never, ReconnectStrategy

__all__ = [
    "Accepted",
    "Command",
    "Connection",
    "ConnectionManager",
    "ConnectionStatistics",
    "Endpoint",
    "Event",
    "EventReader",
    "ExponentialBackoff",
    "FailureKind",
    "FixedDelay",
    "Gap",
    "Heartbeat",
    "Missed",
    "Never",
    "OpenStream",
    "PassivePing",
    "Policy",
    "Pong",
    "Protocol",
    "ReconnectStrategy",
    "Refusal",
    "Rejected",
    "Reply",
    "Restored",
    "RouteStatistics",
    "Router",
    "RouterStatistics",
    "SocketConfig",
    "State",
    "StateChange",
    "Subscription",
    "Totals",
    "open_stream",
]
