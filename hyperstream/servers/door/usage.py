"""What the calls of one key use together, held against its limits."""

from __future__ import annotations

import math

from attrs import define, field

from hyperstream.servers.door.keys import KeyLimits
from hyperstream.token_bucket import TokenBucket

# A burst of one second's worth, but never less than a snapshot's message.
_MIN_BURST_BYTES = 131_072


@define(eq=False)
class Usage:
    """Streams, connections and markets in use by a key. Replacing ``limits`` lets what runs go on."""

    name: str
    limits: KeyLimits
    streams: int = 0
    markets: int = 0
    connections: dict[object, int] = field(factory=dict)
    _rate: TokenBucket | None = None

    def __attrs_post_init__(self) -> None:
        self.set_limits(self.limits)

    def set_limits(self, limits: KeyLimits) -> None:
        """Limits for what comes from now on."""
        self.limits = limits
        rate = limits.bytes_per_second
        if math.isinf(rate):
            self._rate = None
        elif self._rate is None or self._rate.per_second != rate:
            self._rate = TokenBucket(rate, max(rate, _MIN_BURST_BYTES))

    @property
    def has_rate(self) -> bool:
        """Whether sending is limited."""
        return self._rate is not None

    def send(self, now: float, size: int) -> float:
        """Charge bytes to be sent; returns how many seconds to wait first."""
        return 0.0 if self._rate is None else self._rate.owe(now, size)

    def open_stream(self, connection: object) -> str:
        """Count a call; returns why it is refused, if it is."""
        limits = self.limits
        if self.streams >= limits.streams:
            return f"the key {self.name!r} may have {limits.streams:.0f} calls at a time"
        if connection not in self.connections and len(self.connections) >= limits.connections:
            return f"the key {self.name!r} may use {limits.connections:.0f} connections at a time"
        self.streams += 1
        self.connections[connection] = self.connections.get(connection, 0) + 1
        return ""

    def close_stream(self, connection: object, markets: int) -> None:
        """A call has ended that ``open_stream`` let in, with the markets it was charged."""
        self.streams -= 1
        self.markets -= markets
        left = self.connections[connection] - 1
        if left:
            self.connections[connection] = left
        else:
            del self.connections[connection]

    def open_markets(self, count: int) -> str:
        """Charge markets; returns why they are refused, if they are."""
        allowed = self.limits.markets
        if self.markets + count > allowed:
            return (
                f"the key {self.name!r} may follow {allowed:.0f} markets at a time: "
                f"it follows {self.markets}, and {count} were asked for"
            )
        self.markets += count
        return ""

    def close_markets(self, count: int) -> None:
        """Give back markets that a call follows no more, before it ends."""
        self.markets -= count
