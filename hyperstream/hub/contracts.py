"""The delivery contracts: what becomes of updates that a subscriber has not taken yet."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from attrs import define, evolve, field, frozen

from hyperstream.hub.cursor import Cursor
from hyperstream.hub.subscription import Contract, OutboxLimits, Subscription
from hyperstream.market.updates import NOTICE_CUT, NoticeNote


@frozen(eq=False)
class Message:
    """What waits: a block's frames joined and the sequences in it, or a notice yet to be spelled."""

    number: int
    body: bytes
    entries: list[tuple[Cursor, int]]
    note: NoticeNote | None = None


@define(eq=False)
class QueuedSubscription(Subscription):
    """Keeps messages in order in a bounded outbox; ``overflow`` says what happens past its limits."""

    _frames: list[bytes] = field(factory=list)
    _entries: list[tuple[Cursor, int]] = field(factory=list)
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

    def held_more(self) -> None:
        """What is held behind a snapshot counts like what waits."""
        self.hub.mark(self)

    def flush(self) -> None:
        """Put the block's message into the outbox."""
        if self._frames:
            self._put(b"".join(self._frames), self._entries)
            self._frames = []
            self._entries = []
        waiting_bytes = self._outbox_bytes
        if self._joining:
            waiting_bytes += sum(cursor.held_bytes for cursor in self._joining)
        if waiting_bytes > self.limits.max_bytes or len(self._outbox) > self.limits.max_messages:
            self.overflow()
        if self._outbox or self._joining:
            self.wake()

    def _put(self, body: bytes, entries: list[tuple[Cursor, int]], note: NoticeNote | None = None) -> None:
        self._last_number += 1
        self._outbox.append(Message(self._last_number, body, entries, note))
        self._outbox_bytes += len(body)

    def notify(self, note: NoticeNote) -> None:
        """Queue a notice."""
        self.flush()
        self._put(b"", [], note)
        self.wake()

    @abstractmethod
    def overflow(self) -> None:
        """More waits than may."""

    def _take_live(self) -> bytes | None:
        if not self._outbox:
            return None
        message = self._outbox.popleft()
        self._outbox_bytes -= len(message.body)
        if message.note is None:
            return message.body
        return self.wire_format.notice(evolve(message.note, resume=self.resume_points()))

    def _join_after(self, cursor: Cursor) -> int:
        return self._last_number + any(waiting is cursor for waiting, _ in self._entries)

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
        self.hub.count("cut_slow_consumer")
        waiting = f"{len(self._outbox)} messages, {self._outbox_bytes} bytes"
        self.cut = f"read too slowly for a LOSSLESS subscription ({waiting} waiting); resume from the notice"
        self.is_finished = True
        self.leave_topics()
        self._joining.clear()
        self._put(b"", [], NoticeNote(NOTICE_CUT, 0, (), self.cut))


@define(eq=False)
class ResyncSubscription(QueuedSubscription):
    """What waits is dropped; the subscriber is told the gap and goes on from a snapshot."""

    def overflow(self) -> None:
        """Drop what waits. Only topics that lost something begin anew."""
        self.hub.count("resync_slow_consumer")
        losers: dict[Cursor, None] = {}
        for message in self._outbox:
            for cursor, sequence in message.entries:
                cursor.lose(sequence, 1)
                losers[cursor] = None
        for cursor in self._joining:
            if cursor.held:
                cursor.lose(cursor.held[0][1], len(cursor.held))
                losers[cursor] = None
        self._outbox = deque(message for message in self._outbox if message.note is not None)
        self._outbox_bytes = 0
        for cursor in losers:
            cursor.wait()


@define(eq=False)
class ConflatedSubscription(Subscription):
    """Only the newest update of each topic waits; it says how many it replaced."""

    _latest: dict[Cursor, tuple[bytes, int, int]] = field(factory=dict)  # frame, first sequence, merged
    _told: list[bytes] = field(factory=list)
    _notices: deque[NoticeNote] = field(factory=deque)

    def accept(self, cursor: Cursor, frame: bytes, sequence: int) -> None:
        """Replace what waits of this topic."""
        self.hub.mark(self)
        if not sequence:
            self._told.append(frame)
            return
        replaced = self._latest.pop(cursor, None)
        if replaced is None:
            self._latest[cursor] = frame, sequence, 0
        else:
            self.merged += 1
            self._latest[cursor] = frame, replaced[1], replaced[2] + 1

    def held_more(self) -> None:
        """Snapshots of conflated topics are one frame: nothing is ever held behind one."""

    def flush(self) -> None:
        """What was accepted can be taken at any time."""
        if self._latest or self._told or self._joining:
            self.wake()

    def notify(self, note: NoticeNote) -> None:
        """Queue a notice."""
        self._notices.append(note)
        self.wake()

    def _take_live(self) -> bytes | None:
        frames = self._told
        self._told = []
        for frame, _, merged in self._latest.values():
            frames.append(self.wire_format.merged(frame, merged) if merged else frame)
        self._latest.clear()
        if not frames and self._notices:
            note = self._notices.popleft()
            frames.append(self.wire_format.notice(evolve(note, resume=self.resume_points())))
        return b"".join(frames) if frames else None

    def _join_after(self, cursor: Cursor) -> int:
        if self._latest.pop(cursor, None) is not None:
            self.merged += 1
        return 0

    def _taken_number(self) -> int:
        return 0

    def _first_waiting(self) -> dict[Cursor, int]:
        return {cursor: first for cursor, (_, first, _) in self._latest.items()}

    @property
    def waiting(self) -> tuple[int, int]:
        """Updates and bytes that wait."""
        return len(self._latest), sum(len(frame) for frame, _, _ in self._latest.values())


SUBSCRIPTIONS: dict[Contract, type[Subscription]] = {
    Contract.LOSSLESS: LosslessSubscription,
    Contract.RESYNC: ResyncSubscription,
    Contract.CONFLATE: ConflatedSubscription,
}
DEFAULT_LIMITS = OutboxLimits()
