"""What a server needs to know of the venues' own frames; the engine provides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hyperstream.hub.topic import Topic, WireFormat


class FrameDirectory(Protocol):
    """The topics of a venue whose frames are forwarded, named as the venue names them."""

    def check(self, name: str) -> None:
        """Raises TopicError or SelectionError for a topic that is not served; its sentence says why."""

    def follow(self, name: str, wire_format: WireFormat, on_refused: Callable[[str, str], None]) -> Topic:
        """The topic in this format, for one more follower; the first makes the feed ask for it.

        ``on_refused`` is called with the name and a sentence if the venue turns out not to serve it.
        """

    def leave(self, name: str, on_refused: Callable[[str, str], None]) -> None:
        """One follower less; the last lets the feed give it up."""
