"""What a topic published last, for those who are behind.

A log is a chain of segments. Whoever is behind keeps a place in it and reads on from there: the frames
are kept once, however many are behind, and exactly as long as the one furthest behind needs them. The topic
itself lets go of all but the last few, and that is how far back a resume point may lie.

Segments, and not one object for each frame, because the garbage collector visits every object that
refers to others; a tuple of bytes and numbers it leaves alone.
"""

from __future__ import annotations

HISTORY = 128
HISTORY_BYTES = 524_288
SEGMENT_ENTRIES = 32
SHORT_SEGMENT_ENTRIES = 4
SEGMENT_BYTES = HISTORY_BYTES // 8

# A frame, its sequence (0 for a gap, which has none), and its topic's number. One is made for each frame
# published, and shared by all who send it, queue it or may read it later.
Entry = tuple[bytes, int, int]


class Segment:
    """A stretch of a log. ``start`` is the sequence of the last update before it, of its ``epoch``."""

    __slots__ = ("entries", "epoch", "following", "size", "start")

    def __init__(self, epoch: int, start: int) -> None:
        self.epoch = epoch
        self.start = start
        self.entries: list[Entry] = []
        self.size = 0
        self.following: Segment | None = None


class Place:
    """Where somebody stands in a log. ``sequence`` is that of the last update behind it."""

    __slots__ = ("index", "segment", "sequence")

    def __init__(self, segment: Segment, index: int, sequence: int) -> None:
        self.segment = segment
        self.index = index
        self.sequence = sequence

    def copy(self) -> Place:
        """The same place, to go on from by itself."""
        return Place(self.segment, self.index, self.sequence)

    def peek(self) -> Entry | None:
        """The next entry, None at the end; the place is moved over the border of a segment."""
        while self.index == len(self.segment.entries):
            if self.segment.following is None:
                return None
            self.segment = self.segment.following
            self.index = 0
        return self.segment.entries[self.index]

    def pass_by(self, entry: Entry) -> None:
        """Go behind the entry that ``peek`` returned."""
        self.index += 1
        self.sequence = entry[1] or self.sequence

    def is_at(self, other: Place) -> bool:
        """Whether nothing lies between this place, where ``peek`` has looked, and ``other``."""
        return self.segment is other.segment and self.index == other.index


class Log:
    """The newest entries of a topic. At least HISTORY of them are kept, unless they have HISTORY_BYTES.

    Where nobody ever resumes (``is_resumable`` is False) only what somebody behind needs is kept, and a few.
    """

    __slots__ = ("_count", "_is_resumable", "_newest", "_oldest", "_size")

    def __init__(self, epoch: int, *, is_resumable: bool = True) -> None:
        self._is_resumable = is_resumable
        self._oldest = self._newest = Segment(epoch, 0)
        self._count = self._size = 0

    def append(self, entry: Entry) -> None:
        """An update or a gap was published."""
        newest = self._newest
        newest.entries.append(entry)
        size = len(entry[0])
        newest.size += size
        self._size += size
        self._count += 1
        # Only behind an update: whoever resumes there must meet the gaps told after it.
        most = SEGMENT_ENTRIES if self._is_resumable else SHORT_SEGMENT_ENTRIES
        if entry[1] and (len(newest.entries) >= most or newest.size >= SEGMENT_BYTES):
            self._begin_segment(newest.epoch, entry[1])
            self._let_go()

    def restart(self, epoch: int, sequence: int) -> None:
        """A new epoch begins: nobody resumes from before it; whoever is behind reads on."""
        self._begin_segment(epoch, sequence)
        self._oldest = self._newest
        self._count = self._size = 0

    def _begin_segment(self, epoch: int, start: int) -> None:
        newest = self._newest
        self._newest = newest.following = Segment(epoch, start)

    def _let_go(self) -> None:
        """Forget segments that are not needed to keep as much as is promised."""
        promised = HISTORY if self._is_resumable else 0
        while self._oldest is not self._newest:
            oldest = self._oldest
            following = oldest.following
            if following is None or (
                self._count - len(oldest.entries) < promised and self._size <= HISTORY_BYTES
            ):
                return
            self._oldest = following
            self._count -= len(oldest.entries)
            self._size -= oldest.size

    def end(self, sequence: int) -> Place:
        """The place behind everything published; ``sequence`` is the topic's."""
        return Place(self._newest, len(self._newest.entries), sequence)

    def find(self, sequence: int) -> Place | None:
        """The place behind this update, before any gap told after it; None if what follows is not kept."""
        segment: Segment | None = self._oldest
        while segment is not None:
            if segment.start == sequence:
                return Place(segment, 0, sequence)
            following = segment.following
            if segment.start < sequence and (following is None or sequence < following.start):
                for index, entry in enumerate(segment.entries):
                    if entry[1] == sequence:
                        return Place(segment, index + 1, sequence)
            segment = following
        return None
