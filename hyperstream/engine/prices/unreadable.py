"""What a venue told of a market and nobody could read: never lost without a word."""

from __future__ import annotations

from collections import Counter

import structlog
from attrs import define, field

from hyperstream.market.venues import Channel

TELL_EVERY_NS = 60_000_000_000

log = structlog.get_logger("hyperstream.prices")


@define(eq=False)
class Unreadable:
    """Counts by channel what could not be read of a market, and logs the first of each."""

    market: str
    counts: Counter[Channel] = field(factory=Counter)
    _tell_ns: dict[Channel, int] = field(factory=dict)

    def count(self, channel: Channel, problem: Exception, now_ns: int) -> bool:
        """Count one; returns whether followers are to be told: of the first, and then once a minute."""
        self.counts[channel] += 1
        if self.counts[channel] == 1:
            what = channel.value
            log.warning(
                "a venue tells what cannot be read", market=self.market, of=what, problem=str(problem)
            )
        if now_ns < self._tell_ns.get(channel, now_ns):
            return False
        self._tell_ns[channel] = now_ns + TELL_EVERY_NS
        return True
