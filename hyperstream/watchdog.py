"""What systemd is told of the daemon: that it is ready, alive, how it is doing, that it ends.

The protocol is sd_notify(3): datagrams of ``NAME=value`` lines to the socket that ``$NOTIFY_SOCKET`` names.
Without that variable nothing is sent and nothing is done.

``READY=1`` is sent when all listeners are open, because a daemon that waits for its node is no failed start;
``STATUS=`` says what it waits for. ``WATCHDOG=1`` is sent only while the data path moves: a thread that hangs
sends nothing, and neither does an engine that leaves items unapplied from one beat to the next.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

import structlog
import trio
from attrs import define, field, frozen

log = structlog.get_logger("hyperstream.watchdog")

# Without a watchdog only the status is told, which may be a little old.
STATUS_SECONDS = 5.0
_BEATS_A_TIMEOUT = 4
_MICROSECONDS = 1_000_000


@frozen
class Progress:
    """How the data path does: items ``applied`` so far, and how many wait."""

    applied: int
    waiting: int


@define(eq=False)
class Watchdog:
    """Tells systemd. ``progress`` and ``status`` are asked at each beat; a status is one sentence."""

    progress: Callable[[], Progress]
    status: Callable[[], str]
    environ: Mapping[str, str] = field(default=os.environ)
    _socket: socket.socket | None = None
    _told: str = ""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Say that the daemon is ready, then how it does, until cancelled."""
        path = self.environ.get("NOTIFY_SOCKET", "")
        if not path:
            task_status.started()
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            try:
                notify.connect("\0" + path[1:] if path.startswith("@") else path)
            except OSError as exc:
                log.warning("systemd cannot be told anything", socket=path, error=str(exc))
                task_status.started()
                return
            notify.setblocking(False)
            self._socket = notify
            self._tell("READY=1", *self._news())
            task_status.started()
            try:
                await self._beat()
            finally:
                self._socket = None

    def stopping(self) -> None:
        """The daemon has begun to end."""
        self._told = "draining"
        self._tell("STOPPING=1", "STATUS=draining")

    async def _beat(self) -> None:
        seconds = self._beat_seconds()
        before = Progress(-1, 0)
        while True:
            now = self.progress()
            is_moving = now.applied != before.applied or not now.waiting
            before = now
            if is_moving:
                self._tell("WATCHDOG=1", *self._news())
            else:
                log.warning(
                    "the engine applies nothing, and systemd is not told that all is well",
                    waiting=now.waiting,
                )
            await trio.sleep(seconds)

    def _beat_seconds(self) -> float:
        """Between two beats: some of them before systemd loses patience."""
        text, pid = self.environ.get("WATCHDOG_USEC", ""), self.environ.get("WATCHDOG_PID", "")
        if not text.isdecimal() or pid not in ("", str(os.getpid())):
            return STATUS_SECONDS
        return max(1, int(text)) / _MICROSECONDS / _BEATS_A_TIMEOUT

    def _news(self) -> tuple[str, ...]:
        status = " ".join(self.status().split())
        if status == self._told or self._told == "draining":
            return ()
        self._told = status
        return (f"STATUS={status}",)

    def _tell(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send("\n".join(lines).encode())
        except OSError as exc:
            # systemd reads slowly or restarts: the next beat says it again.
            log.debug("systemd was not told", lines=lines, error=str(exc))
