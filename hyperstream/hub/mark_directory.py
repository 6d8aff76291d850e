"""What a server needs to know of mark prices; the engine provides it."""

from __future__ import annotations

from typing import Protocol

from hyperstream.hub.directory import PublishedMarket
from hyperstream.hub.topic import Topic


class MarkDirectory(Protocol):
    """The mark prices of a directory's markets. One is computed from when it is first asked for."""

    def stream(self, market: PublishedMarket) -> Topic:
        """The topic of a market's mark price."""
