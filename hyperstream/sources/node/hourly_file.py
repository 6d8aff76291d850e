"""One hourly file that is being read: complete lines from its descriptor, without a thread.

The files are local and mostly in the page cache, so reads are made directly: a read of a
megabyte takes a fraction of a millisecond, a hop to a thread and back costs as much.
"""

import os
import time
from pathlib import Path

from attrs import define, field

from hyperstream.errors import LayoutError
from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.hours import Hour

READ_BYTES = 1024 * 1024
LONGEST_LINE_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 512
_READ_AGAIN_BYTES = 64 * 1024


@define(eq=False)
class HourlyFile:
    """An open file of ``hour`` and how far it was read; ``offset`` is the start of the next line."""

    hour: Hour
    descriptor: int
    identity: tuple[int, int]
    offset: int = 0
    overlong: int = 0
    truncations: int = 0
    bytes_read: int = 0
    longest_line_bytes: int = LONGEST_LINE_BYTES
    _begun: list[bytes] = field(factory=list, init=False)
    _begun_bytes: int = field(default=0, init=False)
    _is_skipping: bool = field(default=False, init=False)

    @classmethod
    def open(cls, directory: Path, hour: Hour, offset: int = 0) -> "HourlyFile | None":
        """Open an hour of a directory for reading from ``offset``; None if it is gone.

        Raises LayoutError where that is not allowed.
        """
        try:
            descriptor = os.open(directory / hour.file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except PermissionError as exc:
            raise LayoutError(
                f"{directory / hour.file} may not be read; give the user of hyperstream access to it"
            ) from exc
        return cls(hour, descriptor, _identity(os.fstat(descriptor)), offset)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    @property
    def torn_bytes(self) -> int:
        """How many bytes of a line without end have been read."""
        return self._begun_bytes

    def is_truncated(self) -> bool:
        """Whether the file has become shorter than what was read of it."""
        return os.fstat(self.descriptor).st_size < self.offset + self._begun_bytes

    def start_again(self) -> None:
        """Read from the start after a truncation: heights tell what is new."""
        self.truncations += 1
        self.offset = 0
        self._forget()

    def is_replaced(self, directory: Path) -> bool:
        """Whether another file stands under this name now."""
        try:
            return _identity(os.stat(directory / self.hour.file)) != self.identity
        except FileNotFoundError:
            return False

    def has_data(self) -> bool:
        """Whether there is anything to read in a file not read yet."""
        return os.fstat(self.descriptor).st_size > self.offset

    def peek(self) -> bytes:
        """Return the next bytes without taking them, enough for the head of a line."""
        return os.pread(self.descriptor, _HEAD_BYTES, self.offset)

    def read(self, is_late: bool = False) -> Batch | None:
        """Return the next complete lines, at most about a megabyte; None at the end of the file.

        A batch of ``size`` 0 says that only a part of a line came. A line longer than
        ``longest_line_bytes`` is dropped up to its newline and counted in ``overlong``.
        """
        begin = self.offset + self._begun_bytes
        # All there is at once: a line read in two pieces would have to be put together.
        available = os.fstat(self.descriptor).st_size - begin
        data = os.pread(self.descriptor, min(available, READ_BYTES), begin) if available > 0 else b""
        if not data:
            return None
        read_time_ns = time.time_ns()
        self.bytes_read += len(data)
        if self._is_skipping:
            end = data.find(b"\n") + 1
            self.offset += end or len(data)
            self._is_skipping = not end
            return Batch(self.hour.file, self.offset, b"", 0, read_time_ns, is_late)
        size = data.rfind(b"\n") + 1
        if not size:
            self._begun.append(data)
            self._begun_bytes += len(data)
            if self._begun_bytes > self.longest_line_bytes:
                self._skip(self._begun_bytes)
            return Batch(self.hour.file, self.offset, b"", 0, read_time_ns, is_late)
        begin = self.offset
        rest = len(data) - size
        if self._begun:
            data = b"".join((*self._begun, data))
            size = len(data) - rest
            self._forget()
            first = data.find(b"\n") + 1
            if first > self.longest_line_bytes:
                self._skip(first)
                self._is_skipping = False
                return Batch(self.hour.file, self.offset, b"", 0, read_time_ns, is_late)
        self.offset = begin + size
        # A short rest is read again with its end, which saves putting the two together. A long one
        # is kept, or a line of megabytes written in small steps would be read a hundred times.
        if rest > _READ_AGAIN_BYTES:
            self._begun = [data[size:]]
            self._begun_bytes = rest
        return Batch(self.hour.file, begin, data, size, read_time_ns, is_late)

    def _skip(self, length: int) -> None:
        self.overlong += 1
        self.offset += length
        self._is_skipping = True
        self._forget()

    def _forget(self) -> None:
        self._begun = []
        self._begun_bytes = 0


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
