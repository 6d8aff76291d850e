"""LOSSLESS and RESYNC: updates wait in order, in a bounded outbox, and what happens past its bounds."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, evolve, field

from hyperstream.hub.cursor import Cursor
from hyperstream.hub.log import Entry, Place
from hyperstream.hub.subscription import UNREAD_ANSWERS, Subscription
from hyperstream.market.updates import NOTICE_CUT, NoticeNote


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
