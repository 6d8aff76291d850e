"""Order statuses of the streaming layout: rejections, 95 % of all lines, are passed over unread.

A rejection never touches a book. Splitting the bytes into lines only to drop nearly all of them
would cost more than half of what parsing them costs, so the bytes are skimmed instead:

1. A *stretch* is a run of lines whose first and last line are of one height and written within a
   second of each other. Its end is found by bisection.
2. In a stretch every rejection holds ``Rejected"`` once, and the distance from one to the next is
   one line long. Where it is, nothing but rejections lies between: a status line is never shorter
   than 440 bytes (an envelope of 140, an order of over 300), so another line would show as a
   distance greater than ``LONGEST``.
3. Where the distance is greater, the lines between are looked at one by one; so is a line that
   goes on for long before or after the word, because it may hold a second event.

A line torn by a crash cannot hide in a stretch: the line after it is written by the next start of
the node, more than a second later. The first and the last line of a stretch are looked at anyway.
"""

import re

from hyperstream.errors import FormatError
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.complaints import Tell
from hyperstream.sources.node.reader import STATUSES, Block, Item, after_tear
from hyperstream.sources.node.streaming import HEAD_AT, TIME_AT, StreamingReader
from hyperstream.wire.node_blocks import Position, StatusBlock
from hyperstream.wire.node_lines import NS, Envelope, parse_time_ns

REJECTED = b'Rejected"'
_STATUS = b'"status":"'

# Bytes. Recorded rejections are 570 to 706 long; the word ends 270 to 300 bytes after their start.
SHORTEST = 500
LONGEST = 780
_RUN = 16
# From one rejection's word to the last one that follows at the distance of a line, each time.
_REJECTIONS = re.compile(rb'(?s:(?:.{%d}[^R]{0,%d}+Rejected")++)' % (SHORTEST, LONGEST - SHORTEST))
_BEFORE_WORD = 400
_AFTER_WORD = 500
_FEW_LINES = 4096


class StreamingStatusReader(StreamingReader):
    """Order statuses of the streaming layout, as lines of bytes without the rejections."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(STATUSES, tell)
        self._kept: list[bytes] = []

    def feed(self, batch: Batch) -> list[Item]:
        """Return the blocks that were closed by a line of a greater height."""
        items: list[Item] = []
        start, data = 0, batch.data
        while start < batch.size:
            first_end = data.find(b"\n", start) + 1
            end = _end_of_stretch(data, start, first_end, batch.size)
            if end - start <= _FEW_LINES:
                self._exactly(batch, start, end, items)
            else:
                self._stretch(batch, start, first_end, end, items)
            start = end
        return items

    def _stretch(self, batch: Batch, start: int, first_end: int, end: int, items: list[Item]) -> None:
        data = batch.data
        last_start = data.rfind(b"\n", start, end - 1) + 1
        self._exactly(batch, start, first_end, items)
        if self._open is not None and data.startswith(self._head, last_start + HEAD_AT):
            self._skim(batch, first_end, last_start, items)
            self._exactly(batch, last_start, end, items)
        else:  # a height that was passed already
            self._exactly(batch, first_end, end, items)

    def _exactly(self, batch: Batch, start: int, stop: int, items: list[Item]) -> int:
        """Look at every line of ``data[start:stop]``; return how many there are."""
        if start >= stop:
            return 0
        lines = batch.data[start : stop - 1].split(b"\n")
        self.counters.lines += len(lines)
        self._lines(lines, batch, batch.offset + start, items)
        return len(lines)

    def _skim(self, batch: Batch, start: int, stop: int, items: list[Item]) -> None:
        """Take the lines of a stretch, looking only at those that may not be rejections."""
        data = batch.data
        while start < stop:
            word = data.find(REJECTED, start, min(start + _BEFORE_WORD, stop))
            if word >= 0:
                run = _REJECTIONS.match(data, word, stop)
                if run is not None:
                    word = run.end() - len(REJECTED)
                start = data.find(b"\n", word) + 1
                if start - word <= _AFTER_WORD:
                    continue
                start = data.rfind(b"\n", 0, word) + 1
            start = self._look(batch, start, stop, items)

    def _look(self, batch: Batch, start: int, stop: int, items: list[Item]) -> int:
        """Look at the line at ``start`` and on to the next rejection; return where that begins."""
        data = batch.data
        first_end = data.find(b"\n", start) + 1
        word = data.find(REJECTED, first_end, stop)
        end = data.rfind(b"\n", start, word) + 1 if word >= 0 else stop
        lines = data[start : end - 1].split(b"\n")
        head = self._head
        if all(line.startswith(head, HEAD_AT) and line.endswith(b"]}") for line in lines):
            self.counters.lines += len(lines)
            # Only the first may be a rejection; and no line here is torn (see above).
            self._kept += lines if _may_touch_a_book(lines[0]) else lines[1:]
        else:
            self._exactly(batch, start, end, items)
        return end

    def _begin(self, is_new_height: bool) -> None:  # noqa: ARG002  # statuses may repeat
        self._kept = []

    def _has_events(self) -> bool:
        return bool(self._kept)

    def _take_run(self, lines: list[bytes]) -> bool:
        if any(after_tear(line) or not line.endswith(b"]}") for line in lines):
            return False
        self._kept += [line for line in lines if _may_touch_a_book(line)]
        return True

    def _parse(self, line: bytes, envelope: Envelope) -> bytes:  # noqa: ARG002  # not parsed
        if not line.endswith(b"]}"):
            raise FormatError("the line stops before its end")
        return line

    def _take(self, parsed: bytes, batch: Batch) -> None:  # noqa: ARG002  # nothing to tell
        if _may_touch_a_book(parsed):
            self._kept.append(parsed)

    def _block(self, envelope: Envelope, position: Position) -> Block:
        height, block_time_ns, node_time_ns, _ = envelope
        return StatusBlock(height, block_time_ns, node_time_ns, self._read_time_ns, position, self._kept)


def _may_touch_a_book(line: bytes) -> bool:
    """Whether the line holds anything but one rejection."""
    return REJECTED not in line or line.count(_STATUS) > 1


def _end_of_stretch(data: bytes, start: int, first_end: int, stop: int) -> int:
    """Return the end of the lines of one height, written within a second, that begin at ``start``.

    Where the lines are not in order (a restarted node repeats some), the end found is one of several
    possible; the last line before it does belong to the height and the second.
    """
    head_end = data.find(b'"events":[', start, first_end)
    head = data[start + HEAD_AT : head_end]
    began = _time(data, start)
    if head_end < 0 or b'"block_number":' not in head or began is None:
        return first_end
    good, bad = first_end, stop
    line = data.rfind(b"\n", start, stop - 1) + 1  # the last line first: most often all belong
    while good < bad:
        ended = _time(data, line)
        if ended is not None and 0 <= ended - began <= NS and data.startswith(head, line + HEAD_AT):
            good = data.find(b"\n", line) + 1
        else:
            bad = line
        line = data.rfind(b"\n", good - 1, (good + bad) // 2) + 1
    return good


def _time(data: bytes, line: int) -> int | None:
    try:
        return parse_time_ns(data[line + TIME_AT : line + HEAD_AT])
    except FormatError:
        return None
