"""What the readers of all sources and layouts have in common: the rule of heights.

A reader is pure: batches of bytes in, blocks and gaps out. It keeps the highest height handed
on (``last_height``) and decides by height alone, because the same block may be met again:

1. A height above ``last_height`` is new. If heights are missing before it, a HeightGap goes first.
2. A height at or below the snapshot's is older than the books: dropped, not counted as trouble.
3. A height passed already was written twice (a restarted node writes its last blocks again, a
   recreated file is read from its start): dropped and counted as a duplicate.
4. A height passed already that had been reported missing came too late to be applied in
   order: dropped, counted as late, told. Its HeightGap stands, so books are repaired by a
   snapshot and nothing is applied twice.
5. A complete line that cannot be read is counted and told. In a line that a crash tore and the
   next start went on writing (``{"local_time":…{"local_time":…}``), the last envelope counts.
"""

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define

from hyperstream.errors import FormatError
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.complaints import Complaints, Tell
from hyperstream.wire.diff_lines import parse_diffs
from hyperstream.wire.fills import parse_fills
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, HeightGap, Position, StatusBlock
from hyperstream.wire.node_lines import parse_envelope

Block = DiffBlock | StatusBlock | FillBlock
Item = DiffBlock | StatusBlock | FillBlock | HeightGap

DIFFS, STATUSES, FILLS = "diffs", "statuses", "fills"
KINDS = (DIFFS, STATUSES, FILLS)

# How every line begins. The node's writer puts local_time first in every known version, which
# is what lets a line be found inside another one after a crash.
ENVELOPE = b'{"local_time":'
TORN = "torn by a crash"
_MISSING_RANGES_KEPT = 256
_HEIGHT = re.compile(rb'"block_number":([0-9]+),')


@define(eq=False)
class Counters:
    """What a reader has seen since it was made; ``missing`` counts heights, the others lines or blocks.

    ``lines`` leaves out the rejections of the streaming layout that were passed over unread.
    """

    lines: int = 0
    blocks: int = 0
    duplicates: int = 0
    unreadable: int = 0
    late_parts: int = 0
    gaps: int = 0
    missing: int = 0


class Reader(ABC):
    """Turns the lines of one source into blocks. ``kind`` is ``diffs``, ``statuses`` or ``fills``."""

    def __init__(self, kind: str, tell: Tell) -> None:
        self.kind = kind
        self.counters = Counters()
        self.complaints = Complaints(tell)
        self.last_height: int | None = None
        self.position: Position | None = None
        self._floor = -1
        self._missing: deque[tuple[int, int]] = deque(maxlen=_MISSING_RANGES_KEPT)

    def start_after(self, height: int) -> None:
        """Expect ``height + 1`` next: a snapshot holds everything up to ``height``."""
        self.last_height = self._floor = height

    def skip_to(self, height: int, reason: str) -> HeightGap:
        """Expect ``height`` next although that leaves blocks out; returns the gap to hand on first."""
        first = height if self.last_height is None else self.last_height + 1
        self.last_height = height - 1
        return self._gap(first, height - 1, reason)

    def follows(self, head: bytes) -> bool:
        """Whether a line that begins like this can be the next one with nothing missing between."""
        try:
            height = parse_envelope(head).height
        except FormatError:
            return False
        return self.last_height is None or height <= self.last_height + 1

    def goes_on(self, head: bytes) -> bool:
        """Whether a line that begins like this, as far as it is there, may belong to the last height."""
        height = _HEIGHT.search(head)
        return int(height[1]) == self.last_height if height is not None else bool(head)

    @property
    def has_open_block(self) -> bool:
        """Whether ``flush`` would hand on something: only the streaming layout leaves blocks open."""
        return False

    @abstractmethod
    def feed(self, batch: Batch) -> list[Item]:
        """Return the blocks that became complete with these lines, gaps before them."""

    def flush(self) -> list[Item]:
        """Close the open block because its source has been quiet; returns it."""
        return []

    def lost(self, problem: str, file: str, offset: int) -> None:
        """A line was lost before it could be read: that is as if it could not be read."""
        self._unreadable(problem, b"", Batch(file, offset, b"", 0, 0), offset)

    def _gap(self, first: int, last: int, reason: str) -> HeightGap:
        self.counters.gaps += 1
        self.counters.missing += last - first + 1
        self._missing.append((first, last))
        return HeightGap(self.kind, first, last, reason)

    def _was_missing(self, height: int) -> bool:
        return any(first <= height <= last for first, last in self._missing)

    def _passed(self, height: int, batch: Batch) -> None:
        """Drop a line of a height that was handed on or passed already (rules 2 to 4)."""
        if height <= self._floor:
            return
        if self._was_missing(height):
            self.counters.late_parts += 1
            self.complaints.about(
                "late",
                "a block reported missing came too late and was not applied",
                source=self.kind, height=height, file=batch.file, last_height=self.last_height,
            )  # fmt: skip
            return
        self.counters.duplicates += 1
        self.complaints.about(
            "duplicate",
            "the node wrote blocks again; they were dropped",
            source=self.kind, height=height, file=batch.file, last_height=self.last_height,
        )  # fmt: skip

    def _unreadable(self, cause: str, line: bytes, batch: Batch, offset: int) -> None:
        self.counters.unreadable += 1
        self.complaints.about(
            f"unreadable: {cause}",
            "a line of the node cannot be read",
            source=self.kind, problem=cause, file=batch.file,
            offset=offset, length=len(line), begins=line[:80],
        )  # fmt: skip


def after_tear(line: bytes) -> bytes | None:
    """Return the last envelope of a line that a crash glued together, None if it is not such a line."""
    if line.find(ENVELOPE, 1) < 0:  # searching forwards is four times faster
        return None
    return line[line.rfind(ENVELOPE) :]


def cause_of(error: FormatError) -> str:
    """Return what a FormatError is about, without the bytes it quotes."""
    return str(error).partition(":")[0]


def parse_events(kind: str, line: bytes) -> list[Any]:
    """Return the parsed events of a whole line of diffs or fills; raises FormatError."""
    return _PARSERS[kind](line)


_PARSERS: dict[str, Callable[[bytes], list[Any]]] = {DIFFS: parse_diffs, FILLS: parse_fills}
