"""What the node source tells about itself, for the log, the metrics and the status page."""

from attrs import frozen

from hyperstream.sources.node.follow import Follower
from hyperstream.wire.node_blocks import Position


@frozen
class SourceStatistics:
    """One of the three sources; everything since the start.

    ``position`` is that of the last block handed on. ``lines`` leaves out rejections passed over
    unread, ``bytes_read`` does not. ``late_parts`` are parts of blocks that came after the block was
    closed, ``gaps`` the losses announced and ``missing_blocks`` the heights in them.
    """

    kind: str
    position: Position | None
    file: str
    lines: int
    bytes_read: int
    blocks: int
    duplicates: int
    unreadable_lines: int
    late_parts: int
    gaps: int
    missing_blocks: int
    truncations: int
    recreations: int


@frozen
class SnapshotStatistics:
    """``height`` of the last snapshot handed on, how long ago that was, and how the asking goes."""

    height: int | None
    age_seconds: float | None
    attempts: int
    last_error: str


@frozen
class NodeStatistics:
    """The node source as a whole; ``state`` is a sentence for people."""

    layout: str
    state: str
    sources: tuple[SourceStatistics, ...]
    snapshot: SnapshotStatistics
    repairs: int


def statistics_of(follower: Follower) -> SourceStatistics:
    """Return the statistics of one source being followed."""
    counters, tail = follower.reader.counters, follower.tail
    return SourceStatistics(
        kind=follower.reader.kind,
        position=follower.reader.position,
        file=tail.file,
        lines=counters.lines,
        bytes_read=tail.bytes_read,
        blocks=counters.blocks,
        duplicates=counters.duplicates,
        unreadable_lines=counters.unreadable,
        late_parts=counters.late_parts,
        gaps=counters.gaps,
        missing_blocks=counters.missing,
        truncations=tail.truncations,
        recreations=tail.recreations,
    )
