"""Wakes a tailer when something below a directory may have changed.

inotify tells within a tenth of a millisecond, but not everything: files made between a
directory's creation and its watch are never announced, a full event queue drops events, and some
file systems tell nothing at all. So events are only a reason to look, never counted and never
believed: whoever waits here lists the directory and reads files to their end. A poll every
``POLL_SECONDS`` covers what was not announced.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import structlog
import trio
from attrs import define, field
from inotify_simple import INotify, flags, parse_events

log = structlog.get_logger("hyperstream.sources.node")

POLL_SECONDS = 0.25
WITHOUT_INOTIFY_SECONDS = 0.005

_NAMES_CHANGED = (
    flags.CREATE | flags.DELETE | flags.DELETE_SELF | flags.MOVED_FROM | flags.MOVED_TO | flags.MOVE_SELF
)
_LISTING_IS_OLD = _NAMES_CHANGED | flags.Q_OVERFLOW | flags.IGNORED | flags.UNMOUNT
_READ_BYTES = 64 * 1024


@define(eq=False)
class Watch:
    """One inotify instance; use it as a context manager.

    ``is_listing_old`` says that names may have changed since ``cover`` was called last.
    """

    is_listing_old: bool = True
    overflows: int = 0
    _inotify: INotify | None = field(default=None, init=False)
    _watched: dict[Path, int] = field(factory=dict, init=False)

    def __enter__(self) -> "Watch":
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as exc:
            log.warning(
                "inotify is not available, files are polled; raise fs.inotify.max_user_instances",
                error=str(exc), poll_seconds=WITHOUT_INOTIFY_SECONDS,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def cover(self, directories: Iterable[Path]) -> None:
        """Watch these directories and no others; of a missing one its nearest existing ancestor.

        List the directories after this call, never before it: then whatever appears in between is
        either listed or announced.
        """
        self.is_listing_old = False
        wanted = {_existing(directory) for directory in directories}
        watched: dict[Path, int] = {}
        for directory in wanted:
            descriptor = self._add(directory)
            if descriptor is not None:
                watched[directory] = descriptor
        for stale in set(self._watched.values()) - set(watched.values()):
            self._remove(stale)
        self._watched = watched

    async def wait(self) -> None:
        """Return when something may have changed, at the latest after ``POLL_SECONDS``."""
        if self._inotify is None:
            await trio.sleep(WITHOUT_INOTIFY_SECONDS)
            self.is_listing_old = True
            return
        with trio.move_on_after(POLL_SECONDS) as scope:
            await trio.lowlevel.wait_readable(self._inotify)
        if scope.cancelled_caught:
            self.is_listing_old = True
        self.take_events()

    def take_events(self) -> None:
        """Empty the event queue without waiting."""
        while self._inotify is not None:
            try:
                data = os.read(self._inotify.fileno(), _READ_BYTES)
            except BlockingIOError:
                return
            for event in parse_events(data):
                self.note(event.mask)

    def note(self, mask: int) -> None:
        """Take note of one event by its inotify mask."""
        if mask & flags.Q_OVERFLOW:
            self.overflows += 1
        if mask & _LISTING_IS_OLD:
            self.is_listing_old = True

    def _add(self, directory: Path) -> int | None:
        if self._inotify is None:
            return None
        try:
            return int(self._inotify.add_watch(directory, flags.MODIFY | _NAMES_CHANGED | flags.ONLYDIR))
        except OSError as exc:
            # Gone again, or no watch is left: the poll covers both.
            log.debug("a directory cannot be watched", directory=str(directory), error=str(exc))
            return None

    def _remove(self, descriptor: int) -> None:
        try:
            if self._inotify is not None:
                self._inotify.rm_watch(descriptor)
        except OSError as exc:
            log.debug("a watch was gone already", error=str(exc))


def _existing(directory: Path) -> Path:
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    return directory
