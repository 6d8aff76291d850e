"""The delivery contracts: what becomes of updates that a subscriber has not taken yet."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, evolve, field

from hyperstream.hub.cursor import Cursor
from hyperstream.hub.log import Entry, Place
from hyperstream.hub.subscription import Contract, OutboxLimits, Subscription
from hyperstream.market.updates import NOTICE_CUT, NoticeNote

MESSAGE_BYTES = 1_048_576  # of a conflated message, about: gRPC clients refuse more than 4 MiB by default
UNREAD_ANSWERS = "too many answers wait unread; read them before you ask for more"


@define(eq=False)
class Message:
    """What waits: a block's frames joined, or a notice yet to be spelled. Nothing of it ever changes.

    ``entries`` are what is in it; without any it is for this subscriber alone, and no snapshot makes up
    for it. Thousands are made for subscribers that read nothing, and kept: hence ``define``, three times as
    fast to make as ``frozen``.
    """

    number: int
    body: bytes
    entries: Sequence[Entry]
    note: NoticeNote | None = None


@define(eq=False)
class QueuedSubscription(Subscription):
    """Keeps messages in order in a bounded outbox; ``overflow`` says what happens past its limits.

    ``_left`` are cursors of topics that were left while something of theirs waited: it is in
    messages up to that number.
    """

    _entries: list[Entry] = field(factory=list)
    _outbox: deque[Message] = field(factory=deque)
    _outbox_bytes: int = 0
    _last_number: int = 0
    _left: list[tuple[int, Cursor]] = field(factory=list)

    def accept(self, entry: Entry) -> None:
        """Gather an update until the block ends."""
        entries = self._entries
        if not entries:
            self.hub.marked[self] = None
        entries.append(entry)

    def flush(self) -> None:
        """Write the block's message, or put it into the outbox."""
        entries = self._entries
        if entries:
            body = entries[0][0] if len(entries) == 1 else self.hub.join(entries)
            if self.is_idle and (not self._outbox or self._write_waiting()) and self.write(body):
                self.taken_messages += 1
                self.taken_bytes += len(body)
                self._last_number += 1
                entries.clear()
                if not self._joining:
                    return
            else:
                self._entries = []
                self._put(Message(self._last_number + 1, body, entries))
        self._announce()

    def _announce(self) -> None:
        """Something may wait now: hold it to the limits, and wake the server."""
        limits = self.limits
        if (
            self._outbox_bytes + self._held_bytes > limits.max_bytes
            or len(self._outbox) > limits.max_messages
        ):
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
        self._put(Message(self._last_number + 1, b"", (), note))

    def notify(self, note: NoticeNote) -> None:
        """Queue a notice; a stream that has been cut ends with what it was told then."""
        self.hub.settle()
        self.flush()
        if not self.is_finished:
            self._put_notice(note)
            self.wake()

    def tell(self, frame: bytes) -> None:
        """Write it, or put it behind what waits; it counts like what waits."""
        self.hub.settle()
        self.flush()
        if self.is_finished:
            return
        if (self._outbox and not self._write_waiting()) or not self._write_now(frame):
            self._put(Message(self._last_number + 1, frame, ()))
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
        taken = self._taken_number()
        self._left = [left for left in self._left if left[0] > taken]
        if self._outbox:
            self._left.append((self._last_number, cursor))

    def _catch_up(self, cursor: Cursor, place: Place) -> None:
        """Read the log piece by piece, behind what waits."""
        cursor.catch_up(place)
        self.join(cursor)

    def _take_live(self) -> bytes | None:
        if not self._outbox:
            return None
        message = self._outbox.popleft()
        self._outbox_bytes -= len(message.body)
        if message.note is None:
            return message.body
        return self.wire_format.notice(evolve(message.note, resume=self.resume_points()))

    def _join_after(self, cursor: Cursor) -> int:
        number = cursor.topic.number
        return self._last_number + any(entry[2] == number for entry in self._entries)

    def _taken_number(self) -> int:
        return self._outbox[0].number - 1 if self._outbox else self._last_number

    def _first_waiting(self) -> dict[int, int]:
        first: dict[int, int] = {}
        for entries in (*(message.entries for message in self._outbox), self._entries):
            for _, sequence, number in entries:
                if sequence:
                    first.setdefault(number, sequence)
        return first

    def _cursor_of(self) -> Callable[[int, Message], Cursor]:
        """Whose an entry of a message is, by the number of its topic."""
        now = {topic.number: cursor for topic, cursor in self.cursors.items()}

        def find(number: int, message: Message) -> Cursor:
            for last, cursor in self._left:
                if cursor.topic.number == number and message.number <= last:
                    return cursor
            return now[number]

        return find

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
        size = self._outbox_bytes + self._held_bytes
        waiting = f"{len(self._outbox)} messages, {size} bytes" if self._outbox else f"{size} bytes"
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
        losers = self._drop_updates()
        for cursor in self._joining:
            if cursor.lose_backlog():
                losers.setdefault(cursor, [])
        left = [cursor for cursor in losers if self.cursors.get(cursor.topic) is not cursor]
        kept: list[Entry] = []
        for cursor, told in losers.items():
            if not cursor.missed_from:
                kept += told
            elif cursor in left:
                kept += [(cursor.gap(), 0, cursor.topic.number), *told]
            else:
                cursor.wait()
                cursor.preface = (*(frame for frame, _, _ in told), *cursor.preface)
        if kept:
            self._put(Message(self._last_number + 1, b"".join([frame for frame, _, _ in kept]), kept))
            self._left = [(self._last_number, cursor) for cursor in left]
        for cursor in self._joining:
            cursor.not_before = max(cursor.not_before, self._last_number)
        if self._outbox_bytes > self.limits.max_bytes or len(self._outbox) > self.limits.max_messages:
            self._cut_off(UNREAD_ANSWERS)

    def _drop_updates(self) -> dict[Cursor, list[Entry]]:
        """Empty the outbox of what a snapshot makes up for; returns who lost what, and what must be told."""
        losers: dict[Cursor, list[Entry]] = {}
        find = self._cursor_of()
        for message in self._outbox:
            for entry in message.entries:
                cursor = find(entry[2], message)
                told = losers.setdefault(cursor, [])
                if entry[1]:
                    cursor.lose(entry[1])
                else:
                    told.append(entry)
        self._outbox = deque(message for message in self._outbox if not message.entries)
        self._outbox_bytes = sum(len(message.body) for message in self._outbox)
        self._left.clear()
        return losers


@define(eq=False)
class Private:
    """A frame or notice for one conflated subscriber, behind the first ``after`` values taken."""

    frame: bytes
    note: NoticeNote | None
    after: int


@define(eq=False)
class ConflatedSubscription(Subscription):
    """Only the newest update of each topic waits; it says how many it replaced."""

    # By the topic's number: the frame, the first sequence that waits, how many were merged.
    _latest: dict[int, tuple[bytes, int, int]] = field(factory=dict)
    _told: list[Entry] = field(factory=list)
    _private: deque[Private] = field(factory=deque)
    _private_bytes: int = 0
    _private_number: int = 0
    _popped: int = 0

    def accept(self, entry: Entry) -> None:
        """Replace what waits of this topic."""
        frame, sequence, number = entry
        self.hub.marked[self] = None
        if not sequence:
            self._told.append(entry)
            return
        latest = self._latest
        replaced = latest.get(number)
        if replaced is None:
            latest[number] = frame, sequence, 0
        else:
            self.merged += 1
            latest[number] = frame, replaced[1], replaced[2] + 1

    def flush(self) -> None:
        """Write what was accepted, or leave it to be taken when the peer can."""
        if self.is_idle and not self._private and (self._latest or self._told):
            frames = [entry[0] for entry in self._told]
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
        self.hub.settle()
        self.flush()
        if self.is_finished:
            return
        if self._latest or self._told or self._private or not self._write_now(frame):
            self._put_private(frame)
            limits = self.limits
            if self._private_bytes > limits.max_bytes or len(self._private) > limits.max_messages:
                self._cut_off(UNREAD_ANSWERS)
            self.wake()

    @property
    def unread_answers(self) -> tuple[int, int]:
        """Answers and notices that wait, and their bytes."""
        return len(self._private), self._private_bytes

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
        number = cursor.topic.number
        self._latest.pop(number, None)
        self._told = [entry for entry in self._told if entry[2] != number]

    def _catch_up(self, cursor: Cursor, place: Place) -> None:
        """Of what was missed only the newest value waits, and what was told."""
        cursor.catch_up(place)
        cursor.go_live(self.accept)
        self._now_live(cursor)

    def _take_live(self) -> bytes | None:
        """What was told, the values that have waited longest, and what is private behind those before it."""
        frames = [entry[0] for entry in self._told]
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
        number = cursor.topic.number
        replaced = self._latest.pop(number, None)
        if replaced is not None:
            self.merged += 1
            cursor.final_sequence = replaced[1] - 1
        cursor.preface = (*(entry[0] for entry in self._told if entry[2] == number), *cursor.preface)
        self._told = [entry for entry in self._told if entry[2] != number]
        return self._private_number

    def _taken_number(self) -> int:
        return self._private_number - len(self._private)

    def _first_waiting(self) -> dict[int, int]:
        return {number: first for number, (_, first, _) in self._latest.items()}

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
