"""Where one subscription stands in one topic."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from hyperstream.market.updates import GAP_SLOW_CONSUMER, GapNote

if TYPE_CHECKING:
    from hyperstream.hub.log import Entry, Place
    from hyperstream.hub.subscription import Subscription
    from hyperstream.hub.topic import Snapshot, Topic


class Stage(Enum):
    """What a cursor does with an update.

    WAITING for its turn it ignores updates: the snapshot to come will hold them. While a SNAPSHOT
    is being sent, and as long as it is BEHIND, it will read them from the topic's log. LIVE passes
    them on. A cursor goes through these in their order, and back to WAITING where continuity ends.
    """

    WAITING = 1
    SNAPSHOT = 2
    BEHIND = 3
    LIVE = 4


class Backlog:
    """What a cursor has still to send before it is live: frames of a snapshot, then the log from a place.

    ``end`` is where the subscription left the topic, None while it follows it. ``owed_bytes`` of the log
    were there when it began: they are the topic's memory, and do not count. What came since does,
    and is ``held_bytes``.
    """

    __slots__ = ("end", "held_bytes", "next_frame", "owed_bytes", "place", "snapshot")

    def __init__(self, snapshot: Snapshot | None, place: Place) -> None:
        self.snapshot = snapshot
        self.next_frame = 0
        self.place = place
        self.end: Place | None = None
        self.held_bytes = 0
        self.owed_bytes = _bytes_after(place)

    def next_entry(self) -> Entry | None:
        """The next entry of the log; None when it has caught up, or where it left."""
        entry = self.place.peek()
        return None if self.end is not None and self.place.is_at(self.end) else entry

    def pass_by(self, entry: Entry) -> int:
        """The entry has been sent; returns by how many bytes what it holds gets less."""
        self.place.pass_by(entry)
        size = len(entry[0])
        owed = min(size, self.owed_bytes)
        self.owed_bytes -= owed
        self.held_bytes -= size - owed
        return size - owed


def _bytes_after(place: Place) -> int:
    ahead, size = place.copy(), 0
    while (entry := ahead.peek()) is not None:
        size += len(entry[0])
        ahead.pass_by(entry)
    return size


class Cursor:
    """One topic of one subscription.

    ``missed_from`` is the first update a slow subscriber lost, until it has been told; everything
    after it is lost too, up to the next beginning. ``preface`` are frames to send before that.
    ``epoch`` is that of what was sent last, 0 before all of a snapshot was. ``final_sequence`` is where
    that ended, if it did. ``not_before`` is the number of the message that must have been taken before
    the cursor may begin, so that nothing old follows a snapshot. ``may_lag`` says that nothing of the
    topic was sent yet: a snapshot may be older than the topic, as long as nobody can tell.
    """

    __slots__ = (
        "backlog",
        "epoch",
        "final_sequence",
        "may_lag",
        "missed_from",
        "not_before",
        "preface",
        "stage",
        "subscription",
        "topic",
    )

    def __init__(self, subscription: Subscription, topic: Topic, *, may_lag: bool) -> None:
        self.subscription = subscription
        self.topic = topic
        self.stage = Stage.WAITING
        self.epoch = 0
        self.missed_from = 0
        self.final_sequence = 0
        self.not_before = 0
        self.may_lag = may_lag
        self.preface: tuple[bytes, ...] = ()
        self.backlog: Backlog | None = None

    def offer(self, entry: Entry) -> None:
        """Something was published."""
        if self.stage is Stage.LIVE:
            self.subscription.accept(entry)
        elif self.backlog is not None:
            self.backlog.held_bytes += len(entry[0])
            self.subscription.hold(len(entry[0]))
        elif not entry[1]:
            self.preface += (entry[0],)
        elif self.topic.begins_with_update:
            self.subscription.hub.mark(self.subscription)

    def rejoin(self, gap: Entry) -> None:
        """The topic began a new epoch: tell it, then begin with a snapshot again."""
        if self.topic.snapshots is None:
            if self.stage is Stage.LIVE:
                self.epoch = self.topic.epoch
            self.offer(gap)  # whoever is behind will meet it in the log, and the new epoch after it
            return
        if self.stage is Stage.LIVE:
            self.final_sequence = self.topic.sequence
            self.preface += (gap[0],)
        elif self.backlog is None:
            self.preface += (gap[0],)
        self.wait()

    def wait(self) -> None:
        """Go back to waiting for a snapshot (or, without snapshots, for the gap to be told).

        Gaps of the source among what it was still to read are told all the same.
        """
        backlog, self.backlog = self.backlog, None
        if backlog is not None:
            self.subscription.hold(-backlog.held_bytes)
            self.final_sequence = backlog.place.sequence
            while (entry := backlog.next_entry()) is not None:
                if not entry[1]:
                    self.preface += (entry[0],)
                backlog.place.pass_by(entry)
        self.stage = Stage.WAITING
        self.subscription.join(self)

    def lose(self, sequence: int) -> None:
        """This update, and all after it, were dropped before they were sent."""
        if not self.missed_from:
            self.missed_from = sequence

    def lose_backlog(self) -> bool:
        """Give up what it holds; returns whether there are updates among it."""
        backlog = self.backlog
        if backlog is None or not backlog.held_bytes or backlog.place.sequence == self.topic.sequence:
            return False
        self.lose(backlog.place.sequence + 1)
        return True

    def begin(self, frames: list[bytes]) -> bool:
        """Stop waiting, if that is possible now; appends the frames that come first."""
        topic = self.topic
        may_lag = self.may_lag and not (self.missed_from or self.preface)
        snapshot = topic.snapshot(may_lag=may_lag)
        if snapshot is None and topic.snapshots is not None:
            return False
        self.may_lag = False
        if self.missed_from:
            frames.append(self.gap())
        frames += self.preface
        self.preface = ()
        self.final_sequence = topic.sequence
        if snapshot is None:
            self.epoch = topic.epoch
            self.stage = Stage.LIVE
            return True
        self.epoch = 0
        self.stage = Stage.SNAPSHOT
        self.backlog = Backlog(snapshot, snapshot.place.copy())
        if self.subscription.is_finished:
            self.backlog.end = topic.end()
        return True

    def catch_up(self, place: Place) -> None:
        """Begin by reading the log from here."""
        self.may_lag = False
        self.epoch = self.topic.epoch
        self.final_sequence = place.sequence
        self.backlog = Backlog(None, place)
        self.stage = Stage.BEHIND

    def go_live(self, accept: Callable[[Entry], None]) -> None:
        """Hand on everything there is to catch up with, at once."""
        backlog, self.backlog = self.backlog, None
        self.stage = Stage.LIVE
        while backlog is not None and (entry := backlog.next_entry()) is not None:
            accept(entry)
            backlog.place.pass_by(entry)

    def send(self, frames: list[bytes], room: int) -> int:
        """Append pieces of the backlog until it is sent or there is no room; returns their bytes.

        A frame that is begun is sent whole, and so is whatever is no longer than the room that is left.
        """
        backlog = self.backlog
        size = 0
        if backlog is None:
            return size
        snapshot = backlog.snapshot
        if snapshot is not None:
            while (frame := snapshot.frame(backlog.next_frame)) is not None:
                if size >= room:
                    return size
                frames.append(frame)
                size += len(frame)
                backlog.next_frame += 1
            backlog.snapshot = None
            self.epoch = backlog.place.segment.epoch
            self.stage = Stage.BEHIND
        while (entry := backlog.next_entry()) is not None:
            if size >= room:
                return size
            frames.append(entry[0])
            size += len(entry[0])
            self.epoch = backlog.place.segment.epoch
            self.subscription.hold(-backlog.pass_by(entry))
        self.final_sequence = backlog.place.sequence
        self.epoch = backlog.place.segment.epoch
        self.backlog = None
        self.stage = Stage.LIVE
        return size

    def stop(self) -> None:
        """The subscription leaves the topic: what was published until now is the rest."""
        if self.stage is Stage.LIVE:
            self.final_sequence = self.topic.sequence
        elif self.backlog is not None:
            self.backlog.end = self.topic.end()

    def sequence_sent(self, first_waiting: int | None) -> int:
        """The last update sent; ``first_waiting`` is the first one that waits in the subscription."""
        if self.missed_from:
            return self.missed_from - 1
        if first_waiting is not None:
            return first_waiting - 1
        if self.backlog is not None:
            return self.backlog.place.sequence
        if self.stage is Stage.LIVE and not self.subscription.is_finished:
            return self.topic.sequence
        return self.final_sequence

    def gap(self) -> bytes:
        """The frame that tells what was lost, up to now or to where the subscription left the topic."""
        topic = self.topic
        has_left = self.subscription.cursors.get(topic) is not self
        last = self.final_sequence if has_left else topic.sequence
        dropped = last - self.missed_from + 1
        note = GapNote(
            name=topic.name,
            epoch=self.epoch if has_left else topic.epoch,
            from_sequence=self.missed_from,
            to_sequence=last,
            dropped=dropped,
            reason=GAP_SLOW_CONSUMER,
            detail="this subscriber read too slowly; what waited for it was dropped",
        )
        self.missed_from = 0
        self.subscription.dropped += dropped
        self.subscription.gaps += 1
        return topic.wire_format.gap(note)
