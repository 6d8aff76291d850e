"""Readers of the streaming layout: one event a line, many lines a block, silence between blocks.

Nothing in the files says where a block ends. It ends when a line of a greater height appears, or
when its source has been quiet for a while and the tailer calls ``flush``. Lines of the same height
that come after a flush are handed on as a continuation. Blocks without events write no line, so
heights may be skipped; only more than ``SILENT_BLOCKS`` in a row count as a loss.

A line lost to a crash leaves no hole in the heights here. So an unreadable line is announced as a
gap from the block before it to the next greater one, which has the books repaired.
"""

from abc import abstractmethod
from contextlib import suppress
from typing import Any

from hyperstream.errors import FormatError
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.complaints import Tell
from hyperstream.sources.node.reader import (
    DIFFS,
    FILLS,
    STATUSES,
    TORN,
    Block,
    Item,
    Reader,
    after_tear,
    cause_of,
)
from hyperstream.wire.node_blocks import Position
from hyperstream.wire.node_lines import Envelope, parse_envelope, parse_time_ns

# Blocks in a row without a line before it counts as a loss: 100 are 7 seconds of a chain on which
# hundreds of orders change every second. A minute without any fill can happen.
SILENT_BLOCKS = {DIFFS: 100, STATUSES: 100, FILLS: 1000}

# Columns of ``{"local_time":"2026-05-05T17:39:16.001926658","block_time":…``: where the time stands
# and where what is equal for all lines of a block begins. A time with fewer digits (one in a
# thousand) only costs the shortcut, not the line.
TIME_AT = len(b'{"local_time":"')
HEAD_AT = TIME_AT + len(b"2026-05-05T17:39:16.001926658")


class StreamingReader(Reader):
    """Collects lines into blocks; what a line is worth is the subclass's business."""

    def __init__(self, kind: str, tell: Tell) -> None:
        super().__init__(kind, tell)
        self._open: Envelope | None = None
        self._is_continuation = False
        self._head = b""
        self._newest_line = b""
        self._end = ("", 0)
        self._read_time_ns = 0
        self._doubtful_since: int | None = None

    @property
    def has_open_block(self) -> bool:
        """Whether ``flush`` would hand on something."""
        return self._open is not None or self._doubtful_since is not None

    @abstractmethod
    def _begin(self, is_new_height: bool) -> None:
        """Forget the events handed on; of a new height also what helps to find duplicates."""

    @abstractmethod
    def _take_run(self, lines: list[bytes]) -> bool:
        """Add lines that begin like the open block's; False if one of them needs a closer look."""

    @abstractmethod
    def _parse(self, line: bytes, envelope: Envelope) -> Any:
        """Return what ``_take`` needs of a line; raises FormatError."""

    @abstractmethod
    def _take(self, parsed: Any, batch: Batch) -> None:
        """Add one parsed line to the open block."""

    @abstractmethod
    def _block(self, envelope: Envelope, position: Position) -> Block:
        """Make the block of what was added since ``_begin``."""

    @abstractmethod
    def _has_events(self) -> bool:
        """Whether anything was added since ``_begin``."""

    def feed(self, batch: Batch) -> list[Item]:
        """Return the blocks that were closed by a line of a greater height."""
        items: list[Item] = []
        lines = batch.lines()
        self.counters.lines += len(lines)
        self._lines(lines, batch, batch.offset, items)
        return items

    def flush(self) -> list[Item]:
        """Close the open block because its source has been quiet; returns it."""
        items: list[Item] = []
        self._close(items)
        if self._doubtful_since is not None and self.last_height is not None:
            self._announce_doubt(self.last_height + 1, items)
        return items

    def _lines(self, lines: list[bytes], batch: Batch, offset: int, items: list[Item]) -> None:
        start, count = 0, len(lines)
        while start < count:
            stop = self._end_of_run(lines, start)
            if stop > start:
                run = lines[start:stop]
                end = offset + sum(map(len, run)) + len(run)
                if self._take_run(run):
                    self._note(run[-1], batch, end)
                    offset, start = end, stop
                else:
                    for line in run:
                        end = offset + len(line) + 1
                        self._line(line, batch, offset, end, items)
                        offset = end
                    start = stop
            if start < count:
                end = offset + len(lines[start]) + 1
                self._line(lines[start], batch, offset, end, items)
                offset, start = end, start + 1

    def _end_of_run(self, lines: list[bytes], start: int) -> int:
        """Return the index after the last line that surely belongs to the open block."""
        if self._open is None:
            return start
        head = self._head
        for index in range(start, len(lines)):
            if not lines[index].startswith(head, HEAD_AT):
                return index
        return len(lines)

    def _note(self, newest_line: bytes, batch: Batch, end: int) -> None:
        self._newest_line = newest_line
        self._end = (batch.file, end)
        self._read_time_ns = batch.read_time_ns

    def _line(self, line: bytes, batch: Batch, offset: int, end: int, items: list[Item]) -> None:
        """Take one line about which nothing is known yet."""
        if (rest := after_tear(line)) is not None:
            self._unreadable(TORN, line, batch, offset)
            line = rest
        try:
            envelope = parse_envelope(line)
            parsed = self._parse(line, envelope)
        except FormatError as exc:
            self._unreadable(cause_of(exc), line, batch, offset)
            return
        height, last = envelope.height, self.last_height
        if self._open is None or height != self._open.height:
            if height <= self._floor or (last is not None and height < last):
                self._behind(height, batch, items)
                return
            self._close(items)
            self._begin_block(envelope, line, batch, items)
        self._take(parsed, batch)
        self._note(line, batch, end)

    def _begin_block(self, envelope: Envelope, line: bytes, batch: Batch, items: list[Item]) -> None:
        height, last = envelope.height, self.last_height
        if last is not None and height - last - 1 > SILENT_BLOCKS[self.kind]:
            reason = f"{batch.file} goes on with block {height} after {last}"
            items.append(self._gap(last + 1, height - 1, reason))
        if self._doubtful_since is not None and height > self._doubtful_since:
            self._announce_doubt(height, items)
        self._is_continuation = height == last
        self._begin(is_new_height=not self._is_continuation)
        self._open = envelope
        self._head = _head_of(line, envelope)
        self.last_height = height

    def _close(self, items: list[Item]) -> None:
        envelope = self._open
        if envelope is None:
            return
        self._open = None
        file, offset = self._end
        self.position = Position(envelope.height, file, offset)
        if self._is_continuation and not self._has_events():
            return
        if self._is_continuation:
            self.counters.late_parts += 1
            self.complaints.about(
                "continuation",
                "a block went on after a pause; its rest was handed on",
                source=self.kind, height=envelope.height, file=file,
            )  # fmt: skip
        newest = self._newest_line[TIME_AT:HEAD_AT]
        # A time of fewer digits is followed by other bytes here: then the first line's has to do.
        with suppress(FormatError):
            envelope = envelope._replace(node_time_ns=parse_time_ns(newest))
        block = self._block(envelope, self.position)
        block.is_continuation = self._is_continuation
        self.counters.blocks += 1
        items.append(block)

    def _behind(self, height: int, batch: Batch, items: list[Item]) -> None:
        """Take note of a line of a passed height.

        A restarted node writes events again in the file it goes on with. Lines that appear in the
        file before that one are not repetitions but were never read: they cannot be applied in order
        any more, so their block is announced as missing.
        """
        if batch.is_late and height > self._floor and not self._was_missing(height):
            self.counters.late_parts += 1
            items.append(self._gap(height, height, f"{batch.file} was still written after its successor"))
        else:
            self._passed(height, batch)

    def _unreadable(self, cause: str, line: bytes, batch: Batch, offset: int) -> None:
        super()._unreadable(cause, line, batch, offset)
        if self._doubtful_since is None and self.last_height is not None:
            self._doubtful_since = self.last_height

    def _announce_doubt(self, height: int, items: list[Item]) -> None:
        first = self._doubtful_since
        self._doubtful_since = None
        if first is not None:
            first = min(max(first, self._floor + 1), height)
            items.append(self._gap(first, height, "a line could not be read"))


def _head_of(line: bytes, envelope: Envelope) -> bytes:
    """Return what all lines of this block have at ``HEAD_AT``, or bytes that no line has."""
    head = line[line.find(b'","block_time":"') : envelope.events_at]
    return head if b'"block_number":' in head else b"\n"
