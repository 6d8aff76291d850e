"""A subscription: the topics of one subscriber, under one delivery contract.

The publisher calls ``accept`` for each update and the hub ``flush`` at a block's end. To a subscriber that
keeps up the message is written there and then, through ``write``. Where that is not possible it waits
in the outbox: the server is woken through ``wake``, and calls ``take`` whenever its peer can take
a message, until nothing waits. Neither waits for the other, and all are plain calls of one thread.

Snapshots, and what is to be caught up with, are taken a bounded piece at a time, in turn with live
updates: a subscriber of every market, or of a book of 50,000 orders, holds up nobody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field

from hyperstream.hub.cursor import Cursor, Stage
from hyperstream.hub.delivery import OutboxLimits, SubscriptionStatistics
from hyperstream.hub.log import Place
from hyperstream.market.updates import GAP_RESTART, GapNote, NoticeNote, ResumePoint

if TYPE_CHECKING:
    from hyperstream.hub.hub import Hub
    from hyperstream.hub.log import Entry
    from hyperstream.hub.topic import Topic, WireFormat

PIECE_BYTES = 64 * 1024  # of snapshots and catching up, about, in one message
# Behind for so many blocks in a row, a subscriber comes after the others until it has caught up.
LATE_BLOCKS = 8
UNREAD_ANSWERS = "too many answers wait unread; read them before you ask for more"


def _cannot_write(_body: bytes) -> bool:
    return False


@define(eq=False)
class Subscription(ABC):
    """What all contracts share.

    ``is_finished`` means that nothing will ever come again once ``take`` returns None; ``cut``
    then says why, if the subscriber was at fault. ``write`` sends a message at once, or returns
    False; servers that can do that set it, and ``is_idle`` while nothing is being sent otherwise.
    ``is_prompt`` while it keeps up: its live cursors are handed updates before all others. ``who`` names the
    subscriber to people: the call or the dialect, and the peer's address. With ``in_parts`` the frames of a
    snapshot are parts of one message: from its first to its last nothing else is taken, neither updates
    of other topics nor their snapshots.
    """

    hub: Hub
    wire_format: WireFormat
    limits: OutboxLimits
    wake: Callable[[], None]
    write: Callable[[bytes], bool] = _cannot_write
    is_idle: bool = False
    cursors: dict[Topic, Cursor] = field(factory=dict)
    is_finished: bool = False
    cut: str = ""
    taken_messages: int = 0
    taken_bytes: int = 0
    dropped: int = 0
    merged: int = 0
    gaps: int = 0
    is_prompt: bool = False
    who: str = ""
    in_parts: bool = False
    _blocks_behind: int = 0
    _joining: dict[Cursor, None] = field(factory=dict)
    _held_bytes: int = 0
    _is_backlog_turn: bool = True
    _has_left_topics: bool = False

    @abstractmethod
    def accept(self, entry: Entry) -> None:
        """An update or a gap of a live cursor."""

    @abstractmethod
    def flush(self) -> None:
        """A block ended: what was accepted may be taken."""

    @abstractmethod
    def notify(self, note: NoticeNote) -> None:
        """Tell the subscriber something about its stream, behind what waits already.

        The resume points are filled in when the notice is taken.
        """

    @abstractmethod
    def tell(self, frame: bytes) -> None:
        """Send this subscriber alone something: an answer to what it asked on its stream.

        It comes behind every update that waits already, is neither merged nor dropped, and is
        written at once when nothing waits. Snapshots are made when they are taken: one that was attached
        before may begin after it, one attached afterwards does not begin before it.
        """

    @property
    def unread_answers(self) -> tuple[int, int]:
        """Messages and bytes told to this subscriber alone that wait, if known apart from the rest."""
        return 0, 0

    @abstractmethod
    def _forget(self, cursor: Cursor) -> None:
        """The topic was left: deal with what waits of it."""

    @abstractmethod
    def _catch_up(self, cursor: Cursor, place: Place) -> None:
        """Send what was published since this place, and go on from there."""

    @abstractmethod
    def _take_live(self) -> bytes | None:
        """The next message that is not a snapshot, nor to catch up."""

    @abstractmethod
    def _join_after(self, cursor: Cursor) -> int:
        """The number of the message after which nothing old of this cursor is left."""

    @abstractmethod
    def _taken_number(self) -> int:
        """The number of the last message taken."""

    @abstractmethod
    def _first_waiting(self) -> dict[int, int]:
        """The first sequence that waits, by the numbers of the topics that have something waiting."""

    @property
    @abstractmethod
    def waiting(self) -> tuple[int, int]:
        """How many messages and bytes wait."""

    def attach(self, topic: Topic, resume: ResumePoint | None = None) -> None:
        """Add a topic: from a resume point without a hole if possible, else from a snapshot."""
        self.hub.settle()
        if topic in self.cursors or self.is_finished:
            return
        cursor = Cursor(self, topic, may_lag=resume is None and not self._has_left_topics)
        self.cursors[topic] = cursor
        topic.follow(cursor, self.hub)
        if resume is not None:
            place = topic.find(resume.sequence) if resume.epoch == topic.epoch else None
            if place is not None:
                self._catch_up(cursor, place)
                return
            self.gaps += 1
            cursor.preface = (self.wire_format.gap(_restart_note(topic, resume)),)
        if topic.snapshots is not None:
            self.join(cursor)
            return
        # There is nothing to wait for, and what is published while waiting would be lost.
        frames: list[bytes] = []
        cursor.begin(frames)
        self._now_live(cursor)
        for frame in frames:
            self.accept((frame, 0, topic.number))

    def begin_again(self, topic: Topic) -> None:
        """Send a topic that is followed already from a snapshot again; updates go on behind it."""
        self.hub.settle()
        cursor = self.cursors.get(topic)
        if cursor is None or cursor.stage is not Stage.LIVE or topic.snapshots is None or self.is_finished:
            return
        cursor.final_sequence = topic.sequence
        cursor.wait()

    def detach(self, topic: Topic) -> None:
        """Leave a topic. Of what waits of it, queued contracts still send what is queued; nothing else comes.

        A snapshot that is on its way breaks off. Fine if the topic is not followed.
        """
        self.hub.settle()
        self.flush()
        if topic not in self.cursors or self.is_finished:
            return
        cursor = self.cursors.pop(topic)
        topic.leave(cursor)
        self._joining.pop(cursor, None)
        self._has_left_topics = True
        if cursor.stage is Stage.LIVE:
            cursor.final_sequence = topic.sequence
        elif cursor.backlog is not None:
            self._held_bytes -= cursor.backlog.held_bytes
        self._forget(cursor)

    def hold(self, size: int) -> None:
        """So many bytes more (or less) are to be read from logs before the subscription has caught up."""
        self._held_bytes += size
        if size > 0:
            self.hub.mark(self)

    def join(self, cursor: Cursor) -> None:
        """Give the cursor its turn to begin, once what waits of it has been taken."""
        topic = cursor.topic
        if topic.prompt.pop(cursor, None) is not None:
            topic.late[cursor] = None
        cursor.not_before = self._join_after(cursor)
        self._joining[cursor] = None
        self.hub.mark(self)

    def _now_live(self, cursor: Cursor) -> None:
        """The cursor has caught up."""
        self._joining.pop(cursor, None)
        if self.is_prompt and cursor in cursor.topic.late:
            del cursor.topic.late[cursor]
            cursor.topic.prompt[cursor] = self

    def flushed(self) -> None:
        """A block has ended for one that is not prompt, or could not be written to: decide which it is."""
        if self.is_prompt:
            self._blocks_behind += 1
            if self._blocks_behind >= LATE_BLOCKS:
                self._become_late()
        elif self.is_idle and not self._joining and not self.waiting[0]:
            self._become_prompt()

    def _become_late(self) -> None:
        self.is_prompt = False
        for topic, cursor in self.cursors.items():
            if topic.prompt.pop(cursor, None) is not None:
                topic.late[cursor] = None

    def _become_prompt(self) -> None:
        self.is_prompt = True
        self._blocks_behind = 0
        for topic, cursor in self.cursors.items():
            if cursor.stage is Stage.LIVE and cursor in topic.late:
                del topic.late[cursor]
                topic.prompt[cursor] = self

    def leave_topics(self) -> None:
        """Take no more updates; what waits, and snapshots that were promised, can still be taken."""
        for topic, cursor in self.cursors.items():
            cursor.stop()
            topic.leave(cursor)
        self.hub.forget(self)

    def _cut_off(self, why: str) -> None:
        """The subscriber is at fault: nothing more is queued, and no snapshot begins or goes on."""
        self.hub.count("cut_slow_consumer")
        self.cut = why
        self.leave_topics()
        self.is_finished = True
        self._joining.clear()
        self._held_bytes = 0

    def finish(self) -> None:
        """No update will come any more: what waits is the rest."""
        if not self.is_finished:
            self.hub.settle()
            self.flush()
            if not self.is_finished:
                self.leave_topics()
                self.is_finished = True
            self.wake()

    def resume_points(self) -> tuple[ResumePoint, ...]:
        """Where to continue after all that was taken, one per topic of which that can be said."""
        first_waiting = self._first_waiting()
        return tuple(
            ResumePoint(
                topic.name.symbol, cursor.epoch, cursor.sequence_sent(first_waiting.get(topic.number))
            )
            for topic, cursor in self.cursors.items()
            if cursor.epoch
        )

    def take(self) -> bytes | None:
        """The next message for the subscriber, None if there is none now.

        Live updates and pieces of the backlog take turns, so neither waits for all of the other.
        """
        self.hub.settle()
        turn: list[Callable[[], bytes | None]] = [self._take_backlog, self._take_live]
        if self.in_parts and self.under_way is not None:
            turn = [self._take_backlog]
        elif not self._is_backlog_turn:
            turn.reverse()
        for take in turn:
            message = take()
            if message is not None:
                self._is_backlog_turn = take != self._take_backlog
                self.taken_messages += 1
                self.taken_bytes += len(message)
                return message
        return None

    def _take_backlog(self) -> bytes | None:
        """Pieces of snapshots, and of what was published since, of about PIECE_BYTES."""
        if not self._joining:
            return None
        frames: list[bytes] = []
        size = 0
        under_way = self.under_way if self.in_parts else None
        for cursor in list(self._joining) if under_way is None else (under_way,):
            if cursor.not_before > self._taken_number():
                continue
            if cursor.stage is Stage.WAITING and not cursor.begin(frames):
                if not cursor.topic.begins_with_update:
                    self.hub.mark(self)  # no snapshot can be made now: try again when a block has ended
                continue
            size += cursor.send(frames, PIECE_BYTES - size)
            if cursor.stage is Stage.LIVE:
                self._now_live(cursor)
            if size >= PIECE_BYTES or (self.in_parts and frames):
                break
        return b"".join(frames) if frames else None

    @property
    def under_way(self) -> Cursor | None:
        """The cursor whose snapshot has been taken in part; with ``in_parts`` there is only one."""
        for cursor in self._joining:
            if cursor.stage is Stage.SNAPSHOT:
                return cursor
        return None

    def _write_now(self, body: bytes) -> bool:
        """Send a message past the outbox, if the peer can take it at this moment."""
        if not self.is_idle or not self.write(body):
            return False
        self.taken_messages += 1
        self.taken_bytes += len(body)
        return True

    def statistics(self) -> SubscriptionStatistics:
        """What it did so far."""
        self.hub.settle()
        messages, size = self.waiting
        return SubscriptionStatistics(
            topics=len(self.cursors),
            waiting_messages=messages,
            waiting_bytes=size,
            taken_messages=self.taken_messages,
            taken_bytes=self.taken_bytes,
            dropped=self.dropped,
            merged=self.merged,
            gaps=self.gaps,
        )


def _restart_note(topic: Topic, resume: ResumePoint) -> GapNote:
    is_same = resume.epoch == topic.epoch and resume.sequence <= topic.sequence
    return GapNote(
        name=topic.name,
        epoch=topic.epoch,
        from_sequence=resume.sequence + 1 if is_same else 0,
        to_sequence=topic.sequence if is_same else 0,
        dropped=topic.sequence - resume.sequence if is_same else 0,
        reason=GAP_RESTART,
        detail=f"the resume point {'is too old' if is_same else 'belongs to an earlier epoch'}",
    )
