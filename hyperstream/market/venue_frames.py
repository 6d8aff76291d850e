"""A venue's own messages as updates of topics, and what a topic must remember of them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from attrs import define, frozen

from hyperstream.market.updates import Update
from hyperstream.market.venues import FeedTopic, VenueFrame


@define(eq=False)
class FrameUpdate(Update):
    """A message to be forwarded as it is, or a snapshot spelled like one. ``data`` is the venue's JSON."""

    data: bytes


class Verdict(Enum):
    """What is to become of a frame."""

    FORWARD = "forward"
    REPEATED = "repeated"
    BROKEN = "broken"


class FrameMemory(Protocol):
    """What the frames of one topic amount to."""

    def take(self, frame: VenueFrame) -> Verdict:
        """A frame came; says whether it may be forwarded."""

    def interrupt(self) -> None:
        """Frames are missing from here on; what follows begins anew."""

    def snapshot(self) -> bytes | None:
        """What a newcomer begins with, None if there is nothing or not yet."""

    @property
    def is_known(self) -> bool:
        """Whether there is something to begin with."""

    @property
    def has_snapshots(self) -> bool:
        """Whether a newcomer begins with one."""


@frozen
class FrameTopics:
    """The topics of a venue.

    ``feed_topic`` reads a topic's name (raises TopicError), ``memory`` is what is remembered of a new one,
    ``heading`` what gaps and resume points name it by.
    """

    venue: str
    feed_topic: Callable[[str], FeedTopic]
    memory: Callable[[str], FrameMemory]
    heading: Callable[[FeedTopic, str], str] = lambda _, name: name
