"""Notices when the node stops writing: all its files, or the diffs alone.

A node whose statuses go on while its diffs do not (seen after midnight in the streaming layout) leaves books
that look whole and are old. That is announced as a gap: markets are doubtful until diffs come again.
"""

from collections.abc import Mapping

import structlog
from attrs import define, field

from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.reader import DIFFS
from hyperstream.wire.node_blocks import HeightGap

log = structlog.get_logger("hyperstream.sources.node")

STALL_SECONDS = 10.0
STALL_BLOCKS = 100
LOOK_SECONDS = 1.0

_NOTHING, _NO_DIFFS = "nothing", "no diffs"


@define(eq=False)
class StallWatch:
    """``look`` is told now and then how far each source is (its last height, None before the first)."""

    complaints: Complaints = field(factory=lambda: Complaints(log.warning))
    _heights: dict[str, int] = field(factory=dict)
    _moved_at: dict[str, float] = field(factory=dict)
    _others_at_stop: int = 0
    _is_announced: bool = False

    def look(self, now: float, heights: Mapping[str, int | None]) -> HeightGap | None:
        """Return the gap to hand on when diffs have stopped; ``now`` is in seconds."""
        for kind, last in sorted(heights.items(), key=lambda item: item[0] == DIFFS):
            height = -1 if last is None else last
            if height != self._heights.get(kind):
                self._heights[kind], self._moved_at[kind] = height, now
                if kind == DIFFS:
                    self._diffs_moved()
        if now - max(self._moved_at.values(), default=now) < STALL_SECONDS:
            self.complaints.settled(_NOTHING)
        else:
            self.complaints.about(
                _NOTHING, "the node has written no block for a while; does it run, and is it in sync?",
                seconds=STALL_SECONDS, heights=dict(heights),
            )  # fmt: skip
        return self._look_at_diffs(now)

    def _diffs_moved(self) -> None:
        self._is_announced = False
        self._others_at_stop = self._newest_other()
        self.complaints.settled(_NO_DIFFS)

    def _newest_other(self) -> int:
        return max((height for kind, height in self._heights.items() if kind != DIFFS), default=-1)

    def _look_at_diffs(self, now: float) -> HeightGap | None:
        stands_at, newest = self._heights.get(DIFFS, -1), self._newest_other()
        has_stopped = now - self._moved_at.get(DIFFS, now) >= STALL_SECONDS
        went_on = newest - max(stands_at, self._others_at_stop) > STALL_BLOCKS
        if stands_at < 0 or self._is_announced or not (has_stopped and went_on):
            return None
        self._is_announced = True
        self.complaints.about(
            _NO_DIFFS, "the node writes no diffs any more, but other sources; books are old until it does",
            height=stands_at, others_at=newest,
        )  # fmt: skip
        return HeightGap(DIFFS, stands_at + 1, newest, f"no diffs for {STALL_SECONDS:g} s")
