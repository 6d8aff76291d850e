"""Reader of the by-block layout: a line is a block, also without events, and heights rise by one."""

from hyperstream.errors import FormatError
from hyperstream.sources.node.batch import Batch
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
    parse_events,
)
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, Position, StatusBlock
from hyperstream.wire.node_lines import EVENTS, Envelope, parse_envelope

_STATUS_TIME = b'{"time":"'
_BLOCK_TIME = b'"block_time":"'
_NO_EVENTS = EVENTS + b"]}"
# How lines of events begin and end that may be handed on unread.
_BRACKETS = {DIFFS: (b"{", b"}]}"), FILLS: (b"[", b"]]}")}
_HEAD_BYTES = 200  # holds the whole envelope, however many digits its times have


class ByBlockReader(Reader):
    """One line, one block, handed on as bytes: whoever needs the events parses them."""

    def feed(self, batch: Batch) -> list[Item]:
        """Return a block for every line of a new height."""
        items: list[Item] = []
        offset = batch.offset
        lines = batch.lines()
        self.counters.lines += len(lines)
        for line in lines:
            end = offset + len(line) + 1
            self._line(line, batch, offset, end, items)
            offset = end
        return items

    def _line(self, line: bytes, batch: Batch, offset: int, end: int, items: list[Item]) -> None:
        # What is not parsed here does not show a tear: look for it where there may be one.
        rest = after_tear(line) if self.kind != STATUSES or _may_be_torn(line) else None
        if rest is not None:
            self._unreadable(TORN, line, batch, offset)
            line = rest
        try:
            envelope = parse_envelope(line)
            if self.last_height is not None and envelope.height <= self.last_height:
                if (rest := after_tear(line)) is None:
                    self._passed(envelope.height, batch)
                    return
                raise FormatError(TORN)
            block = self._block(envelope, line, batch, end)
        except FormatError as exc:
            if (rest := after_tear(line)) is not None:
                self._unreadable(TORN, line, batch, offset)
                self._line(rest, batch, offset, end, items)
            else:
                self._unreadable(cause_of(exc), line, batch, offset)
            return
        expected = envelope.height if self.last_height is None else self.last_height + 1
        if envelope.height > expected:
            reason = f"{batch.file} goes on with block {envelope.height} after {expected - 1}"
            items.append(self._gap(expected, envelope.height - 1, reason))
        self.last_height = envelope.height
        self.position = block.position
        self.counters.blocks += 1
        items.append(block)

    def _block(self, envelope: Envelope, line: bytes, batch: Batch, end: int) -> Block:
        height, block_time_ns, node_time_ns, events_at = envelope
        position = Position(height, batch.file, end)
        read_time_ns = batch.read_time_ns
        if self.kind == STATUSES:
            if not line.endswith(b"]}"):
                raise FormatError("the line stops before its end")
            return StatusBlock(height, block_time_ns, node_time_ns, read_time_ns, position, [line])
        make = DiffBlock if self.kind == DIFFS else FillBlock
        begins, ends = _BRACKETS[self.kind]
        if line.startswith(begins, events_at) and line.endswith(ends):
            return make(height, block_time_ns, node_time_ns, read_time_ns, position, None, line=line)
        events = parse_events(self.kind, line)
        return make(height, block_time_ns, node_time_ns, read_time_ns, position, events)


def _may_be_torn(line: bytes) -> bool:
    """Whether a line of statuses ends in another block than it begins with.

    The statuses of a block carry its time, so the last one is compared with the envelope: looking
    through the whole line, half a megabyte, would cost as much as using it.
    """
    last = line.rfind(_STATUS_TIME)
    if last < 0:
        return not line.endswith(_NO_EVENTS) or line.find(_NO_EVENTS) != line.find(EVENTS)
    begin = last + len(_STATUS_TIME)
    head = line[:_HEAD_BYTES]
    block_time = head.find(_BLOCK_TIME) + len(_BLOCK_TIME)
    return line[begin : line.find(b'"', begin)] != head[block_time : head.find(b'"', block_time)]
