"""Bybit's limits, with what is documented or was measured as defaults; 0 switches one off."""

from attrs import frozen


@frozen(kw_only=True)
class BybitLimits:
    """Limits per address and per socket."""

    connections: int = 500
    connection_window_seconds: float = 300.0
    sockets: int = 1_000
    args_characters: int = 21_000
    spot_args: int = 10  # of one request
    requests: int = 600
    request_window_seconds: float = 5.0
    ban_seconds: float = 600.0
    idle_seconds: float = 600.0  # no ping from the client and nothing to send
    unsubscribed_seconds: float = 61.0  # no subscription and no ping


LIMITS = BybitLimits()
KLINE_MS = 1_000
