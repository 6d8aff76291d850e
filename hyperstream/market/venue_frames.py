"""A venue's own message as an update of a topic."""

from __future__ import annotations

from attrs import define

from hyperstream.market.updates import Update


@define(eq=False)
class FrameUpdate(Update):
    """A message to be forwarded as it is, or a snapshot spelled like one. ``data`` is the venue's JSON."""

    data: bytes
