"""Snapshots: asked for or given, and everything that can be wrong with them."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest
import trio

from hyperstream.config import NodeSettings
from hyperstream.errors import SnapshotError
from hyperstream.sources.node import snapshot as snapshot_module
from hyperstream.sources.node.info import InfoClient
from hyperstream.sources.node.snapshot import SnapshotTaker
from hyperstream.sources.node.snapshot_file import SnapshotFile, open_snapshot

ORDER = {"coin": "BTC", "side": "B", "limitPx": "81307.0", "sz": "0.1", "oid": 1, "isTrigger": False}


def snapshot(height: int | None) -> bytes:
    """A snapshot of one order, as the node writes it."""
    inner = [["BTC", [[["0xab", ORDER]], []]]]
    return orjson.dumps(inner if height is None else [height, inner])


def taker(
    data_dir: Path, write: Callable[[Path], int | None], given: str = "auto", patience: float = 10.0
) -> SnapshotTaker:
    """A taker whose node calls ``write`` with the path; a number it returns is an HTTP status."""

    def answer(request: httpx.Request) -> httpx.Response:
        status = write(Path(orjson.loads(request.content)["outPath"]))
        return httpx.Response(status or 200, content=b"null")

    info = InfoClient("http://node.test/info", httpx.MockTransport(answer))
    return SnapshotTaker(NodeSettings(data_dir=data_dir, snapshot=given), info, complete_seconds=patience)


async def taken_from(taker: SnapshotTaker) -> SnapshotFile:
    """What the taker has, soon."""
    with trio.fail_after(20):
        return await taker.take()


async def refused(taker: SnapshotTaker, least_height: int = 0) -> str:
    """What the taker says when it has no snapshot."""
    with trio.fail_after(20), pytest.raises(SnapshotError) as caught:
        await taker.take(least_height)
    assert taker.last_error == str(caught.value)
    return str(caught.value)


async def test_a_snapshot_asked_for_has_the_height_the_node_wrote(tmp_path: Path) -> None:
    asked = taker(tmp_path, lambda path: path.write_bytes(snapshot(7)) and None)
    with await taken_from(asked) as taken:
        assert taken.height == 7
        assert [(piece.symbol, piece.side, len(piece.orders)) for piece in taken.pieces()] == [
            ("BTC", "B", 1), ("BTC", "A", 0),
        ]  # fmt: skip
    assert (asked.attempts, asked.last_height, asked.last_error) == (1, 7, "")


async def test_an_old_file_is_deleted_before_asking(tmp_path: Path) -> None:
    path = NodeSettings(data_dir=tmp_path).snapshot_output
    path.write_bytes(snapshot(5))
    seen: list[bool] = []

    def write(path: Path) -> None:
        seen.append(path.exists())
        path.write_bytes(snapshot(7))

    with await taken_from(taker(tmp_path, write)) as taken:
        assert (taken.height, seen) == (7, [False])


async def test_the_file_cannot_be_changed_while_it_is_read(tmp_path: Path) -> None:
    path = NodeSettings(data_dir=tmp_path).snapshot_output
    with await taken_from(taker(tmp_path, lambda path: path.write_bytes(snapshot(7)) and None)) as taken:
        assert not path.exists()
        path.write_bytes(b"")  # the node writes the next one
        assert len(list(taken.pieces())) == 2


async def test_422_suggests_a_snapshot_file_and_the_command(tmp_path: Path) -> None:
    said = await refused(taker(tmp_path, lambda _: 422))
    assert "node.snapshot" in said
    assert "compute-l4-snapshots" in said


async def test_5xx_is_told(tmp_path: Path) -> None:
    assert "HTTP 503" in await refused(taker(tmp_path, lambda _: 503))


async def test_a_file_that_never_appears_is_told(tmp_path: Path) -> None:
    assert "did not appear" in await refused(taker(tmp_path, lambda _: None, patience=0.2))


async def test_a_half_written_file_is_told_after_a_while(tmp_path: Path) -> None:
    half = taker(tmp_path, lambda path: path.write_bytes(snapshot(7)[:60]) and None, patience=0.2)
    assert "not complete" in await refused(half)


async def test_a_file_completed_after_the_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def open_and_complete(path: Path, *, is_ours: bool) -> SnapshotFile:
        try:
            return open_snapshot(path, is_ours=is_ours)
        except SnapshotError as exc:
            looks.append(str(exc))
            path.write_bytes(snapshot(7))
            raise

    monkeypatch.setattr(snapshot_module, "open_snapshot", open_and_complete)
    with await taken_from(taker(tmp_path, lambda path: path.write_bytes(snapshot(7)[:60]) and None)) as taken:
        assert taken.height == 7
    assert len(looks) == 1


async def test_a_height_that_does_not_rise_is_stale(tmp_path: Path) -> None:
    stale = taker(tmp_path, lambda path: path.write_bytes(snapshot(7)) and None)
    with await taken_from(stale):
        assert stale.last_height == 7
    assert "stale" in await refused(stale)


async def test_a_file_that_can_be_neither_deleted_nor_renewed_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    NodeSettings(data_dir=tmp_path).snapshot_output.write_bytes(snapshot(7))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert "stale" in await refused(taker(tmp_path, lambda _: None, patience=0.2))


async def test_a_snapshot_below_the_height_needed_is_refused(tmp_path: Path) -> None:
    old = taker(tmp_path, lambda path: path.write_bytes(snapshot(7)) and None)
    assert "8" in await refused(old, least_height=8)


@pytest.mark.parametrize("name", ["snapshot.json", "snapshot.json.gz", "snapshot_7.json"])
async def test_a_given_file_is_read_and_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(snapshot(7)) if name.endswith("gz") else snapshot(7))
    given = taker(tmp_path, lambda _: None, given=str(path))
    with await taken_from(given) as taken:
        assert (taken.height, len(list(taken.pieces()))) == (7, 2)
    assert path.exists()
    assert "has not changed" in await refused(given)
    path.write_bytes(snapshot(9))
    os.utime(path, ns=(1, 1))
    with await taken_from(given) as taken:
        assert taken.height == 9


async def test_a_given_file_without_height_takes_it_from_its_name(tmp_path: Path) -> None:
    path = tmp_path / "snapshot_985148181.json"
    path.write_bytes(snapshot(None))
    with await taken_from(taker(tmp_path, lambda _: None, given=str(path))) as taken:
        assert taken.height == 985148181


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.json", None, "there is no snapshot"),
        ("empty.json", b"", "cannot be read"),
        ("half.json", snapshot(7)[:70], "not complete"),
        ("half.json.gz", gzip.compress(snapshot(7))[:-12], "cannot be read"),
        ("other.json", b'{"a":1}', "not an L4 snapshot"),
        ("nameless.json", snapshot(None), "does not say its height"),
    ],
)
async def test_a_given_file_that_is_no_good_is_told(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert said in await refused(taker(tmp_path, lambda _: None, given=str(path)))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(snapshot(7))
    before = len(os.listdir("/proc/self/fd"))
    with open_snapshot(path, is_ours=False) as opened:
        assert opened.height == 7
    assert len(os.listdir("/proc/self/fd")) == before
