"""Where snapshots come from: asked of the info server, or a file that somebody else provides."""

import os
from pathlib import Path

import trio
from attrs import define, field

from hyperstream.config import NodeSettings
from hyperstream.errors import SnapshotError
from hyperstream.sources.node.info import InfoClient, InfoError
from hyperstream.sources.node.snapshot_file import SnapshotFile, open_snapshot

COMPLETE_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_REFUSED = 422

Signature = tuple[int, int, int]


@define(eq=False)
class SnapshotTaker:
    """Takes one snapshot after another, each newer than the last.

    ``complete_seconds`` bounds the wait for the file after the node has answered.
    """

    settings: NodeSettings
    info: InfoClient
    complete_seconds: float = COMPLETE_SECONDS
    attempts: int = field(default=0, init=False)
    last_height: int | None = field(default=None, init=False)
    last_error: str = field(default="", init=False)
    _last_signature: Signature | None = field(default=None, init=False)

    @property
    def _given(self) -> Path:
        return Path(self.settings.snapshot).expanduser()

    @property
    def is_asked(self) -> bool:
        """Whether the node is asked for snapshots, rather than a file given."""
        return self.settings.snapshot == "auto"

    async def take(self, least_height: int = 0) -> SnapshotFile:
        """Return a new snapshot at or above ``least_height``; raises SnapshotError. Close it after use."""
        self.attempts += 1
        try:
            snapshot = await (self._ask() if self.is_asked else self._read())
            if snapshot.height < least_height:
                snapshot.data.close()
                raise SnapshotError(
                    f"the snapshot stands at block {snapshot.height}; one at {least_height} or above is due"
                )
        except SnapshotError as exc:
            self.last_error = str(exc)
            raise
        self.last_error = ""
        return snapshot

    async def _ask(self) -> SnapshotFile:
        path = self.settings.snapshot_output.absolute()
        before = _delete(path)
        try:
            await self.info.write_snapshot(path)
        except InfoError as exc:
            raise SnapshotError(_advice(exc, path)) from exc
        snapshot = await self._wait_for(path, before)
        if self.last_height is not None and snapshot.height <= self.last_height:
            snapshot.data.close()
            raise SnapshotError(
                f"the snapshot in {path} is stale: at block {snapshot.height}, and so was the one before"
            )
        self.last_height = snapshot.height
        return snapshot

    async def _wait_for(self, path: Path, before: Signature | None) -> SnapshotFile:
        """Wait until the file is there, another one than ``before`` and complete."""
        problem = ""
        with trio.move_on_after(self.complete_seconds):
            while True:
                now = _signature(path)
                if now is None:
                    problem = f"{path} did not appear; may the node's user write there, on the same disk?"
                elif now == before:
                    problem = f"{path} is stale: the node did not write it anew"
                else:
                    try:
                        return await trio.to_thread.run_sync(lambda: open_snapshot(path, is_ours=True))
                    except SnapshotError as exc:
                        problem = str(exc)
                await trio.sleep(_LOOK_SECONDS)
        raise SnapshotError(f"the node answered, but after {self.complete_seconds:g} s {problem}")

    async def _read(self) -> SnapshotFile:
        path = self._given
        now = _signature(path)
        if now is None:
            raise SnapshotError(f"there is no snapshot {path}; see node.snapshot")
        if now == self._last_signature:
            raise SnapshotError(
                f"the snapshot {path} has not changed since block {self.last_height} was read from it"
            )
        snapshot = await trio.to_thread.run_sync(lambda: open_snapshot(path, is_ours=False))
        self._last_signature = now
        self.last_height = snapshot.height
        return snapshot


def _advice(error: InfoError, path: Path) -> str:
    if error.status == _REFUSED:
        return (
            f"the node's info server refuses to write snapshots ({error}); set node.snapshot to the path of "
            "a snapshot file instead, which the node's own command makes from a state: compute-l4-snapshots "
            "--include-users --include-trigger-orders periodic_abci_states/DATE/HEIGHT.rmp "
            "snapshot_HEIGHT.json"
        )
    return f"no snapshot in {path}: {error}"


def _signature(path: Path) -> Signature | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _delete(path: Path) -> Signature | None:
    """Delete an old snapshot so that it cannot be taken for a new one; return what could not be deleted."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return _signature(path)
    return None
