"""An L4 snapshot on disk, opened so that nobody can change it while it is read.

A mapped file that somebody truncates ends the process with SIGBUS. So a snapshot is either
unlinked before it is read, which is right for the one made for us, or copied to a private
temporary file, which is also where a ``.gz`` is unpacked. Blocking: run ``open_snapshot`` in a thread.
"""

import gzip
import mmap
import re
import shutil
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from attrs import define

from hyperstream.errors import SnapshotError
from hyperstream.wire.l4_snapshot import check_is_complete, read_snapshot, snapshot_height
from hyperstream.wire.node_blocks import SnapshotOrders

_GZIP = b"\x1f\x8b"
_HEIGHT_IN_NAME = re.compile(r"[0-9]{4,}")


@define(eq=False)
class SnapshotFile:
    """A complete snapshot: the orders resting after block ``height``. Use it as a context manager."""

    path: Path
    height: int
    data: mmap.mmap

    def __enter__(self) -> "SnapshotFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.data.close()

    def pieces(self, symbols: Container[str] | None = None) -> Iterator[SnapshotOrders]:
        """Yield the orders in small pieces, those of other markets than ``symbols`` as empty ones.

        Raises SnapshotError.
        """
        return read_snapshot(self.data, symbols)


def open_snapshot(path: Path, *, is_ours: bool) -> SnapshotFile:
    """Open a snapshot, ``.json`` or ``.json.gz``; raises SnapshotError, also for a half-written one.

    ``is_ours`` allows to delete the file once it is open. A snapshot without a height takes it from
    the digits in the file's name.
    """
    try:
        with path.open("rb") as source:
            data = _private_copy(source) if source.peek(2)[:2] == _GZIP else _map(source)
            try:
                check_is_complete(data)
                height = _height(data, path)
                if source.peek(2)[:2] != _GZIP and not (is_ours and _unlink(path)):
                    mapped, data = data, _private_copy(source)
                    mapped.close()
                    check_is_complete(data)
            except BaseException:
                data.close()
                raise
    except (OSError, EOFError, zlib.error, ValueError) as exc:
        raise SnapshotError(f"the snapshot {path} cannot be read: {exc}") from exc
    return SnapshotFile(path, height, data)


def _map(file: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # ValueError for an empty file


def _private_copy(source: IO[bytes]) -> mmap.mmap:
    with TemporaryFile(prefix="hyperstream-snapshot-") as private:
        head = source.read(2)
        source.seek(0)
        if head == _GZIP:
            with gzip.GzipFile(fileobj=source) as unpacked:
                shutil.copyfileobj(unpacked, private, 1024 * 1024)
        else:
            shutil.copyfileobj(source, private, 1024 * 1024)
        private.flush()
        source.seek(0)
        return _map(private)


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _height(data: mmap.mmap, path: Path) -> int:
    height = snapshot_height(data)
    if height is not None:
        return height
    digits = _HEIGHT_IN_NAME.findall(path.name)
    if len(digits) != 1:
        raise SnapshotError(
            f"the snapshot {path} does not say its height; name it after its block: snapshot_985148181.json"
        )
    return int(digits[0])
