"""One streaming call: takes messages from its subscription and sends them to its peer.

The publisher writes to a subscriber that keeps up, or wakes its task, by a plain call; waking sets an
asyncio future, because this is the asyncio side of the house. Nothing else crosses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define, field
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from hyperstream.hub.subscription import Subscription
from hyperstream.servers.grpc.frames import FrameWriter

STALL_SECONDS = 10.0


def name_of(stream: Stream[Any, Any]) -> str:
    """Who calls, for people."""
    address = stream.peer.addr()
    return f"grpc {address[0]}:{address[1]}" if address else "grpc"


@define(eq=False)
class Subscriber:
    """Sends what its subscription has, until that is finished or the peer has gone.

    Unless it is sending, the publisher writes its messages directly (``frames.py``). Only what
    cannot be written at once is sent by its task: snapshots, notices, and what waits because the
    peer reads slower than the market moves. ``heartbeat`` makes a heartbeat's message, sent when
    nothing else was for ``heartbeat_seconds`` (0: never).
    """

    stream: Stream[Any, Any]
    heartbeat: Callable[[], bytes]
    heartbeat_seconds: int
    subscription: Subscription = field(init=False)
    _frames: FrameWriter | None = None
    _news: asyncio.Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _sent_before: int = 0
    _is_heartbeat_due: bool = False
    _task: asyncio.Task[Any] | None = None
    _progress: int = -1
    _progress_time: float = 0.0
    _cut: str = ""
    _taken: asyncio.Future[None] | None = None

    def follow(self, subscription: Subscription) -> None:
        """Take messages from this subscription; called once, before ``run``."""
        self.subscription = subscription

    def wake(self) -> None:
        """There is something to take. Called by the publisher."""
        news = self._news
        if news is not None and not news.done():
            news.set_result(None)

    async def wait_taken(self) -> None:
        """Wait until a message has been taken from the subscription, or the stream has ended."""
        if not self.subscription.is_finished:
            self._taken = asyncio.get_running_loop().create_future()
            await self._taken

    def _told_taken(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None and not taken.done():
            taken.set_result(None)

    async def run(self) -> None:
        """Send until the subscription is finished; raises the status the stream ends with."""
        self._task = asyncio.current_task()
        subscription = self.subscription
        await self.stream.send_initial_metadata()
        self._frames = frames = FrameWriter(self.stream)
        subscription.write = frames.write
        subscription.is_idle = True
        try:
            await self._send_all(frames)
        except asyncio.CancelledError:
            if not self._cut:
                raise
            # It was check_progress that cancelled, to end the stream with a status.
            raise GRPCError(Status.RESOURCE_EXHAUSTED, self._cut) from None  # noqa: ASYNC104
        finally:
            subscription.is_idle = False
            if self._timer is not None:
                self._timer.cancel()
            subscription.finish()
            self._told_taken()
        if subscription.cut:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, subscription.cut)

    async def _send_all(self, frames: FrameWriter) -> None:
        subscription = self.subscription
        while True:
            message = subscription.take()
            is_heartbeat = message is None and self._is_heartbeat_due
            if is_heartbeat:
                message = self.heartbeat()
            if message is not None:
                self._is_heartbeat_due = False
                if self._taken is not None:
                    self._told_taken()
                if not frames.write(message):
                    subscription.is_idle = False
                    await self.stream.send_message(message)
                    subscription.is_idle = True
                if is_heartbeat:
                    self._sent_before = self._bytes_sent()  # it breaks no silence
                # Let others run between two messages, and let a connection that was lost end this.
                await asyncio.sleep(0)
            elif subscription.is_finished:
                return
            else:
                await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        loop = asyncio.get_running_loop()
        self._news = loop.create_future()
        if self.heartbeat_seconds and self._timer is None:
            self._sent_before = self._bytes_sent()
            self._timer = loop.call_later(self.heartbeat_seconds, self._heartbeat_may_be_due)
        await self._news
        self._news = None

    def _heartbeat_may_be_due(self) -> None:
        """A heartbeat's time has passed: if anything was sent meanwhile, wait that long again."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.heartbeat_seconds, self._heartbeat_may_be_due)
        sent = self._bytes_sent()
        if sent == self._sent_before:
            self._is_heartbeat_due = True
            self.wake()
        self._sent_before = sent

    def check_progress(self, now: float) -> None:
        """End the stream if its peer has taken nothing for STALL_SECONDS; called every second."""
        sent = self._bytes_sent()
        if self.subscription.is_idle or sent != self._progress:
            self._progress = sent
            self._progress_time = now
        elif now - self._progress_time > STALL_SECONDS:
            self._progress_time = now
            self.subscription.hub.count("cut_stalled")
            self._cut = f"nothing was read for {STALL_SECONDS:.0f} s"
            if self._task is not None:
                self._task.cancel()

    def _bytes_sent(self) -> int:
        return self._frames.bytes_sent if self._frames is not None else 0
