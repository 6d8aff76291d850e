"""Diffs and fills of the streaming layout: parsed, and exact repetitions within a height dropped.

A node that restarts inside a block writes that block's events again under a new local time. An
event is a repetition if its bytes were seen in the same height: an order never makes the same
change twice (sizes only fall, order ids are not used again), nor does a fill.
"""

from itertools import repeat
from typing import Any

from hyperstream.errors import FormatError
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.complaints import Tell
from hyperstream.sources.node.reader import DIFFS, Block, parse_events
from hyperstream.sources.node.streaming import HEAD_AT, StreamingReader
from hyperstream.wire.diff_lines import parse_diff_texts
from hyperstream.wire.fills import parse_fill_texts
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, Position
from hyperstream.wire.node_lines import Envelope

_TAIL = b"]}"


class StreamingEventReader(StreamingReader):
    """Diffs or fills of the streaming layout."""

    def __init__(self, kind: str, tell: Tell) -> None:
        super().__init__(kind, tell)
        self._events: list[Any] = []
        self._seen: set[bytes] = set()
        self._parse_texts = parse_diff_texts if kind == DIFFS else parse_fill_texts

    def _begin(self, is_new_height: bool) -> None:
        self._events = []
        if is_new_height:
            self._seen = set()

    def _has_events(self) -> bool:
        return bool(self._events)

    def _take_run(self, lines: list[bytes]) -> bool:
        # What follows the head is ``event]}``; the events of a run are one JSON text, which is parsed in
        # half the time that line by line takes.
        if not all(map(bytes.endswith, lines, repeat(_TAIL))):
            return False
        begin, end = HEAD_AT + len(self._head), -len(_TAIL)
        texts = [line[begin:end] for line in lines]
        new = set(texts)
        if len(new) < len(texts) or not new.isdisjoint(self._seen):
            return False
        try:
            events = self._parse_texts(b"[%b]" % b",".join(texts))
        except FormatError:
            return False
        if len(events) != len(texts):  # a line of more events than one, or of none
            return False
        if self._seen:
            self._seen |= new
        else:
            self._seen = new
        self._events += events
        return True

    def _parse(self, line: bytes, envelope: Envelope) -> tuple[bytes, list[Any]]:
        return line[envelope.events_at : -len(_TAIL)], parse_events(self.kind, line)

    def _take(self, parsed: tuple[bytes, list[Any]], batch: Batch) -> None:
        tail, events = parsed
        if tail not in self._seen:
            self._seen.add(tail)
            self._events += events
            return
        self.counters.duplicates += 1
        self.complaints.about(
            "repeated event",
            "the node wrote events of a block again; they were dropped",
            source=self.kind, height=self.last_height, file=batch.file,
        )  # fmt: skip

    def _block(self, envelope: Envelope, position: Position) -> Block:
        make = DiffBlock if self.kind == DIFFS else FillBlock
        height, block_time_ns, node_time_ns, _ = envelope
        return make(height, block_time_ns, node_time_ns, self._read_time_ns, position, self._events)
