"""One growing output of the node: ``{stem}_{layout}/hourly/{YYYYMMDD}/{H}``, unbuffered.

Every line is written by a single ``os.write`` in append mode unless a fault tears it. Bytes
that must come later wait in a queue which everything behind them joins, so order holds.
"""

import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class _Held(NamedTuple):
    release: int  # the height with which the bytes may be written
    path: Path
    body: bytes


class NodeFile:
    """The hourly files of one stem in one layout. Owns a descriptor; ``close`` gives it back."""

    def __init__(self, root: Path, stem: str) -> None:
        self.stem = stem
        self.root = root
        self.bytes_written = 0
        self._path: Path | None = None
        self._descriptor = -1
        self._hour = -1
        self._held: deque[_Held] = deque()
        self._stragglers: list[_Held] = []

    @property
    def path(self) -> Path | None:
        """The file of the current hour; None before the first line."""
        return self._path

    def append(self, height: int, local_ns: int, pieces: list[bytes], hold: int = 0) -> None:
        """Write a block's lines: the first piece ``hold`` blocks later, each other a block after it."""
        self._turn_to(local_ns)
        assert self._path is not None
        for distance, piece in enumerate(pieces, start=hold):
            if piece:
                self._held.append(_Held(height + distance, self._path, piece))
        self.release(height)
        for straggler in self._stragglers:
            self._write(straggler.path, straggler.body)
        self._stragglers.clear()

    def append_split(self, height: int, local_ns: int, body: bytes) -> None:
        """Write the first half now, the second only after the next block's lines, wherever those go."""
        half = len(body) // 2
        if self._held:  # something else is late already: stay behind it
            self.append(height, local_ns, [body])
            return
        self.append(height, local_ns, [body[:half]])
        assert self._path is not None
        self._stragglers.append(_Held(height, self._path, body[half:]))

    def release(self, height: int) -> None:
        """Write what was held back for heights up to this one."""
        while self._held and self._held[0].release <= height:
            held = self._held.popleft()
            self._write(held.path, held.body)

    def settle(self) -> None:
        """Write everything held back, now."""
        for held in (*self._held, *self._stragglers):
            self._write(held.path, held.body)
        self._held.clear()
        self._stragglers.clear()

    def truncate(self, keep: float) -> None:
        """Cut the current file to a part of its bytes."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, int(os.fstat(self._descriptor).st_size * keep))

    def recreate(self) -> None:
        """Unlink the current file and make it anew."""
        if self._path is not None:
            self.close()
            self._path.unlink(missing_ok=True)
            self._open(self._path)

    def remove_past(self) -> None:
        """Delete the files of past hours."""
        for path in sorted(self.root.glob("hourly/*/*")):
            if path != self._path:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the descriptor; a later write opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _turn_to(self, local_ns: int) -> None:
        hour = local_ns // 3_600_000_000_000
        if hour == self._hour and self._descriptor >= 0:
            return
        self.close()
        moment = datetime.fromtimestamp(hour * 3_600, UTC)
        self._hour = hour
        self._path = self.root / "hourly" / moment.strftime("%Y%m%d") / str(moment.hour)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._open(self._path)

    def _open(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def _write(self, path: Path, body: bytes) -> None:
        if path == self._path and self._descriptor >= 0:
            _write_all(self._descriptor, body)
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                _write_all(descriptor, body)
            finally:
                os.close(descriptor)
        self.bytes_written += len(body)


def _write_all(descriptor: int, body: bytes) -> None:
    view = memoryview(body)
    while view:  # a regular file takes all at once; a full disk raises
        view = view[os.write(descriptor, view) :]
