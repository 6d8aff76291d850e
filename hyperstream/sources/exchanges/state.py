"""How a feed is doing, in a word."""

from __future__ import annotations

from collections.abc import Sequence

from hyperstream.sockets import State
from hyperstream.sources.exchanges.line import Line

OFF, CONNECTING, CONNECTED, DOWN = "off", "connecting", "connected", "down"


def state_of(lines: Sequence[Line]) -> tuple[str, str]:
    """The worst state of these lines, and why."""
    if not lines:
        return OFF, "nothing is wanted"
    for line in lines:
        if line.state is State.RECONNECTING:
            return DOWN, line.reason
    is_connected = all(line.state is State.CONNECTED for line in lines)
    return (CONNECTED if is_connected else CONNECTING), ""
