"""CONFLATE: of each topic only the newest value waits."""

from __future__ import annotations

from collections import deque

from attrs import define, evolve, field

from hyperstream.hub.cursor import Cursor
from hyperstream.hub.log import Entry, Place
from hyperstream.hub.subscription import UNREAD_ANSWERS, Subscription
from hyperstream.market.updates import NOTICE_CUT, NoticeNote

MESSAGE_BYTES = 1_048_576  # of a conflated message, about: gRPC clients refuse more than 4 MiB by default


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
