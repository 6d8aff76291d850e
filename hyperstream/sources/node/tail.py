"""Complete lines of one directory of hourly files, in the order they were written, for ever.

The rules of moving from one file to the next:

1. Files are taken by (date, hour). The successor is the next greater one that exists; which hour
   the clock says does not matter.
2. A file is left when its successor holds data and, looked at once more after that, it has no more
   itself: the node writes an hour's last bytes before the next hour's first. So late bytes come first.
   Where ``patience`` finds that the successor's beginning does not follow yet, this takes that long.
3. It is watched for ``LATE_SECONDS`` more. Lines that appear are handed on marked ``is_late``; the
   reader decides by their heights.
4. A torn last line that never ends is counted and told when the file is given up.
5. A file of the same name but another inode is read from its start, and so is a file that has
   become shorter than what was read of it. Heights tell the reader what is new.
6. A file that vanishes is read to its end, which its descriptor allows; then its successor follows.
"""

import math
from collections.abc import Callable
from pathlib import Path

import structlog
import trio
from attrs import define, field

from hyperstream.sources.node.batch import Batch
from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.hourly_file import LONGEST_LINE_BYTES, HourlyFile
from hyperstream.sources.node.hours import Hour, list_dates, list_hours, newest_hour
from hyperstream.sources.node.watch import Watch

log = structlog.get_logger("hyperstream.sources.node")

LATE_SECONDS = 5.0


def _no_patience(_: bytes) -> float:
    return 0.0


def _tell_nobody(_problem: str, _file: str, _offset: int) -> None:
    """Nobody has asked to hear of it."""


@define(eq=False)
class Tail:
    """Tails ``directory``. Use it as a context manager; call ``take`` until it has nothing, then ``wait``.

    It begins at byte ``start_offset`` of ``start``, or of the first file after it; without
    ``start`` at the beginning of the newest file, or of the oldest where ``is_from_oldest`` says that
    there was none when it was decided where to begin. Nothing is read ahead: whoever does not call
    ``take`` leaves the lines in the files. ``patience`` is given the first bytes of a successor and
    returns for how many seconds the file before it may still get lines that belong in front of them.
    ``lost`` hears of every line that was lost here: why, of which file, at which offset.
    """

    directory: Path
    start: Hour | None = None
    start_offset: int = 0
    longest_line_bytes: int = LONGEST_LINE_BYTES
    patience: Callable[[bytes], float] = _no_patience
    lost: Callable[[str, str, int], None] = _tell_nobody
    is_from_oldest: bool = False
    watch: Watch = field(factory=Watch, init=False)
    complaints: Complaints = field(init=False)
    _current: HourlyFile | None = field(default=None, init=False)
    _next: HourlyFile | None = field(default=None, init=False)
    _hold_until: float | None = field(default=None, init=False)
    _left: list[tuple[float, HourlyFile]] = field(factory=list, init=False)
    _overlong: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)
    torn: int = field(default=0, init=False)
    truncations: int = field(default=0, init=False)
    recreations: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.complaints = Complaints(log.bind(directory=str(self.directory)).warning)

    def __enter__(self) -> "Tail":
        self.watch.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for file in [*(file for _, file in self._left), self._current, self._next]:
            if file is not None:
                self._put_away(file)
        self._current = self._next = None
        self._left = []
        self.watch.__exit__()

    @property
    def unreadable(self) -> int:
        """How many lines were lost here: torn and never completed, or too long."""
        return self.torn + self._overlong + sum(file.overlong for file in self._files())

    @property
    def bytes_read(self) -> int:
        """How many bytes were read."""
        return self._bytes + sum(file.bytes_read for file in self._files())

    @property
    def file(self) -> str:
        """The file being read, relative to the directory; empty before there is one."""
        return self._current.hour.file if self._current is not None else ""

    @property
    def begun(self) -> bytes:
        """How the line begins that is not whole yet, empty if there is none."""
        return self._current.peek() if self._current is not None else b""

    async def wait(self) -> None:
        """Return when ``take`` may have something."""
        with trio.move_on_at(math.inf if self._hold_until is None else self._hold_until):
            await self.watch.wait()

    def take(self) -> Batch | None:
        """Return the next complete lines without waiting, None if there are none now."""
        if self.watch.is_listing_old:
            self._look_around()
        if self._current is None:
            return None
        batch = self._take_late()
        if batch is not None:
            return batch
        while True:
            if self._current.is_truncated():
                self._truncated(self._current)
            has_successor = self._next is not None and self._next.has_data()
            batch = self._read(self._current)
            if batch is not None:
                self._hold_until = None
                return batch
            if not has_successor or self._next is None or self._must_hold(self._next):
                return None
            self._left.append((trio.current_time() + LATE_SECONDS, self._current))
            self._current, self._next = self._next, None
            self._look_around()

    def _must_hold(self, successor: HourlyFile) -> bool:
        """Whether the current file may still get lines that belong before the successor's."""
        if self._hold_until is None:
            self._hold_until = trio.current_time() + self.patience(successor.peek())
        if trio.current_time() < self._hold_until:
            return True
        self._hold_until = None
        return False

    def _look_around(self) -> None:
        """Watch what has to be watched, then list, then open what is found."""
        newest = self._current.hour if self._current is not None else self.start
        dates = list_dates(self.directory, newest.date if newest is not None else "")
        if newest is None and not self.is_from_oldest:
            dates = dates[-1:]
        self.watch.cover([self.directory, *(self.directory / date for date in dates)])
        if self._current is None:
            self._current = self._first()
            if self._current is None:
                return
        current = self._current
        if self._next is not None:
            if not self._next.is_replaced(self.directory) or self._next.has_data():
                return
            self._next.close()
            self._next = None
        if current.is_replaced(self.directory):
            self.recreations += 1
            self.complaints.about("recreated", "a file was replaced; it is read anew", file=current.hour.file)
            self._next = self._open(current.hour)
            return
        for hour in list_hours(self.directory, current.hour):
            if hour > current.hour and (following := self._open(hour)) is not None:
                self._next = following
                return

    def _first(self) -> HourlyFile | None:
        start = self.start
        if start is None and not self.is_from_oldest:
            newest = newest_hour(self.directory)
            return self._open(newest) if newest is not None else None
        for hour in list_hours(self.directory, start):
            opened = self._open(hour, self.start_offset if hour == start else 0)
            if opened is not None:
                return opened
        return None

    def _open(self, hour: Hour, offset: int = 0) -> HourlyFile | None:
        opened = HourlyFile.open(self.directory, hour, offset)
        if opened is not None:
            opened.longest_line_bytes = self.longest_line_bytes
        return opened

    def _read(self, file: HourlyFile, is_late: bool = False) -> Batch | None:
        overlong = file.overlong
        batch = file.read(is_late)
        if file.overlong > overlong:
            self.complaints.about(
                "overlong", "a line is too long and was dropped",
                file=file.hour.file, offset=file.offset, longest_line_bytes=self.longest_line_bytes,
            )  # fmt: skip
            self.lost("too long", file.hour.file, file.offset)
        return batch

    def _take_late(self) -> Batch | None:
        """Return lines that appeared in a file left already; give up the files left long ago."""
        now = trio.current_time() if self._left else -math.inf
        for deadline, file in list(self._left):
            if file.is_truncated():
                self._truncated(file)
            batch = self._read(file, is_late=True)
            if batch is not None:
                return batch
            if now >= deadline:
                self._left.remove((deadline, file))
                self._give_up(file)
        return None

    def _give_up(self, file: HourlyFile) -> None:
        if file.torn_bytes:
            self.torn += 1
            self.complaints.about(
                "torn", "the last line of a file never ended",
                file=file.hour.file, offset=file.offset, torn_bytes=file.torn_bytes,
            )  # fmt: skip
            self.lost("never ended", file.hour.file, file.offset)
        self._put_away(file)

    def _put_away(self, file: HourlyFile) -> None:
        self._overlong += file.overlong
        self._bytes += file.bytes_read
        file.close()

    def _truncated(self, file: HourlyFile) -> None:
        self.truncations += 1
        self.complaints.about(
            "truncated", "a file became shorter than what was read of it; it is read from its start",
            file=file.hour.file, offset=file.offset,
        )  # fmt: skip
        file.start_again()

    def _files(self) -> list[HourlyFile]:
        files = [self._current, self._next, *(file for _, file in self._left)]
        return [file for file in files if file is not None]
