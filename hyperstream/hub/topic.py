"""A topic: one stream of updates, with an epoch, a sequence, and the last few frames.

``sequence`` rises by exactly one with each update. A new ``epoch`` begins where continuity ends.
A topic spells its updates in one wire format: the variants of a market that subscribers ask for
(depth, aggregation, format) are topics of their own, shared by all who ask for the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from hyperstream.market.updates import GapNote, MarketName, NoticeNote, Update

if TYPE_CHECKING:
    from hyperstream.hub.cursor import Cursor

HISTORY = 128


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
    many frames has copied by then what it needs. ``key`` tells one snapshot from the next.
    """

    __slots__ = ("_frames", "_source", "key", "market_id", "sequence")

    def __init__(self, key: object, sequence: int, market_id: int | None, frames: Iterator[bytes]) -> None:
        self.key = key
        self.sequence = sequence
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
    when it last had a subscriber, for retiring it later.
    """

    name: MarketName
    wire_format: WireFormat
    epoch: int
    snapshots: SnapshotSource | None = None
    sequence: int = 0
    cursors: list[Cursor] = field(factory=list)
    last_used_ns: int = 0
    published: int = 0
    _history: deque[tuple[int, bytes, bool]] = field(factory=lambda: deque(maxlen=HISTORY))
    _snapshot: Snapshot | None = None

    def publish(self, update: Update) -> None:
        """Hand an update to every subscriber; its sequence must be the topic's plus one."""
        frame = self.wire_format.encode(update)
        self.sequence = sequence = update.sequence
        self.published += 1
        self._history.append((sequence, frame, False))
        for cursor in self.cursors:
            cursor.offer(frame, sequence)

    def tell_gap(self, note: GapNote) -> None:
        """Hand a gap to every subscriber; it has no sequence of its own.

        Whoever resumes from where it was told hears of it again: better twice than not at all.
        """
        frame = self.wire_format.gap(note)
        self._history.append((self.sequence, frame, True))
        self._snapshot = None
        for cursor in self.cursors:
            cursor.tell(frame)

    def restart(self, epoch: int, note: GapNote) -> None:
        """Begin a new epoch: every subscriber is told, and gets a snapshot where there is one."""
        self.epoch = epoch
        self._history.clear()
        self._snapshot = None
        frame = self.wire_format.gap(note)
        for cursor in list(self.cursors):
            cursor.rejoin(frame)

    def snapshot(self, *, may_lag: bool = True) -> Snapshot | None:
        """A snapshot to begin from, shared; None while none can be made.

        With ``may_lag`` it may be behind; the updates ``since`` its sequence belong behind it then.
        """
        if self.snapshots is None:
            return None
        kept = self._snapshot
        if may_lag and kept is not None and self._is_near(kept, self.snapshots.snapshot_lag):
            return kept
        current = self.snapshots.snapshot_key()
        if current is None:
            return None
        key = (self.epoch, self.sequence, self.name.market_id, current)
        if self._snapshot is None or self._snapshot.key != key:
            frames = map(self.wire_format.encode, self.snapshots.snapshot_updates())
            self._snapshot = Snapshot(key, self.sequence, self.name.market_id, frames)
        return self._snapshot

    def _is_near(self, kept: Snapshot, lag: int) -> bool:
        """Whether a newcomer may begin with this snapshot, made under the same name."""
        behind = self.sequence - kept.sequence
        is_same = kept.market_id == self.name.market_id
        return is_same and behind < lag and self.since(kept.sequence) is not None

    def since(self, sequence: int) -> list[tuple[int, bytes]] | None:
        """The updates after this sequence, and the gaps told among them with sequence 0.

        None if they are no longer all there.
        """
        history = self._history
        if sequence > self.sequence or (len(history) == HISTORY and history[0][0] > sequence):
            return None
        missed = [
            (0 if is_gap else number, frame)
            for number, frame, is_gap in history
            if number > sequence or (is_gap and number == sequence)
        ]
        is_whole = sum(1 for number, _ in missed if number) == self.sequence - sequence
        return missed if is_whole else None
