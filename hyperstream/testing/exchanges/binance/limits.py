"""Binance's limits, with the documented values as defaults; 0 switches one off."""

import math

from attrs import define, field, frozen

from hyperstream.testing.exchanges.quotas import Windows
from hyperstream.testing.http import Answer


@frozen(kw_only=True)
class BinanceLimits:
    """Limits of one product. Messages are the client's: pings, pongs and commands together."""

    messages_per_second: int = 5
    streams: int = 1_024
    ping_seconds: float = 20.0
    pong_seconds: float = 60.0
    lifetime_seconds: float = 24 * 3600.0
    connections: int = 300
    connection_window_seconds: float = 300.0
    weight_per_minute: int = 6_000
    warnings: int = 5  # answers with 429 before an address is banned
    ban_seconds: float = 120.0


SPOT_LIMITS = BinanceLimits()
FUTURES_LIMITS = BinanceLimits(
    messages_per_second=10, ping_seconds=180.0, pong_seconds=600.0, weight_per_minute=2_400
)


@define(eq=False)
class Budget:
    """What addresses have spent on one product: connections, and request weight."""

    limits: BinanceLimits
    _attempts: Windows = field(init=False)
    _weights: Windows = field(init=False)
    _warned: dict[str, int] = field(factory=dict, init=False)
    _banned_until: dict[str, float] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._attempts = Windows(self.limits.connections, self.limits.connection_window_seconds)
        self._weights = Windows(self.limits.weight_per_minute, 60.0)

    def connect(self, peer: str, now: float) -> Answer | None:
        """Take a connection attempt; the answer to one too many."""
        banned = self._ban(peer, now)
        if banned is not None:
            return banned
        attempts = self._attempts[peer]
        return None if attempts.take(now) else self._warn(peer, attempts.wait_seconds(now), now)

    def spend(self, peer: str, weight: int, now: float) -> Answer | None:
        """Take a request's weight; the answer to one too many."""
        banned = self._ban(peer, now)
        if banned is not None:
            return banned
        weights = self._weights[peer]
        return None if weights.take(now, weight) else self._warn(peer, weights.wait_seconds(now), now)

    def used_weight(self, peer: str, now: float) -> int:
        """Return the weight of the last minute, for the header that tells it."""
        return self._weights[peer].used(now)

    def punish(self, peer: str, now: float) -> None:
        """Count a violation on a socket; repeated ones ban the address."""
        self._warn(peer, 0.0, now)

    def _warn(self, peer: str, wait_seconds: float, now: float) -> Answer:
        self._warned[peer] = self._warned.get(peer, 0) + 1
        if self._warned[peer] > self.limits.warnings:
            self._warned[peer] = 0
            self._banned_until[peer] = now + self.limits.ban_seconds
        return Answer.too_many(429, wait_seconds)

    def _ban(self, peer: str, now: float) -> Answer | None:
        until = self._banned_until.get(peer, -math.inf)
        return Answer.too_many(418, until - now) if now < until else None
