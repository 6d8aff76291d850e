"""The delivery contracts: what becomes of updates that a subscriber has not taken yet."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence

from attrs import define, evolve, field

from hyperstream.hub.cursor import Cursor, Stage
from hyperstream.hub.subscription import Contract, OutboxLimits, Subscription
from hyperstream.market.updates import NOTICE_CUT, NoticeNote

MESSAGE_BYTES = 1_048_576  # of a conflated message, about: gRPC clients refuse more than 4 MiB by default
UNREAD_ANSWERS = "too many answers wait unread; read them before you ask for more"


@define(eq=False)
class Message:
    """What waits: a block's frames joined, or a notice yet to be spelled. Nothing of it ever changes.

    ``entries`` are the sequences in it; ``told`` the frames in it that have none. Thousands are made for
    subscribers that read nothing, and kept: hence ``define``, three times as fast to make as
    ``frozen``, and no list where there is nothing to hold.
    """

    number: int
    body: bytes
    entries: Sequence[tuple[Cursor, int]]
    told: Sequence[tuple[Cursor, bytes]]
    note: NoticeNote | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it is for this subscriber alone, so that no snapshot makes up for it."""
        return self.note is not None or not (self.entries or self.told)


@define(eq=False)
class QueuedSubscription(Subscription):
    """Keeps messages in order in a bounded outbox; ``overflow`` says what happens past its limits."""

    _frames: list[bytes] = field(factory=list)
    _entries: list[tuple[Cursor, int]] = field(factory=list)
    _told: list[tuple[Cursor, bytes]] = field(factory=list)
    _outbox: deque[Message] = field(factory=deque)
    _outbox_bytes: int = 0
    _last_number: int = 0

    def accept(self, cursor: Cursor, frame: bytes, sequence: int) -> None:
        """Gather an update until the block ends."""
        if not self._frames:
            self.hub.mark(self)
        self._frames.append(frame)
        if sequence:
            self._entries.append((cursor, sequence))
        else:
            self._told.append((cursor, frame))

    def held_more(self) -> None:
        """What is held behind a snapshot counts like what waits."""
        self.hub.mark(self)

    def flush(self) -> None:
        """Write the block's message, or put it into the outbox."""
        if self._frames:
            body = b"".join(self._frames)
            self._frames = []
            if (self._outbox and not self._write_waiting()) or not self._write_now(body):
                told: Sequence[tuple[Cursor, bytes]] = ()
                if self._told:
                    told, self._told = self._told, []
                self._put(Message(self._last_number + 1, body, self._entries, told))
                self._entries = []
            else:
                self._last_number += 1
                self._entries.clear()
                self._told.clear()
                if not self._joining:
                    return
        self._announce()

    def _announce(self) -> None:
        """Something may wait now: hold it to the limits, and wake the server."""
        waiting_bytes = self._outbox_bytes
        if self._joining:
            waiting_bytes += sum(cursor.held_bytes for cursor in self._joining)
        if waiting_bytes > self.limits.max_bytes or len(self._outbox) > self.limits.max_messages:
            self.overflow()
        if self._outbox or self._joining:
            self.wake()

    def _write_waiting(self) -> bool:
        """Write what waits, although its server has not come to it yet; False if something still waits.

        Whoever waits for a task's turn only, and not for the peer, is back to direct writes with
        this: else a crowd whose tasks need longer than the time between two blocks never would be.
        """
        outbox = self._outbox
        while outbox:
            message = outbox[0]
            if message.note is not None or not self._write_now(message.body):
                return False
            outbox.popleft()
            self._outbox_bytes -= len(message.body)
        return True

    def _put(self, message: Message) -> None:
        self._last_number = message.number
        self._outbox.append(message)
        self._outbox_bytes += len(message.body)

    def _put_notice(self, note: NoticeNote) -> None:
        self._put(Message(self._last_number + 1, b"", (), (), note))

    def notify(self, note: NoticeNote) -> None:
        """Queue a notice; a stream that has been cut ends with what it was told then."""
        self.flush()
        if not self.is_finished:
            self._put_notice(note)
            self.wake()

    def tell(self, frame: bytes) -> None:
        """Write it, or put it behind what waits; it counts like what waits."""
        self.flush()
        if self.is_finished:
            return
        if (self._outbox and not self._write_waiting()) or not self._write_now(frame):
            self._put(Message(self._last_number + 1, frame, (), ()))
            self._announce()
        else:
            self._last_number += 1

    @abstractmethod
    def overflow(self) -> None:
        """More waits than may."""

    def _cut_off(self, why: str) -> None:
        """End the stream behind what waits: nothing queued is lost, nothing more is queued."""
        super()._cut_off(why)
        self._put_notice(NoticeNote(NOTICE_CUT, 0, (), why))

    def _forget(self, cursor: Cursor) -> None:
        """What is queued stays."""
        if cursor.stage is Stage.LIVE:
            cursor.final_sequence = cursor.topic.sequence

    def _take_live(self) -> bytes | None:
        if not self._outbox:
            return None
        message = self._outbox.popleft()
        self._outbox_bytes -= len(message.body)
        if message.note is None:
            return message.body
        return self.wire_format.notice(evolve(message.note, resume=self.resume_points()))

    def _join_after(self, cursor: Cursor) -> int:
        gathered = any(waiting is cursor for waiting, _ in (*self._entries, *self._told))
        return self._last_number + gathered

    def _taken_number(self) -> int:
        return self._outbox[0].number - 1 if self._outbox else self._last_number

    def _first_waiting(self) -> dict[Cursor, int]:
        first: dict[Cursor, int] = {}
        for message in self._outbox:
            for cursor, sequence in message.entries:
                first.setdefault(cursor, sequence)
        for cursor, sequence in self._entries:
            first.setdefault(cursor, sequence)
        return first

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages and bytes in the outbox."""
        return len(self._outbox), self._outbox_bytes


@define(eq=False)
class LosslessSubscription(QueuedSubscription):
    """Every update arrives, or the stream ends with a notice that says where to resume."""

    def overflow(self) -> None:
        """End the stream behind what waits: nothing queued is lost, nothing more is queued."""
        if self.is_finished:
            return
        waiting = f"{len(self._outbox)} messages, {self._outbox_bytes} bytes"
        why = f"read too slowly for a LOSSLESS subscription ({waiting} waiting)"
        self._cut_off(f"{why}; resume from the notice")


@define(eq=False)
class ResyncSubscription(QueuedSubscription):
    """What waits is dropped; the subscriber is told the gap and goes on from a snapshot."""

    def overflow(self) -> None:
        """Drop the updates that wait. Only topics that lost some begin anew; what was told stays."""
        if self.is_finished:
            return
        self.hub.count("resync_slow_consumer")
        losers: dict[Cursor, list[bytes]] = {}
        for message in self._outbox:
            for cursor, sequence in message.entries:
                cursor.lose(sequence)
                losers.setdefault(cursor, [])
            for cursor, frame in message.told:
                losers.setdefault(cursor, []).append(frame)
        for cursor in self._joining:
            if cursor.lose_held():
                losers.setdefault(cursor, [])
        self._outbox = deque(message for message in self._outbox if message.is_kept)
        self._outbox_bytes = sum(len(message.body) for message in self._outbox)
        for cursor, told in losers.items():
            has_left = self.cursors.get(cursor.topic) is not cursor
            if has_left and cursor.missed_from:
                told.insert(0, cursor.gap())
            if has_left or (cursor.stage is Stage.LIVE and not cursor.missed_from):
                body = b"".join(told)
                self._put(Message(self._last_number + 1, body, (), [(cursor, frame) for frame in told]))
                continue
            if cursor.missed_from:
                cursor.wait()
            cursor.preface[:0] = told
        for cursor in self._joining:
            cursor.not_before = max(cursor.not_before, self._last_number)
        if self._outbox_bytes > self.limits.max_bytes or len(self._outbox) > self.limits.max_messages:
            self._cut_off(UNREAD_ANSWERS)


@define(eq=False)
class Private:
    """A frame or notice for one conflated subscriber, behind the first ``after`` values taken."""

    frame: bytes
    note: NoticeNote | None
    after: int


@define(eq=False)
class ConflatedSubscription(Subscription):
    """Only the newest update of each topic waits; it says how many it replaced."""

    _latest: dict[Cursor, tuple[bytes, int, int]] = field(factory=dict)  # frame, first sequence, merged
    _told: list[tuple[Cursor, bytes]] = field(factory=list)
    _private: deque[Private] = field(factory=deque)
    _private_bytes: int = 0
    _private_number: int = 0
    _popped: int = 0

    def accept(self, cursor: Cursor, frame: bytes, sequence: int) -> None:
        """Replace what waits of this topic."""
        self.hub.mark(self)
        if not sequence:
            self._told.append((cursor, frame))
            return
        replaced = self._latest.get(cursor)
        if replaced is None:
            self._latest[cursor] = frame, sequence, 0
        else:
            self.merged += 1
            self._latest[cursor] = frame, replaced[1], replaced[2] + 1

    def held_more(self) -> None:
        """Snapshots of conflated topics are one frame: nothing is ever held behind one."""

    def flush(self) -> None:
        """Write what was accepted, or leave it to be taken when the peer can."""
        if self.is_idle and not self._private and (self._latest or self._told):
            frames = [frame for _, frame in self._told]
            for frame, _, merged in self._latest.values():
                frames.append(self.wire_format.merged(frame, merged) if merged else frame)
            body = b"".join(frames)
            if len(body) <= MESSAGE_BYTES and self._write_now(body):
                self._told.clear()
                self._latest.clear()
        if self._latest or self._told or self._joining:
            self.wake()

    def notify(self, note: NoticeNote) -> None:
        """Queue a notice."""
        if not self.is_finished:
            self._put_private(b"", note)
            self.wake()

    def tell(self, frame: bytes) -> None:
        """Write it, or put it behind what waits; more of these than may wait end the stream."""
        self.flush()
        if self.is_finished:
            return
        if self._latest or self._told or self._private or not self._write_now(frame):
            self._put_private(frame)
            limits = self.limits
            if self._private_bytes > limits.max_bytes or len(self._private) > limits.max_messages:
                self._cut_off(UNREAD_ANSWERS)
            self.wake()

    def _put_private(self, frame: bytes, note: NoticeNote | None = None) -> None:
        self._private_number += 1
        self._private_bytes += len(frame)
        self._private.append(Private(frame, note, self._popped + len(self._latest)))

    def _cut_off(self, why: str) -> None:
        """End the stream behind what waits."""
        super()._cut_off(why)
        self._put_private(b"", NoticeNote(NOTICE_CUT, 0, (), why))

    def _forget(self, cursor: Cursor) -> None:
        """What waits of the topic is of no use any more."""
        self._latest.pop(cursor, None)
        self._told = [told for told in self._told if told[0] is not cursor]

    def _take_live(self) -> bytes | None:
        """What was told, the values that have waited longest, and what is private behind those before it."""
        frames = [frame for _, frame in self._told]
        self._told.clear()
        size = 0
        while size < MESSAGE_BYTES and (self._latest or self._private):
            if self._private and (not self._latest or self._private[0].after <= self._popped):
                private = self._private[0]
                if private.note is not None:
                    if frames:
                        break  # its resume points are exact only in a message of its own
                    del self._private[0]
                    return self.wire_format.notice(evolve(private.note, resume=self.resume_points()))
                del self._private[0]
                self._private_bytes -= len(private.frame)
                frames.append(private.frame)
                size += len(private.frame)
                continue
            # The topic that has waited longest; a replaced value keeps its place.
            frame, _, merged = self._latest.pop(next(iter(self._latest)))
            self._popped += 1
            frames.append(self.wire_format.merged(frame, merged) if merged else frame)
            size += len(frame)
        return b"".join(frames) if frames else None

    def _join_after(self, cursor: Cursor) -> int:
        """What waits of the topic is older than its snapshot: only what was told goes before it."""
        replaced = self._latest.pop(cursor, None)
        if replaced is not None:
            self.merged += 1
            cursor.final_sequence = replaced[1] - 1
        cursor.preface += [frame for waiting, frame in self._told if waiting is cursor]
        self._told = [told for told in self._told if told[0] is not cursor]
        return self._private_number

    def _taken_number(self) -> int:
        return self._private_number - len(self._private)

    def _first_waiting(self) -> dict[Cursor, int]:
        return {cursor: first for cursor, (_, first, _) in self._latest.items()}

    @property
    def waiting(self) -> tuple[int, int]:
        """Updates, answers and notices that wait, and their bytes."""
        size = sum(len(frame) for frame, _, _ in self._latest.values())
        return len(self._latest) + len(self._private), size + self._private_bytes


SUBSCRIPTIONS: dict[Contract, type[Subscription]] = {
    Contract.LOSSLESS: LosslessSubscription,
    Contract.RESYNC: ResyncSubscription,
    Contract.CONFLATE: ConflatedSubscription,
}
DEFAULT_LIMITS = OutboxLimits()
