"""Writes blocks as node files, in the layouts a node knows, with the faults it is told to have."""

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hyperstream.errors import ConfigurationError
from hyperstream.testing import faults as trouble
from hyperstream.testing import lines
from hyperstream.testing.clock import Clock
from hyperstream.testing.exchange import Events
from hyperstream.testing.faults import Fault
from hyperstream.testing.files import NodeFile

LAYOUTS: dict[str, tuple[str, ...]] = {
    "by_block": ("by_block",),
    "streaming": ("streaming",),
    "both": ("by_block", "streaming"),
    "per_event": ("",),
}
BETWEEN_FILES_NS = 400_000
BETWEEN_LINES_NS = 6_000
REMEMBERED_BLOCKS = 8
NOW = b"<local_time>"  # stands in prepared lines for the moment of writing


class _Output(NamedTuple):
    layout: str
    file: NodeFile


class PreparedBlock(NamedTuple):
    """A block made ahead: its lines wait for their local time."""

    height: int
    block_time_ns: int
    bodies: tuple[bytes, ...]  # one per file, in writing order
    lines: int


class Writer:
    """Owns the files of one node. ``lines_written`` counts events."""

    def __init__(self, data_dir: Path, layout: str, clock: Clock) -> None:
        if layout not in LAYOUTS:
            raise ConfigurationError(f"no layout named {layout!r}; choose from {', '.join(LAYOUTS)}")
        self._clock = clock
        self._outputs = [
            _Output(suffix, NodeFile(data_dir / (f"{stem}_{suffix}" if suffix else stem), stem))
            for suffix in LAYOUTS[layout]
            for stem in lines.STEMS
        ]
        self._recent: deque[list[tuple[NodeFile, bytes]]] = deque(maxlen=REMEMBERED_BLOCKS)
        self.lines_written = 0

    @property
    def bytes_written(self) -> int:
        """All bytes written so far, without those held back."""
        return sum(output.file.bytes_written for output in self._outputs)

    def write(self, height: int, block_time_ns: int, events: Events, faults: Sequence[Fault] = ()) -> None:
        """Write one block: fills, diffs, statuses."""
        block_time = lines.time_text(block_time_ns)
        written = []
        for layout, file in self._outputs:
            self._clock.next_local(BETWEEN_FILES_NS)
            body = self._render(layout, height, block_time, _of_stem(events, file.stem))
            struck = [fault for fault in faults if getattr(fault, "stem", None) in (None, file.stem)]
            if any(isinstance(fault, trouble.MissingBlock) for fault in struck):
                body = b""
            local_ns = self._clock.next_local(0)
            for fault in struck:
                if isinstance(fault, trouble.GarbageLine):
                    file.append(height, local_ns, [fault.line])
            self._append(file, height, local_ns, body, struck)
            written.append((file, body))
        self._recent.append(written)
        self.lines_written += sum(map(len, events[:3]))
        self._afterwards(height, faults)

    def prepare(self, height: int, block_time_ns: int, events: Events) -> PreparedBlock:
        """Render a block for later."""
        block_time = lines.time_text(block_time_ns)
        bodies = tuple(
            _render_at(layout, NOW.decode(), height, block_time, _of_stem(events, file.stem))
            for layout, file in self._outputs
        )
        return PreparedBlock(height, block_time_ns, bodies, sum(map(len, events[:3])))

    def write_prepared(self, block: PreparedBlock, local_ns: int) -> None:
        """Write a prepared block with this local time."""
        now = lines.time_text(local_ns).encode()
        for (layout, file), body in zip(self._outputs, block.bodies, strict=True):
            times = 1 if layout == "by_block" else -1
            file.append(block.height, local_ns, [body.replace(NOW, now, times)])
        self.lines_written += block.lines

    def settle(self) -> None:
        """Write everything that faults still hold back."""
        for output in self._outputs:
            output.file.settle()

    def close(self) -> None:
        """Settle and close the files."""
        self.settle()
        for output in self._outputs:
            output.file.close()

    def _render(self, layout: str, height: int, block_time: str, events: list[str]) -> bytes:
        if layout != "streaming":
            local_time = lines.time_text(self._clock.next_local(BETWEEN_LINES_NS))
            return _render_at(layout, local_time, height, block_time, events)
        local, time_text, envelope = self._clock.next_local, lines.time_text, lines.envelope
        return "".join(
            [envelope(time_text(local(BETWEEN_LINES_NS)), block_time, height, event) for event in events]
        ).encode()

    def _append(
        self, file: NodeFile, height: int, local_ns: int, body: bytes, struck: Iterable[Fault]
    ) -> None:
        pieces, hold = [body], 0
        for fault in struck:
            match fault:
                case trouble.TornLine():
                    step = max(1, -(-len(body) // fault.pieces))
                    pieces = [body[start : start + step] for start in range(0, len(body), step)]
                case trouble.LateLines():
                    hold = max(hold, fault.blocks)
                case trouble.Rollover(straggler=True):
                    file.append_split(height, local_ns, body)
                    return
        file.append(height, local_ns, pieces, hold)

    def _afterwards(self, height: int, faults: Sequence[Fault]) -> None:
        for fault in faults:
            files = [file for _, file in self._outputs if getattr(fault, "stem", None) in (None, file.stem)]
            match fault:
                case trouble.RepeatedHeights():
                    self._repeat(height, fault.blocks)
                case trouble.Truncation():
                    for file in files:
                        file.truncate(fault.keep)
                case trouble.RecreatedFile():
                    for file in files:
                        file.recreate()
                case trouble.VanishedFile():
                    for file in files:
                        file.remove_past()
                case trouble.Rollover():
                    self._clock.roll_over(fault.to)

    def _repeat(self, height: int, blocks: int) -> None:
        for written in list(self._recent)[-blocks:]:
            for file, body in written:
                file.append(height, self._clock.next_local(0), [body])


def _of_stem(events: Events, stem: str) -> list[str]:
    return {lines.FILLS: events.fills, lines.DIFFS: events.diffs, lines.STATUSES: events.statuses}[stem]


def _render_at(layout: str, local_time: str, height: int, block_time: str, events: list[str]) -> bytes:
    if layout == "by_block":
        return lines.envelope(local_time, block_time, height, ",".join(events)).encode()
    if layout == "streaming":
        return "".join([lines.envelope(local_time, block_time, height, event) for event in events]).encode()
    return "".join([event + "\n" for event in events]).encode()
