"""Diffs and fills of the streaming layout: parsed, and exact repetitions within a height dropped.

A node that restarts inside a block writes that block's events again under a new local time. An
event is a repetition if its bytes were seen in the same height: an order never makes the same
change twice (sizes only fall, order ids are not used again), nor does a fill.
"""

from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.complaints import Tell
from hyperstream.sources.node.reader import DIFFS, Block, check_events, load_events
from hyperstream.sources.node.streaming import HEAD_AT, StreamingReader
from hyperstream.wire.node_blocks import DiffBlock, FillBlock, Position
from hyperstream.wire.node_lines import Envelope


class StreamingEventReader(StreamingReader):
    """Diffs or fills of the streaming layout."""

    def __init__(self, kind: str, tell: Tell) -> None:
        super().__init__(kind, tell)
        self._events: list[Any] = []
        self._seen: set[bytes] = set()

    def _begin(self, is_new_height: bool) -> None:
        self._events = []
        if is_new_height:
            self._seen = set()

    def _has_events(self) -> bool:
        return bool(self._events)

    def _take_run(self, lines: list[bytes]) -> bool:
        # What follows the head is ``[event]}``; given a key each, the tails of a run are one JSON
        # text, which is parsed in two thirds of the time that line by line takes.
        at = HEAD_AT + len(self._head) - 1
        tails = [line[at:] for line in lines]
        if not self._seen.isdisjoint(tails) or (len(tails) > 1 and len(set(tails)) < len(tails)):
            return False
        try:
            parsed = orjson.loads(b'[{"":' + b',{"":'.join(tails) + b"]")
            if len(parsed) != len(tails) or set(map(len, parsed)) != {1}:
                return False
            events = [event for tail in parsed for event in tail[""]]
            check_events(self.kind, events)
        except (orjson.JSONDecodeError, FormatError, TypeError, KeyError):
            return False
        self._seen.update(tails)
        self._events += events
        return True

    def _parse(self, line: bytes, envelope: Envelope) -> tuple[bytes, list[Any]]:
        return line[envelope.events_at - 1 :], load_events(self.kind, line)

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
