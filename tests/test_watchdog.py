"""What systemd is told, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field

from hyperstream.watchdog import STATUS_SECONDS, Progress, Watchdog

JUST_AFTER = 0.01


@define(eq=False)
class Systemd:
    """Its socket, and the daemon's state as a test sets it."""

    socket: socket.socket
    environ: dict[str, str]
    progress: Progress = field(factory=lambda: Progress(0, 0))
    status: str = "waiting for the node"
    watchdog: Watchdog = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.watchdog = Watchdog(lambda: self.progress, lambda: self.status, self.environ)

    def told(self) -> list[str]:
        """The datagrams since the last call."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@asynccontextmanager
async def systemd(address: str, **environ: str) -> AsyncIterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0"))
        listening.setblocking(False)
        there = Systemd(listening, {"NOTIFY_SOCKET": address, **environ})
        async with trio.open_nursery() as nursery:
            await nursery.start(there.watchdog.run)
            await trio.testing.wait_all_tasks_blocked()
            yield there
            nursery.cancel_scope.cancel(reason="the test is over")


async def test_it_is_ready_at_once_and_says_what_it_waits_for(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with systemd(str(tmp_path / "notify")) as there:
        assert there.told() == ["READY=1\nSTATUS=waiting for the node", "WATCHDOG=1"]
        there.status = "block 7,\n5 markets"
        await trio.sleep(STATUS_SECONDS + JUST_AFTER)
        assert there.told() == ["WATCHDOG=1\nSTATUS=block 7, 5 markets"]


@pytest.mark.parametrize("pid", ["", str(os.getpid())], ids=["anybody", "us"])
async def test_it_beats_four_times_before_systemd_loses_patience(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, pid: str
) -> None:
    timing = {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": pid}
    async with systemd(str(tmp_path / "notify"), **timing) as there:
        there.told()
        await trio.sleep(2.0 + JUST_AFTER)
        assert there.told() == ["WATCHDOG=1"] * 4


async def test_an_engine_that_leaves_items_unapplied_does_not_feed_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with systemd(str(tmp_path / "notify"), WATCHDOG_USEC="4000000") as there:
        there.told()
        there.progress = Progress(10, 3)
        await trio.sleep(1.0 + JUST_AFTER)
        assert there.told() == ["WATCHDOG=1"], "ten were applied since"
        await trio.sleep(2.0)
        assert there.told() == [], "nothing was, and three wait"
        there.progress = Progress(10, 0)
        await trio.sleep(1.0)
        assert there.told() == ["WATCHDOG=1"], "nothing waits"


async def test_a_drain_is_told_and_no_status_comes_after_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with systemd(str(tmp_path / "notify")) as there:
        there.told()
        there.watchdog.stopping()
        there.status = "something else"
        await trio.sleep(STATUS_SECONDS + JUST_AFTER)
        assert there.told() == ["STOPPING=1\nSTATUS=draining", "WATCHDOG=1"]


async def test_an_abstract_socket_is_named_with_an_at(autojump_clock: trio.testing.MockClock) -> None:
    async with systemd(f"@hyperstream-test-{os.getpid()}") as there:
        assert there.told()[0].startswith("READY=1")


async def test_without_systemd_or_with_a_socket_that_is_gone_it_goes_on(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nothing")}):
        watchdog = Watchdog(lambda: Progress(0, 0), str, environ)
        with trio.fail_after(5):
            await watchdog.run()
        watchdog.stopping()


async def test_systemd_that_does_not_read_holds_up_nobody(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with systemd(str(tmp_path / "notify"), WATCHDOG_USEC="4000") as there:
        await trio.sleep(2.0)
        assert 0 < len(there.told()) < 2000
        await trio.sleep(0.002)
        assert there.told()
