"""How many connections there may be, in all and from one address."""

from __future__ import annotations

import resource
from collections import Counter

from attrs import define, field

# Kept free for the node's files, logs and whatever else the daemon opens.
SPARE_DESCRIPTORS = 32


@define(eq=False)
class ConnectionLimits:
    """Counts connections by the address they come from."""

    most: int
    most_per_address: int
    _by_address: Counter[str] = field(init=False, factory=Counter)
    total: int = field(init=False, default=0)

    def open(self, address: str) -> str:
        """Count a connection; returns why it is refused, if it is."""
        if self.total >= min(self.most, descriptor_room()):
            return "too many connections"
        if self._by_address[address] >= self.most_per_address:
            return "too many connections from one address"
        self.total += 1
        self._by_address[address] += 1
        return ""

    def close(self, address: str) -> None:
        """A connection that ``open`` let in has ended."""
        self.total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


def descriptor_room() -> int:
    """How many sockets the process may hold by its limit on descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(1, soft - SPARE_DESCRIPTORS)


def make_descriptor_room(connections: int) -> None:
    """Raise the process's own limit towards so many connections, as far as it may without being asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
