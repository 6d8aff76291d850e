"""Every error hyperstream raises on purpose, in one small tree.

Each message says what was wrong, where, and what to do. Errors of libraries are mapped
to these at the edge that met them, ``from exc``.
"""


class HyperstreamError(Exception):
    """Base of everything below; catching it never hides a bug."""


class ConfigurationError(HyperstreamError):
    """A setting is unknown, of the wrong type or impossible. The process exits with 2."""


class FormatError(HyperstreamError):
    """Bytes from outside do not look as documented: a node line, a snapshot, a decimal."""


class DecimalError(FormatError):
    """A price or size is not a plain non-negative decimal of at most eight places."""


class LayoutError(HyperstreamError):
    """The node writes its files in a way that cannot be used; names the flag to change."""


class SnapshotError(HyperstreamError):
    """An L4 snapshot could not be had or used; asking again later may help."""


class IndicatorError(HyperstreamError):
    """An indicator was asked for that cannot be: names the field, and what it may be.

    ``field`` is ``"name"``, ``"interval"``, ``"parameters"`` or ``"parameters.timeperiod"``;
    ``reason`` is a sentence for whoever asked.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class IndicatorFault(HyperstreamError):
    """One input of one indicator could not be computed; its state is as before and goes on from there."""


class NoLongerKept(HyperstreamError):
    """The newest value of a market is not kept any more: nobody wants it, or the daemon ends."""


class SelectionError(HyperstreamError):
    """Something a price stream was asked for cannot be had.

    ``status_name`` is gRPC's name of why (``"NOT_FOUND"``), ``field`` the part of the selection that is
    wrong (``"symbol"``), empty if none is, and ``reason`` a sentence that says what to do.
    """

    def __init__(self, status_name: str, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.status_name = status_name
        self.field = field
        self.reason = reason


class ServerUnavailable(HyperstreamError):
    """A hyperstream server could not be reached, or ended the stream without a status."""


class RpcError(HyperstreamError):
    """A server answered a call with a status other than OK.

    ``status_name`` is gRPC's name of it (``"NOT_FOUND"``); ``message`` is the server's sentence.
    """

    def __init__(self, status_name: str, message: str) -> None:
        super().__init__(f"{status_name}: {message}")
        self.status_name = status_name
        self.message = message


class SocketError(HyperstreamError):
    """Base of what a WebSocket connection (`hyperstream.sockets`) raises."""


class ConnectFailed(SocketError):
    """A connection could not be made. Retried under the reconnect strategy; never ends the process.

    ``kind`` is one of `hyperstream.sockets.FailureKind`; ``status`` is the HTTP status where the peer
    answered with one; ``retry_after_seconds`` is what it asked us to wait.
    """

    def __init__(
        self, kind: str, detail: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class ConnectionLost(SocketError):
    """There is no connection, or it went away, before what was asked had been done."""


class CommandTimedOut(SocketError):
    """The peer did not answer a command within its deadline."""


class CommandRefused(SocketError):
    """The peer answered a command with a refusal; ``reason`` is its sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the peer refused the command: {reason}")
        self.reason = reason


class SubscriptionRefused(SocketError):
    """The peer refused a subscription; ``key`` names it and ``reason`` is the peer's sentence."""

    def __init__(self, key: object, reason: str) -> None:
        super().__init__(f"subscription {key!r} was refused: {reason}")
        self.key = key
        self.reason = reason


class TopicError(HyperstreamError):
    """A venue has no such topic: the message names the nearest, or what there is to choose from."""
