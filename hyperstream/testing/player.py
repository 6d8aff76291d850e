"""Plays recorded node files into a directory as the node wrote them: block by block, in its pace.

    recording = Recording.find(Path("recordings/monday"))
    await Player(recording, tmp_path, speed=10).run()

A recording is a copy of a node's data directory, its hourly files plain or gzipped, with or without
an L4 snapshot beside it. Whoever tails the directory played into cannot tell it from a node's.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import trio
from attrs import define, field

from hyperstream.testing.recording import STEMS, Piece, RecordedBlock, Recording, RecordingReader, Source
from hyperstream.wire.node_lines import NS


@define(eq=False)
class Player:
    """Appends a recording to ``data_dir``. ``speed`` 1 is the recording's pace, 0 as fast as it goes.

    ``on_block`` hears of every block after it was written. ``heights`` holds the greatest height
    played of each source, ``first_heights`` the first. ``bytes_read`` of the recording's ``size_bytes`` says
    how far it is, ``problem`` what was wrong with the first of the ``unreadable_lines``.
    """

    recording: Recording
    data_dir: Path
    speed: float = 1.0
    on_block: Callable[[RecordedBlock], None] = field(default=lambda _: None)
    blocks: int = field(default=0, init=False)
    events: int = field(default=0, init=False)
    heights: dict[Source, int] = field(factory=dict, init=False)
    first_heights: dict[Source, int] = field(factory=dict, init=False)
    unreadable_lines: int = field(default=0, init=False)
    problem: str = field(default="", init=False)
    _readers: list[RecordingReader] = field(factory=list, init=False)

    def prepare(self) -> None:
        """Make the directories a node has, so that whoever tails them finds them before the first line."""
        for source in self.recording.files:
            (self._root(source) / "hourly").mkdir(parents=True, exist_ok=True)

    async def run(self) -> None:
        """Play to the end. Raises FormatError where a file of the recording cannot be read."""
        await trio.lowlevel.checkpoint()
        self.prepare()
        with ExitStack() as stack:
            self._readers = [RecordingReader(source, files) for source, files in self.recording.files.items()]
            for reader in self._readers:
                stack.callback(reader.close)
            outputs = {source: _Output(self._root(source)) for source in self.recording.files}
            for output in outputs.values():
                stack.callback(output.close)
            began_at, first_time_ns = trio.current_time(), None
            for block in self._read_blocks():
                first_time_ns = block.block_time_ns if first_time_ns is None else first_time_ns
                if self.speed > 0:
                    elapsed_seconds = (block.block_time_ns - first_time_ns) / NS / self.speed
                    await trio.sleep_until(began_at + elapsed_seconds)
                else:
                    await trio.lowlevel.checkpoint()
                for piece in block.pieces:
                    outputs[piece.source].append(piece)
                    self.first_heights.setdefault(piece.source, piece.height)
                    self.heights[piece.source] = max(piece.height, self.heights.get(piece.source, 0))
                self.blocks += 1
                self.events += block.events
                self.on_block(block)

    @property
    def height(self) -> int:
        """The greatest height played; 0 before the first block."""
        return max(self.heights.values(), default=0)

    @property
    def bytes_read(self) -> int:
        """How much of the recording was read, counted as it lies on disk."""
        return sum(reader.bytes_read for reader in self._readers)

    def _root(self, source: Source) -> Path:
        return self.data_dir / f"{STEMS[source]}_{self.recording.layout}"

    def _read_blocks(self) -> Iterator[RecordedBlock]:
        """Merge the sources by height. A height that comes again, as after a restart, is played again."""
        heads: dict[Source, Piece] = {}
        for reader in self._readers:
            self._advance(reader, heads)
        while heads:
            height = min(piece.height for piece in heads.values())
            pieces = []
            for reader in self._readers:
                while (head := heads.get(reader.source)) is not None and head.height == height:
                    pieces.append(head)
                    self._advance(reader, heads)
            yield RecordedBlock(height, max(piece.block_time_ns for piece in pieces), tuple(pieces))

    def _advance(self, reader: RecordingReader, heads: dict[Source, Piece]) -> None:
        piece = reader.next_piece()
        self.unreadable_lines = sum(reader.unreadable_lines for reader in self._readers)
        self.problem = self.problem or reader.problem
        if piece is None:
            heads.pop(reader.source, None)
        else:
            heads[reader.source] = piece


class _Output:
    """Appends to the hourly files of one source; what is appended is in the file when ``append`` returns."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name: Path | None = None
        self._file: BinaryIO | None = None

    def append(self, piece: Piece) -> None:
        if piece.name != self._name or self._file is None:
            self.close()
            path = self._root / piece.name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._name, self._file = piece.name, path.open("ab")
        self._file.write(piece.body)
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
