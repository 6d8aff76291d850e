"""The daemon with clocks round its stages: ``python -m benchmarks.stages OUTPUT run …``.

The daemon itself has no clocks in its path. Here a few of its methods are wrapped before it starts, so
that a block can be split into what was spent on it until its last subscriber had been written to:

- *seen*: from the lines' local time until they had been read
- *parsed*: reading the line's diffs and sorting them by market
- *applied*: those of followed markets, to their books
- *encoded*: what changed found, spelled, and handed to the subscriptions
- *written*: messages made and given to the sockets

The four are sums over the turns of a block, not spans: with several subscribers their turns alternate.
What is left of a block when everybody has been written to is not counted. A line
of OUTPUT is a block: its height and the five, in ns.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from attrs import define, field

from benchmarks.measure import percentile
from benchmarks.report import Row

STAGES = ("seen", "parsed", "applied", "encoded", "written")
_NS_PER_MS = 1e6


@define(eq=False)
class StageClock:
    """Sums of the block at hand, and what was noted of all blocks."""

    sums: dict[str, int] = field(factory=lambda: dict.fromkeys(STAGES[1:], 0))
    blocks: list[tuple[int, ...]] = field(factory=list)
    _whole: tuple[int, ...] = ()

    def wrap(self, owner: type, name: str, stage: str) -> None:
        """Add what a method takes to a stage."""
        method: Callable[..., Any] = getattr(owner, name)
        sums, now = self.sums, time.perf_counter_ns

        def timed(*arguments: Any, **named: Any) -> Any:
            began = now()
            try:
                return method(*arguments, **named)
            finally:
                sums[stage] += now() - began

        setattr(owner, name, timed)

    def note_turns(self, owner: type, name: str) -> None:
        """After each call the sums are those of the block so far."""
        method: Callable[..., Any] = getattr(owner, name)

        def noted(*arguments: Any) -> Any:
            result = method(*arguments)
            self._whole = tuple(self.sums.values())
            return result

        setattr(owner, name, noted)

    def note_blocks(self, owner: type, name: str) -> None:
        """Each call is a block: note its sums at the end of its last turn, and begin anew."""
        method: Callable[..., Any] = getattr(owner, name)

        def noted(level: Any, block: Any) -> Any:
            self._begin()
            try:
                return method(level, block)
            finally:
                if self._whole:
                    seen = block.read_time_ns - block.node_time_ns
                    self.blocks.append((block.height, seen, *self._whole))
                self.sums.update(dict.fromkeys(self.sums, 0))

        setattr(owner, name, noted)

    def _begin(self) -> None:
        self._whole = ()

    def write(self, path: Path) -> None:
        """Write what was noted."""
        path.write_bytes(b"".join(orjson.dumps(block) + b"\n" for block in self.blocks))


def install() -> StageClock:
    """Put clocks round the daemon's stages."""
    from hyperstream.engine.book_level import BookLevel
    from hyperstream.engine.turns import Turn
    from hyperstream.sources.node.streaming_events import StreamingEventReader
    from hyperstream.wire.diffs import DiffApplier

    clock = StageClock()
    clock.wrap(StreamingEventReader, "feed", "parsed")
    clock.wrap(BookLevel, "_read", "parsed")
    clock.wrap(DiffApplier, "apply", "applied")
    clock.wrap(Turn, "publish", "encoded")
    clock.wrap(Turn, "end", "written")
    clock.note_turns(Turn, "end")
    clock.note_blocks(BookLevel, "apply")
    return clock


def stage_sums(path: Path, heights: set[int]) -> list[Row]:
    """One row per stage of what was noted of these blocks: percentiles in milliseconds."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    blocks = [block for block in map(orjson.loads, lines) if block[0] in heights]
    rows: list[Row] = []
    for index, stage in enumerate(STAGES, start=1):
        ascending = sorted(block[index] / _NS_PER_MS for block in blocks)
        rows.append(
            {"stage": stage, "p50_ms": percentile(ascending, 0.5), "p99_ms": percentile(ascending, 0.99)}
        )
    return rows


def main() -> None:
    """Run the ``hyperstream`` command with the clocks in place, and write what they noted at its end."""
    output = Path(sys.argv[1])
    clock = install()
    from hyperstream.cli import main as hyperstream

    try:
        hyperstream(sys.argv[2:], prog_name="hyperstream")
    finally:
        clock.write(output)


if __name__ == "__main__":
    main()
