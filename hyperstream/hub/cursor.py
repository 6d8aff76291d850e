"""Where one subscription stands in one topic."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from hyperstream.market.updates import GAP_SLOW_CONSUMER, GapNote

if TYPE_CHECKING:
    from hyperstream.hub.subscription import Subscription
    from hyperstream.hub.topic import Snapshot, Topic


class Stage(Enum):
    """What a cursor does with an update.

    WAITING for its turn it ignores updates: the snapshot to come will hold them. While a SNAPSHOT
    is being sent, updates are held behind it. LIVE passes them on.
    """

    WAITING = 1
    SNAPSHOT = 2
    LIVE = 3


class Cursor:
    """One topic of one subscription.

    ``missed_from`` is the first update a slow subscriber lost, until it has been told; everything
    after it is lost too, up to the next beginning. ``preface`` are frames to send before that.
    ``epoch`` is the topic's at the last beginning (``begun_epoch``), 0 until all of that was taken.
    ``final_sequence`` is where that epoch or the subscription ended. ``not_before`` is the number of
    the message that must have been taken before the cursor may begin anew, so that nothing old
    follows a snapshot. What is ``held`` with sequence 0 is a gap of the source, which has none.
    """

    __slots__ = (
        "begun_epoch",
        "epoch",
        "final_sequence",
        "held",
        "held_bytes",
        "missed_from",
        "next_frame",
        "not_before",
        "preface",
        "snapshot",
        "stage",
        "subscription",
        "topic",
    )

    def __init__(self, subscription: Subscription, topic: Topic) -> None:
        self.subscription = subscription
        self.topic = topic
        self.stage = Stage.WAITING
        self.epoch = 0
        self.begun_epoch = 0
        self.missed_from = 0
        self.final_sequence = 0
        self.not_before = 0
        self.preface: list[bytes] = []
        self.snapshot: Snapshot | None = None
        self.next_frame = 0
        self.held: list[tuple[bytes, int]] = []
        self.held_bytes = 0

    def offer(self, frame: bytes, sequence: int) -> None:
        """An update was published."""
        stage = self.stage
        if stage is Stage.LIVE:
            self.subscription.accept(self, frame, sequence)
        elif stage is Stage.SNAPSHOT:
            self._hold(frame, sequence)
        elif self.missed_from:
            self.subscription.dropped += 1

    def _hold(self, frame: bytes, sequence: int) -> None:
        self.held.append((frame, sequence))
        self.held_bytes += len(frame)
        self.subscription.held_more()

    def tell(self, frame: bytes) -> None:
        """Something without a sequence was published: a gap of the source."""
        if self.stage is Stage.LIVE:
            self.subscription.accept(self, frame, 0)
        elif self.stage is Stage.SNAPSHOT:
            self._hold(frame, 0)
        else:
            self.preface.append(frame)

    def rejoin(self, preface: bytes) -> None:
        """The topic began a new epoch: tell it, then begin with a snapshot again."""
        if self.topic.snapshots is None:
            if self.stage is Stage.LIVE:
                self.epoch = self.topic.epoch
            self.tell(preface)
            return
        if self.stage is Stage.LIVE:
            self.final_sequence = self.topic.sequence
        self.wait()
        self.preface.append(preface)

    def lose(self, sequence: int) -> None:
        """This update was dropped before it was sent."""
        if not self.missed_from:
            self.missed_from = sequence
        self.subscription.dropped += 1

    def lose_held(self) -> bool:
        """Drop the updates held behind the snapshot; returns whether there were any."""
        lost = [sequence for _, sequence in self.held if sequence]
        for sequence in lost:
            self.lose(sequence)
        return bool(lost)

    def wait(self) -> None:
        """Go back to waiting for a snapshot (or, without snapshots, for the gap to be told)."""
        self.stage = Stage.WAITING
        self.snapshot = None
        self.preface += [frame for frame, sequence in self.held if not sequence]
        self.held.clear()
        self.held_bytes = 0
        self.subscription.join(self)

    def begin(self, snapshot: Snapshot | None) -> list[bytes]:
        """Stop waiting; returns the frames that come before the snapshot's."""
        frames = []
        if self.missed_from:
            frames.append(self.gap())
        if snapshot is not None and snapshot.sequence < self.topic.sequence:
            self._hold_since(snapshot)
        frames += self.preface
        self.preface.clear()
        self.begun_epoch = self.topic.epoch
        self.epoch = self.begun_epoch if snapshot is None else 0
        self.final_sequence = self.topic.sequence
        self.snapshot = snapshot
        self.next_frame = 0
        self.stage = Stage.LIVE if snapshot is None else Stage.SNAPSHOT
        return frames

    def _hold_since(self, snapshot: Snapshot) -> None:
        """Put the updates since the snapshot behind it; no gap was told since, or it were not used."""
        for sequence, frame in self.topic.since(snapshot.sequence) or ():
            if sequence:
                self.held.append((frame, sequence))
                self.held_bytes += len(frame)

    def next_snapshot_frame(self) -> bytes | None:
        """The snapshot's next frame; None after the last."""
        return self.snapshot.frame(self.next_frame) if self.snapshot is not None else None

    def end(self) -> list[bytes]:
        """The snapshot has been sent; returns the frames that come behind it."""
        frames = [frame for frame, _ in self.held]
        self.final_sequence = max(self.final_sequence, *(sequence for _, sequence in self.held), 0)
        self.held.clear()
        self.held_bytes = 0
        self.snapshot = None
        self.stage = Stage.LIVE
        self.epoch = self.begun_epoch  # not the topic's: that may have gone on without this cursor
        return frames

    def gap(self) -> bytes:
        """The frame that tells what was lost, up to now or to where the subscription left the topic."""
        topic = self.topic
        has_left = self.subscription.cursors.get(topic) is not self
        last = self.final_sequence if has_left else topic.sequence
        note = GapNote(
            name=topic.name,
            epoch=self.epoch if has_left else topic.epoch,
            from_sequence=self.missed_from,
            to_sequence=last,
            dropped=last - self.missed_from + 1,
            reason=GAP_SLOW_CONSUMER,
            detail="this subscriber read too slowly; what waited for it was dropped",
        )
        self.missed_from = 0
        self.subscription.gaps += 1
        return topic.wire_format.gap(note)
