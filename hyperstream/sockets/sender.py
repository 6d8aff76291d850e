"""What a session sends: keep-alives at once, messages and commands under the rate limit, the goodbye last.

Messages of the user's go before commands for subscriptions. A command is taken from the ledger only when it
can be sent, so that its deadline begins then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

import trio
from attrs import define, field
from trio_websocket import CloseReason, ConnectionClosed

from hyperstream.errors import ConnectionLost
from hyperstream.sockets.config import SocketConfig
from hyperstream.sockets.ledger import Ledger
from hyperstream.sockets.outgoing import Bell, Outgoing
from hyperstream.sockets.statistics import Traffic
from hyperstream.sockets.transport import Transport
from hyperstream.token_bucket import TokenBucket


@define(eq=False, repr=False)
class Sender:
    """Everything that goes to the peer over one WebSocket.

    ``on_lost`` is called when the peer cannot be written to; ``on_command`` when an answer is expected.
    """

    config: SocketConfig
    transport: Transport
    ledger: Ledger
    bucket: TokenBucket
    traffic: Traffic
    on_lost: Callable[[str], None]
    on_command: Callable[[], None]
    requests: dict[Hashable, Outgoing] = field(init=False, factory=dict)
    _urgent: deque[str | bytes] = field(init=False, factory=deque)
    _outbox: deque[Outgoing] = field(init=False, factory=deque)
    _goodbye: tuple[int, str] | None = field(init=False, default=None)
    _bell: Bell = field(init=False, factory=Bell)

    def send(self, outgoing: Outgoing) -> None:
        """Queue a message. Raises `ConnectionLost` where it cannot be queued."""
        name = self.config.name
        if self._goodbye is not None:
            raise ConnectionLost(f"{name}: the connection is being closed")
        if len(self._outbox) >= self.config.max_queued:
            raise ConnectionLost(
                f"{name}: {len(self._outbox)} messages wait to be sent already; send less, or raise "
                "max_queued or message_rate"
            )
        if outgoing.reply_to is not None:
            if outgoing.reply_to in self.requests:
                raise ConnectionLost(f"{name}: an answer to {outgoing.reply_to!r} is awaited already")
            self.requests[outgoing.reply_to] = outgoing
        self._outbox.append(outgoing)
        self._bell.ring()

    def withdraw(self, outgoing: Outgoing) -> None:
        """Whoever wanted a message sent does not wait any more."""
        if outgoing in self._outbox:
            self._outbox.remove(outgoing)
        if outgoing.reply_to is not None:
            self.requests.pop(outgoing.reply_to, None)

    def send_urgently(self, data: str | bytes) -> None:
        """Send a keep-alive before all else and without regard to the rate, which it counts against."""
        self._urgent.append(data)
        self._bell.ring()

    def wake(self) -> None:
        """The ledger may have a command."""
        self._bell.ring()

    def finish(self, code: int, goodbye: str) -> None:
        """Send what is queued and no commands, then say goodbye; `run` returns when that is done."""
        if self._goodbye is None:
            self._goodbye = code, goodbye
        self._bell.ring()

    @property
    def queued(self) -> int:
        """Messages that wait to be sent."""
        return len(self._outbox) + len(self._urgent)

    async def run(self) -> None:
        """Send, until `finish` and the goodbye."""
        while self._goodbye is None or self._urgent or self._outbox:
            if self._urgent:
                await self.transmit(self._urgent.popleft())
                continue
            now = trio.current_time()
            delay = 0.0
            if self._outbox or (self._goodbye is None and self.ledger.has_command(now)):
                delay = self.bucket.delay(now)
                if delay <= 0 and await self._send_next(now):
                    continue
            await self._bell.wait(now + delay if delay > 0 else self.ledger.wakes_at(now))
        code, goodbye = self._goodbye
        await self.transport.aclose(code, goodbye or None)

    async def _send_next(self, now: float) -> bool:
        if self._outbox:
            outgoing = self._outbox.popleft()
            if await self.transmit(outgoing.data) and outgoing.reply_to is None:
                outgoing.succeed()
            return True
        command = self.ledger.next_command(now)
        if command is None:
            return False
        self.on_command()
        await self.transmit(command.data)
        return True

    async def transmit(self, data: str | bytes) -> bool:
        """Write a message; return whether the connection took it."""
        try:
            await self.transport.send_message(data)
        except ConnectionClosed as error:
            self.on_lost(why_closed(error.reason))
            await trio.lowlevel.checkpoint()
            return False
        self.traffic.sent_messages += 1
        return True

    def abandon(self, reason: str) -> None:
        """Tell everyone whose message was not sent or not answered."""
        self.traffic.unsent += len(self._outbox)
        for outgoing in (*self._outbox, *self.requests.values()):
            outgoing.fail(ConnectionLost(f"{self.config.name}: the connection was lost first: {reason}"))
        self._outbox.clear()
        self.requests.clear()


def why_closed(reason: CloseReason | None) -> str:
    """Return why a WebSocket was closed, as a clause."""
    if reason is None:
        return "closed here"
    if reason.code == 1006:
        return reason.reason or "the connection broke without a goodbye (1006)"
    text = f": {reason.reason}" if reason.reason else ""
    return f"closed with {reason.code} {reason.name.lower().replace('_', ' ')}{text}"
