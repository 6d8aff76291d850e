"""Watching directories: a wake-up for every change, whatever is announced."""

from pathlib import Path

import pytest
import trio
from inotify_simple import flags

from hyperstream.sources.node import watch as watch_module
from hyperstream.sources.node.watch import Watch
from tests.sources.node.node_lines import write

pytestmark = pytest.mark.usefixtures("no_poll")


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the poll only what inotify announces wakes anybody."""
    monkeypatch.setattr(watch_module, "POLL_SECONDS", 1000.0)


async def test_a_write_wakes_without_making_the_listing_old(tmp_path: Path) -> None:
    write(tmp_path, "20260505/9", b"x")
    with Watch() as watch, trio.fail_after(30):
        watch.cover([tmp_path / "20260505"])
        write(tmp_path, "20260505/9", b"y")
        await watch.wait()
        assert not watch.is_listing_old


async def test_a_new_file_makes_the_listing_old(tmp_path: Path) -> None:
    with Watch() as watch, trio.fail_after(30):
        watch.cover([tmp_path])
        assert not watch.is_listing_old
        (tmp_path / "9").touch()
        await watch.wait()
        assert watch.is_listing_old


async def test_a_missing_directory_is_noticed_when_it_appears(tmp_path: Path) -> None:
    wanted = tmp_path / "data" / "hourly"
    with Watch() as watch, trio.fail_after(30):
        watch.cover([wanted])
        wanted.parent.mkdir()
        await watch.wait()
        watch.cover([wanted])
        wanted.mkdir()
        await watch.wait()
        watch.cover([wanted])
        (wanted / "20260505").mkdir()
        await watch.wait()
        assert watch.is_listing_old


def test_directories_no_longer_covered_do_not_wake(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with Watch() as watch:
        watch.cover([tmp_path / "one", tmp_path / "two"])
        watch.cover([tmp_path / "two"])
        watch.take_events()
        watch.is_listing_old = False
        (tmp_path / "one" / "9").touch()
        watch.take_events()
        assert not watch.is_listing_old
        (tmp_path / "two" / "9").touch()
        watch.take_events()
        assert watch.is_listing_old


async def test_a_directory_made_anew_is_watched_anew(tmp_path: Path) -> None:
    date = tmp_path / "20260505"
    date.mkdir()
    with Watch() as watch, trio.fail_after(30):
        watch.cover([tmp_path, date])
        date.rmdir()
        date.mkdir()
        await watch.wait()
        watch.cover([tmp_path, date])
        watch.take_events()
        watch.is_listing_old = False
        (date / "9").touch()
        await watch.wait()
        assert watch.is_listing_old


def test_a_full_event_queue_makes_the_listing_old() -> None:
    watch = Watch(is_listing_old=False)
    watch.note(flags.Q_OVERFLOW)
    assert (watch.is_listing_old, watch.overflows) == (True, 1)


async def test_the_poll_wakes_when_nothing_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "POLL_SECONDS", 0.001)
    with Watch() as watch, trio.fail_after(30):
        watch.cover([tmp_path])
        await watch.wait()
        assert watch.is_listing_old


async def test_without_inotify_files_are_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(watch_module, "INotify", refuse)
    with Watch() as watch, trio.fail_after(30):
        watch.cover([tmp_path])
        await watch.wait()
        assert watch.is_listing_old
