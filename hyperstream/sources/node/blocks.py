"""Lines in, blocks out: which reader belongs to a source and a layout."""

from hyperstream.sources.node.by_block import ByBlockReader
from hyperstream.sources.node.complaints import Tell
from hyperstream.sources.node.reader import STATUSES, Reader
from hyperstream.sources.node.streaming_events import StreamingEventReader
from hyperstream.sources.node.streaming_statuses import StreamingStatusReader

BY_BLOCK, STREAMING = "by_block", "streaming"
LAYOUTS = (BY_BLOCK, STREAMING)


def make_reader(kind: str, layout: str, tell: Tell) -> Reader:
    """Return the reader for one of ``KINDS`` in one of ``LAYOUTS``; troubles are told once per cause."""
    if layout == BY_BLOCK:
        return ByBlockReader(kind, tell)
    if kind == STATUSES:
        return StreamingStatusReader(tell)
    return StreamingEventReader(kind, tell)
