"""Delivery contracts by name, how much may wait for a subscriber, and what came of it."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Contract(Enum):
    """What happens to a subscriber that reads too slowly (docs/architecture.md, "Delivery contracts")."""

    LOSSLESS = "lossless"
    RESYNC = "resync"
    CONFLATE = "conflate"


@frozen
class OutboxLimits:
    """How much may wait for one subscriber."""

    max_messages: int = 1000
    max_bytes: int = 1_048_576


@frozen
class SubscriptionStatistics:
    """What one subscription did: messages and bytes taken and waiting, and what it lost."""

    topics: int
    waiting_messages: int
    waiting_bytes: int
    taken_messages: int
    taken_bytes: int
    dropped: int
    merged: int
    gaps: int
