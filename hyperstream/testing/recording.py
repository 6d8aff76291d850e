"""Recorded node files: a copy of a node's data directory, plain or gzipped, read block by block."""

import gzip
import shutil
import zlib
from collections.abc import Generator, Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, Final, Literal

import orjson
from attrs import frozen

from hyperstream.errors import ConfigurationError, FormatError
from hyperstream.wire.node_lines import Envelope, parse_envelope, respelled

Source = Literal["fills", "diffs", "statuses"]

# In the order in which a node writes them within a block.
STEMS: Final[Mapping[Source, str]] = {
    "fills": "node_fills",
    "diffs": "node_raw_book_diffs",
    "statuses": "node_order_statuses",
}
LAYOUTS: Final = ("by_block", "streaming")
LONGEST_LINE_BYTES: Final = 64 * 1024 * 1024  # no node wrote longer ones, and no daemon takes them
_DEEPEST_HINT: Final = 4
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

    place: Path
    layout: str
    files: Mapping[Source, tuple[RecordedFile, ...]]
    snapshot: Path | None = None
    other_layouts: tuple[str, ...] = ()

    @classmethod
    def find(cls, directory: Path, *, layout: str | None = None, snapshot: Path | None = None) -> "Recording":
        """Look in ``directory``, and in its folders ``by_block`` and ``streaming``.

        The snapshot is ``snapshot*.json``, else any ``*.json`` that holds a list, gzipped or not, there or
        one folder up.
        Raises ConfigurationError if there is no recording, or nothing of the layout asked for.
        """
        if not directory.is_dir():
            raise ConfigurationError(f"{directory}: there is no such directory")
        found = {name: files for name in LAYOUTS if (files := _find_files(directory, name)).get("diffs")}
        wanted = layout or next(iter(found), None)
        if wanted not in found:
            raise ConfigurationError(
                f"{directory}: no recorded book diffs; expected {STEMS['diffs']}_{layout or LAYOUTS[0]}"
                f"/hourly/YYYYMMDD/H[.gz] there or in the folder {layout or LAYOUTS[0]}{_hint(directory)}"
            )
        if snapshot is not None and not snapshot.is_file():
            raise ConfigurationError(f"{snapshot}: there is no such snapshot file")
        others = tuple(name for name in found if name != wanted)
        return cls(directory, wanted, found[wanted], snapshot or _find_snapshot(directory), others)

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


class RecordingReader:
    """Reads the files of one source, oldest first, and groups neighbouring lines of one height.

    ``problem`` says what was wrong with the first of the ``unreadable_lines``, and in which file.
    """

    def __init__(self, source: Source, files: tuple[RecordedFile, ...]) -> None:
        self.source = source
        self.unreadable_lines = 0
        self.problem = ""
        self._done_bytes = 0
        self._raw: BinaryIO | None = None
        self._pieces = self._read(files)

    @property
    def bytes_read(self) -> int:
        """Bytes of files read so far, compressed where they are."""
        return self._done_bytes + (self._raw.tell() if self._raw is not None else 0)

    def next_piece(self) -> Piece | None:
        """Return the lines of the next height, None at the end; raises FormatError for a broken archive."""
        return next(self._pieces, None)

    def close(self) -> None:
        """Close the file being read."""
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

    def _group(self, file: RecordedFile, source: BufferedIOBase) -> Iterator[Piece]:
        """Yield the lines height by height; what cannot be read stays with the lines before it."""
        collected: list[bytes] = []
        current: Envelope | None = None
        for recorded in self._lines(file, source):
            line = recorded
            try:
                line, envelope = _read_line(recorded)
            except FormatError as exc:
                self._unreadable(file, str(exc))
            else:
                if current is not None and envelope.height != current.height:
                    yield self._piece(file, current, collected)
                    collected = []
                current = envelope
            collected.append(line)
        if current is not None:
            yield self._piece(file, current, collected)

    def _lines(self, file: RecordedFile, source: BufferedIOBase) -> Iterator[bytes]:
        """Yield the lines but those that are too long: such a one would have to be held in memory."""
        while line := source.readline(LONGEST_LINE_BYTES):
            if len(line) < LONGEST_LINE_BYTES or line.endswith(b"\n"):
                yield line
                continue
            self._unreadable(file, f"a line is longer than {LONGEST_LINE_BYTES >> 20} MiB; it is left out")
            while line and not line.endswith(b"\n"):
                line = source.readline(LONGEST_LINE_BYTES)

    def _unreadable(self, file: RecordedFile, problem: str) -> None:
        self.unreadable_lines += 1
        self.problem = self.problem or f"{file.path}: {problem}"

    def _piece(self, file: RecordedFile, envelope: Envelope, lines: list[bytes]) -> Piece:
        return Piece(self.source, file.name, envelope.height, envelope.block_time_ns, b"".join(lines))


def _read_line(line: bytes) -> tuple[bytes, Envelope]:
    """Return a line as a node ends and spells it, and its envelope; raises FormatError."""
    if not line.endswith(b"\n"):
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise FormatError("its last line is torn: it was copied while the node wrote") from exc
        line += b"\n"
    try:
        return line, parse_envelope(line)
    except FormatError as exc:
        try:
            line = respelled(line)
        except FormatError:
            raise exc from None
        return line, parse_envelope(line)


def _find_files(directory: Path, layout: str) -> dict[Source, tuple[RecordedFile, ...]]:
    found: dict[Source, tuple[RecordedFile, ...]] = {}
    for source, stem in STEMS.items():
        for root in (directory / f"{stem}_{layout}", directory / layout / f"{stem}_{layout}"):
            # Sorted so that a plain file, coming last, replaces its own archive.
            paths = sorted(root.glob("hourly/*/*"), key=lambda path: path.suffix != ".gz")
            files = {key: path for path in paths if (key := _hour(path)) is not None}
            if files and source not in found:
                found[source] = tuple(
                    RecordedFile(path, Path("hourly", path.parent.name, str(hour)))
                    for (_, hour), path in sorted(files.items())
                )
    return found


def _hint(directory: Path) -> str:
    """Say what is there instead of recorded diffs, as the end of a sentence; empty if nothing like it is."""
    stem = STEMS["diffs"]
    try:
        for depth in range(1, _DEEPEST_HINT):
            for path in sorted(directory.glob("*/" * depth + f"{stem}_*")):
                place = path.parent.parent if path.parent.name in LAYOUTS else path.parent
                if place != directory:
                    return f"; there are some in {place}"
        if (directory / stem).is_dir():
            return f"; the single events of {stem} do not say which block they belong to and cannot be played"
        for path in sorted(directory.glob(f"{stem}_*/hourly/*/*.*")):
            return f"; {path.name} is neither plain nor .gz: unpack such files first"
    except OSError:  # a folder that may not be read, or is gone meanwhile
        return ""
    return ""


def _hour(path: Path) -> tuple[int, int] | None:
    """Return date and hour of ``…/20260505/17[.gz]`` as numbers, None for any other file."""
    name = path.name.removesuffix(".gz")
    if name.isdecimal() and path.parent.name.isdecimal() and path.is_file():
        return int(path.parent.name), int(name)
    return None


def _find_snapshot(directory: Path) -> Path | None:
    for place in (directory, directory.absolute().parent):
        for pattern in ("snapshot*.json", "snapshot*.json.gz", "*.json", "*.json.gz"):
            for path in sorted(path for path in place.glob(pattern) if path.is_file()):
                if path.name.startswith("snapshot") or _begins_like_a_snapshot(path):
                    return path
    return None


def _begins_like_a_snapshot(path: Path) -> bool:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as source:
            return source.read(64).lstrip()[:1] == b"["
    except (OSError, EOFError, zlib.error):
        return False
