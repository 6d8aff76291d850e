"""Plays recorded node files into a directory as the node wrote them: block by block, in its pace.

    recording = Recording.find(Path("recordings/monday"))
    await Player(recording, tmp_path, speed=10).run()

A recording is a copy of a node's data directory, its hourly files plain or gzipped, with or without
an L4 snapshot beside it. Whoever tails the directory played into cannot tell it from a node's.
"""

import gzip
import shutil
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Literal

import trio
from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError, FormatError
from hyperstream.wire.node_lines import NS, Envelope, parse_envelope

Source = Literal["fills", "diffs", "statuses"]

# In the order in which a node writes them within a block.
STEMS: Final[Mapping[Source, str]] = {
    "fills": "node_fills",
    "diffs": "node_raw_book_diffs",
    "statuses": "node_order_statuses",
}
LAYOUTS: Final = ("by_block", "streaming")
# A byte string that stands in every event of a source exactly once.
_EVENT_MARKS: Final[Mapping[Source, bytes]] = {
    "fills": b'"tid":',
    "diffs": b'"raw_book_diff":',
    "statuses": b'"status":',
}


@frozen
class RecordedFile:
    """One hourly file; ``name`` is its path in a data directory, without ``.gz``."""

    path: Path
    name: Path

    @property
    def is_zipped(self) -> bool:
        """Whether it is gzipped."""
        return self.path.suffix == ".gz"

    @property
    def size_bytes(self) -> int:
        """Its size on disk, compressed where it is."""
        return self.path.stat().st_size


@frozen
class Piece:
    """Neighbouring lines of one block in one file, as recorded."""

    source: Source
    name: Path
    height: int
    block_time_ns: int
    body: bytes

    @property
    def events(self) -> int:
        """How many events the lines hold."""
        return self.body.count(_EVENT_MARKS[self.source])


@frozen
class RecordedBlock:
    """Everything recorded of one block, in the order in which it is written."""

    height: int
    block_time_ns: int
    pieces: tuple[Piece, ...]

    @property
    def events(self) -> int:
        """How many events the block holds in all its files."""
        return sum(piece.events for piece in self.pieces)


@frozen
class Recording:
    """Where the files of a recording are. ``other_layouts`` names what is there besides ``layout``."""

    layout: str
    files: Mapping[Source, tuple[RecordedFile, ...]]
    snapshot: Path | None = None
    other_layouts: tuple[str, ...] = ()

    @classmethod
    def find(cls, directory: Path, *, layout: str | None = None, snapshot: Path | None = None) -> "Recording":
        """Look in ``directory``, and in its folders ``by_block`` and ``streaming``.

        The snapshot is ``snapshot*.json``, else any ``*.json``, gzipped or not, there or one folder up.
        Raises ConfigurationError if there is no recording, or nothing of the layout asked for.
        """
        if not directory.is_dir():
            raise ConfigurationError(f"{directory}: there is no such directory")
        found = {name: files for name in LAYOUTS if (files := _find_files(directory, name)).get("diffs")}
        wanted = layout or next(iter(found), None)
        if wanted not in found:
            raise ConfigurationError(
                f"{directory}: no recorded book diffs; expected {STEMS['diffs']}_{layout or LAYOUTS[0]}"
                f"/hourly/YYYYMMDD/H[.gz] there or in the folder {layout or LAYOUTS[0]}"
            )
        if snapshot is not None and not snapshot.is_file():
            raise ConfigurationError(f"{snapshot}: there is no such snapshot file")
        others = tuple(name for name in found if name != wanted)
        return cls(wanted, found[wanted], snapshot or _find_snapshot(directory), others)

    @property
    def size_bytes(self) -> int:
        """All files together, as they lie on disk."""
        return sum(file.size_bytes for files in self.files.values() for file in files)

    def unpack_snapshot(self, path: Path) -> bool:
        """Write the snapshot to ``path``, unzipped; False if the recording has none."""
        if self.snapshot is None:
            return False
        opened = gzip.open if self.snapshot.suffix == ".gz" else open
        try:
            with opened(self.snapshot, "rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise FormatError(f"{self.snapshot}: cannot be unzipped: {exc}") from exc
        return True


@define(eq=False)
class Player:
    """Appends a recording to ``data_dir``. ``speed`` 1 is the recording's pace, 0 as fast as it goes.

    ``on_block`` hears of every block after it was written. ``bytes_read`` of the recording's
    ``size_bytes`` says how far it is.
    """

    recording: Recording
    data_dir: Path
    speed: float = 1.0
    on_block: Callable[[RecordedBlock], None] = field(default=lambda _: None)
    blocks: int = field(default=0, init=False)
    events: int = field(default=0, init=False)
    height: int = field(default=0, init=False)
    unreadable_lines: int = field(default=0, init=False)
    _readers: list["_Reader"] = field(factory=list, init=False)

    def prepare(self) -> None:
        """Make the directories a node has, so that whoever tails them finds them before the first line."""
        for source in self.recording.files:
            (self._root(source) / "hourly").mkdir(parents=True, exist_ok=True)

    async def run(self) -> None:
        """Play to the end. Raises FormatError where a file of the recording cannot be read."""
        self.prepare()
        with ExitStack() as stack:
            self._readers = [_Reader(source, files) for source, files in self.recording.files.items()]
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
                self.blocks += 1
                self.events += block.events
                self.height = max(self.height, block.height)
                self.on_block(block)

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

    def _advance(self, reader: "_Reader", heads: dict[Source, Piece]) -> None:
        piece = reader.next_piece()
        self.unreadable_lines = sum(reader.unreadable_lines for reader in self._readers)
        if piece is None:
            heads.pop(reader.source, None)
        else:
            heads[reader.source] = piece


class _Reader:
    """Reads the files of one source, oldest first, and groups neighbouring lines of one height."""

    def __init__(self, source: Source, files: tuple[RecordedFile, ...]) -> None:
        self.source = source
        self.unreadable_lines = 0
        self._done_bytes = 0
        self._raw: BinaryIO | None = None
        self._pieces = self._read(files)

    @property
    def bytes_read(self) -> int:
        """Bytes of files read so far, compressed where they are."""
        return self._done_bytes + (self._raw.tell() if self._raw is not None else 0)

    def next_piece(self) -> Piece | None:
        return next(self._pieces, None)

    def close(self) -> None:
        self._pieces.close()

    def _read(self, files: tuple[RecordedFile, ...]) -> Generator[Piece, None, None]:
        for file in files:
            with file.path.open("rb") as raw:
                self._raw = raw
                try:
                    yield from self._group(file, gzip.GzipFile(fileobj=raw) if file.is_zipped else raw)
                except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
                    raise FormatError(f"{file.path}: cannot be unzipped to its end: {exc}") from exc
                finally:
                    self._done_bytes += raw.tell()
                    self._raw = None

    def _group(self, file: RecordedFile, lines: Iterable[bytes]) -> Iterator[Piece]:
        """Yield the lines height by height; what cannot be read stays with the lines before it."""
        collected: list[bytes] = []
        current: Envelope | None = None
        for line in lines:
            try:
                envelope = parse_envelope(line)
            except FormatError:
                self.unreadable_lines += 1
            else:
                if current is not None and envelope.height != current.height:
                    yield self._piece(file, current, collected)
                    collected = []
                current = envelope
            collected.append(line)
        if current is not None:
            yield self._piece(file, current, collected)

    def _piece(self, file: RecordedFile, envelope: Envelope, lines: list[bytes]) -> Piece:
        return Piece(self.source, file.name, envelope.height, envelope.block_time_ns, b"".join(lines))


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


def _find_files(directory: Path, layout: str) -> dict[Source, tuple[RecordedFile, ...]]:
    found: dict[Source, tuple[RecordedFile, ...]] = {}
    for source, stem in STEMS.items():
        for root in (directory / f"{stem}_{layout}", directory / layout / f"{stem}_{layout}"):
            files = [(key, path) for path in root.glob("hourly/*/*") if (key := _hour(path)) is not None]
            if files and source not in found:
                found[source] = tuple(
                    RecordedFile(path, Path("hourly", path.parent.name, str(hour)))
                    for (_, hour), path in sorted(files)
                )
    return found


def _hour(path: Path) -> tuple[int, int] | None:
    """Return date and hour of ``…/20260505/17[.gz]`` as numbers, None for any other file."""
    name = path.name.removesuffix(".gz")
    if name.isdecimal() and path.parent.name.isdecimal() and path.is_file():
        return int(path.parent.name), int(name)
    return None


def _find_snapshot(directory: Path) -> Path | None:
    for place in (directory, directory.absolute().parent):
        for pattern in ("snapshot*.json", "snapshot*.json.gz", "*.json", "*.json.gz"):
            if found := sorted(path for path in place.glob(pattern) if path.is_file()):
                return found[0]
    return None
