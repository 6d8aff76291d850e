"""One streaming call: takes messages from its subscription and sends them to its peer.

The subscription wakes it by a plain call from the publisher; that sets an asyncio future, because
this is the asyncio side of the house. Nothing else crosses.
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

STALL_SECONDS = 10.0


@define(eq=False)
class Subscriber:
    """Sends what its subscription has, until that is finished or the peer has gone.

    ``heartbeat`` makes a heartbeat's message; it is sent when nothing else was for
    ``heartbeat_seconds`` (0: never). ``stalled_since`` is set while the peer takes nothing.
    """

    stream: Stream[Any, Any]
    heartbeat: Callable[[], bytes]
    heartbeat_seconds: int
    _news: asyncio.Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _is_heartbeat_due: bool = False
    _task: asyncio.Task[Any] | None = None
    _is_sending: bool = False
    _progress: int = -1
    _progress_time: float = 0.0
    _cut: str = ""
    subscription: Subscription = field(init=False)

    def wake(self) -> None:
        """There is something to take. Called by the publisher."""
        news = self._news
        if news is not None and not news.done():
            news.set_result(None)

    async def run(self) -> None:
        """Send until the subscription is finished; raises the status the stream ends with."""
        self._task = asyncio.current_task()
        subscription = self.subscription
        stream = self.stream
        await stream.send_initial_metadata()
        try:
            while True:
                message = subscription.take()
                if message is None and self._is_heartbeat_due:
                    message = self.heartbeat()
                if message is not None:
                    self._is_heartbeat_due = False
                    self._is_sending = True
                    await stream.send_message(message)
                    self._is_sending = False
                    # While the peer's window is open nothing in there waits: let others run, and
                    # let a connection that was lost meanwhile end this task.
                    await asyncio.sleep(0)
                elif subscription.is_finished:
                    break
                else:
                    await self._wait_for_news()
        except asyncio.CancelledError:  # noqa: ASYNC104 - check_progress cancels to end with a status
            if not self._cut:
                raise
            raise GRPCError(Status.RESOURCE_EXHAUSTED, self._cut) from None
        finally:
            if self._timer is not None:
                self._timer.cancel()
            subscription.finish()
        if subscription.cut:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, subscription.cut)

    async def _wait_for_news(self) -> None:
        loop = asyncio.get_running_loop()
        self._news = loop.create_future()
        if self.heartbeat_seconds:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_later(self.heartbeat_seconds, self._heartbeat_due)
        await self._news
        self._news = None

    def _heartbeat_due(self) -> None:
        self._is_heartbeat_due = True
        self.wake()

    def check_progress(self, now: float) -> None:
        """End the stream if its peer has taken nothing for STALL_SECONDS; called every second."""
        sent = self.stream._stream.data_sent  # noqa: SLF001 - how far a message got is told nowhere else
        if not self._is_sending or sent != self._progress:
            self._progress = sent
            self._progress_time = now
        elif now - self._progress_time > STALL_SECONDS:
            self._progress_time = now
            self.subscription.hub.count("cut_stalled")
            self._cut = f"nothing was read for {STALL_SECONDS:.0f} s"
            if self._task is not None:
                self._task.cancel()
