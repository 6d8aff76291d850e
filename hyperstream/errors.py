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
