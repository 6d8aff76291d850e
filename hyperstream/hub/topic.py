"""A topic: one stream of updates, with an epoch, a sequence, and a log of the last few frames.

``sequence`` rises by exactly one with each update. A new ``epoch`` begins where continuity ends.
A topic spells its updates in one wire format: the variants of a market that subscribers ask for
(depth, aggregation, format) are topics of their own, shared by all who ask for the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from hyperstream.hub.log import HISTORY, Log, Place
from hyperstream.market.updates import GapNote, MarketName, NoticeNote, Update

if TYPE_CHECKING:
    from hyperstream.hub.cursor import Cursor
    from hyperstream.hub.hub import Hub
    from hyperstream.hub.subscription import Subscription

__all__ = ["HISTORY", "Snapshot", "SnapshotSource", "Topic", "WireFormat"]

_numbers = count(1)


class WireFormat(Protocol):
    """How updates become frames; frames joined are a message."""

    def encode(self, update: Update, /) -> bytes:
        """The frame of an update."""

    def gap(self, note: GapNote, /) -> bytes:
        """The frame that tells a gap."""

    def notice(self, note: NoticeNote, /) -> bytes:
        """The frame of a notice."""

    def merged(self, frame: bytes, count: int, /) -> bytes:
        """The frame, saying that it replaced ``count`` earlier ones."""


class Snapshot:
    """The frames of one snapshot, made as they are asked for and shared by all who ask.

    The first frame is made at once: a snapshot of one frame refers to living levels, and one of
    many frames has copied by then what it needs. ``key`` tells one snapshot from the next; ``place`` is
    where the log goes on from it.
    """

    __slots__ = ("_frames", "_source", "key", "market_id", "place")

    def __init__(self, key: object, place: Place, market_id: int | None, frames: Iterator[bytes]) -> None:
        self.key = key
        self.place = place
        self.market_id = market_id
        self._frames: list[bytes] = []
        self._source = frames
        self.frame(0)

    def frame(self, index: int) -> bytes | None:
        """The frame with this index, None after the last."""
        while len(self._frames) <= index:
            following = next(self._source, None)
            if following is None:
                return None
            self._frames.append(following)
        return self._frames[index]


class SnapshotSource(Protocol):
    """Makes the snapshots of a topic.

    ``snapshot_lag`` is how many updates a snapshot may be behind and still be given to newcomers, with
    the updates since then behind it: more than none where snapshots are large, so that a crowd that
    comes at once shares one.
    """

    snapshot_lag: int

    def snapshot_key(self) -> object | None:
        """What tells the snapshot of now from an earlier one; None while none can be made."""

    def snapshot_updates(self) -> Iterator[Update]:
        """The updates that make up the snapshot of now; what they need is copied by the first."""


@define(eq=False)
class Topic:
    """One stream of updates.

    ``snapshots`` is None for topics that have no snapshots, such as trades. ``last_used_ns`` is
    when it last had a subscriber, for retiring it later. No other topic ever has its ``number``. With
    ``is_resumable`` False nothing is kept for those who come back: they begin with a snapshot. With
    ``begins_with_update`` a snapshot that cannot be made now can be made after an update, and not before.

    Its followers are of two kinds: the ``prompt`` keep up and are handed an update the moment it is
    published; the ``late`` are behind, and come once every prompt one has been written to (``Hub.flush``).
    """

    name: MarketName
    wire_format: WireFormat
    epoch: int
    snapshots: SnapshotSource | None = None
    sequence: int = 0
    last_used_ns: int = 0
    published: int = 0
    is_resumable: bool = field(default=True, kw_only=True)
    begins_with_update: bool = field(default=False, kw_only=True)
    number: int = field(init=False, factory=lambda: next(_numbers))
    log: Log = field(init=False)
    prompt: dict[Cursor, Subscription] = field(factory=dict)
    late: dict[Cursor, None] = field(factory=dict)
    _hub: Hub | None = None
    _snapshot: Snapshot | None = None

    def __attrs_post_init__(self) -> None:
        self.log = Log(self.epoch, is_resumable=self.is_resumable)

    @property
    def is_followed(self) -> bool:
        """Whether anybody follows it."""
        return bool(self.prompt or self.late)

    @property
    def cursors(self) -> list[Cursor]:
        """Everybody who follows it."""
        return [*self.prompt, *self.late]

    def follow(self, cursor: Cursor, hub: Hub) -> None:
        """A subscription takes up the topic; it is late until it has caught up."""
        self._hub = hub
        self.late[cursor] = None

    def leave(self, cursor: Cursor) -> None:
        """It does not follow the topic any more."""
        self.prompt.pop(cursor, None)
        self.late.pop(cursor, None)

    def publish(self, update: Update) -> None:
        """Hand an update to every subscriber; its sequence must be the topic's plus one."""
        frame = self.wire_format.encode(update)
        self.sequence = sequence = update.sequence
        self.published += 1
        entry = (frame, sequence, self.number)
        self.log.append(entry)
        if self._snapshot is not None and not self._is_near(self._snapshot):
            self._snapshot = None
        for subscription in self.prompt.values():
            subscription.accept(entry)
        if self.late and self._hub is not None:
            self._hub.deferred.append((self, entry))

    def tell_gap(self, note: GapNote) -> None:
        """Hand a gap to every subscriber; it has no sequence of its own.

        Whoever resumes from where it was told hears of it again: better twice than not at all.
        """
        self._settle()
        entry = (self.wire_format.gap(note), 0, self.number)
        self.log.append(entry)
        self._snapshot = None
        for subscription in self.prompt.values():
            subscription.accept(entry)
        for cursor in self.late:
            cursor.offer(entry)

    def restart(self, epoch: int, note: GapNote) -> None:
        """Begin a new epoch: every subscriber is told, and gets a snapshot where there is one."""
        self._settle()
        self.epoch = epoch
        entry = (self.wire_format.gap(note), 0, self.number)
        self.log.append(entry)  # for those who are behind
        self.log.restart(epoch, self.sequence)
        self._snapshot = None
        for cursor in self.cursors:
            cursor.rejoin(entry)

    def _settle(self) -> None:
        """Hand what was published to the late ones too, before something else happens."""
        if self._hub is not None:
            self._hub.settle()

    def end(self) -> Place:
        """The place behind everything published."""
        return self.log.end(self.sequence)

    def find(self, sequence: int) -> Place | None:
        """Where to go on after this sequence without a hole; None if that is not possible."""
        return self.log.find(sequence) if sequence <= self.sequence else None

    def snapshot(self, *, may_lag: bool = False) -> Snapshot | None:
        """A snapshot to begin from, shared; None while none can be made.

        With ``may_lag`` it may be behind, as far as its source allows: the log from its place on
        belongs behind it then. No gap was told and no epoch began in between.
        """
        if self.snapshots is None:
            return None
        kept = self._snapshot
        if may_lag and kept is not None and kept.market_id == self.name.market_id and self._is_near(kept):
            return kept
        current = self.snapshots.snapshot_key()
        if current is None:
            return None
        key = (self.epoch, self.sequence, self.name.market_id, current)
        if kept is None or kept.key != key:
            frames = map(self.wire_format.encode, self.snapshots.snapshot_updates())
            self._snapshot = kept = Snapshot(key, self.end(), self.name.market_id, frames)
        return kept

    def _is_near(self, kept: Snapshot) -> bool:
        """Whether a newcomer may still begin with this snapshot."""
        return (
            self.snapshots is not None and self.sequence - kept.place.sequence <= self.snapshots.snapshot_lag
        )
