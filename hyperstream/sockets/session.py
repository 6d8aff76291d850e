"""A session: one live WebSocket of a connection, from its handshake to its end.

Four tasks: one reads and routes, one sends under the rate limit, one pings, one watches what is overdue.
Whoever finds a reason to end says it with `end` (at once) or `leave` (politely); the first reason counts.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed

from hyperstream.errors import CommandRefused, ConnectFailed
from hyperstream.log_once import LogOnce
from hyperstream.sockets.causes import cause_of
from hyperstream.sockets.config import Endpoint, SocketConfig
from hyperstream.sockets.failures import FailureKind
from hyperstream.sockets.ledger import Ledger
from hyperstream.sockets.outgoing import Bell, Outgoing
from hyperstream.sockets.protocol import Command, Pong, Protocol, Rejected, Reply
from hyperstream.sockets.router import Router
from hyperstream.sockets.sender import Sender, why_closed
from hyperstream.sockets.statistics import Traffic
from hyperstream.sockets.transport import Transport
from hyperstream.token_bucket import TokenBucket

NORMAL = 1000


@frozen
class Ending:
    """Why a session ended; a planned one is followed by the next without a wait."""

    reason: str
    is_planned: bool = False


@define(eq=False, repr=False)
class Session:
    """One live WebSocket. ``on_ready`` is called when authentication is done and work may begin."""

    transport: Transport
    endpoint: Endpoint
    config: SocketConfig
    protocol: Protocol
    ledger: Ledger
    router: Router
    bucket: TokenBucket
    traffic: Traffic
    new_id: Callable[[], int]
    on_ready: Callable[[], None]
    causes: LogOnce
    max_age_at: float
    read_at: float = field(factory=trio.current_time)
    is_ready: bool = False
    _failure: FailureKind = FailureKind.CLOSED
    ending: Ending | None = None
    _is_held: bool = False
    _released_at: float = -math.inf
    sender: Sender = field(init=False)
    _to_watch: Bell = field(factory=Bell)
    _watching_until: float = math.inf
    _ponged: Bell = field(factory=Bell)
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.sender = Sender(
            self.config,
            self.transport,
            self.ledger,
            self.bucket,
            self.traffic,
            on_lost=self.end,
            on_command=self._watch_command,
        )

    async def run(self) -> Ending:
        """Live until something ends it; return why. Raises `ConnectFailed` if it never got ready."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    name = self.config.name
                    nursery.start_soon(self._read, name=f"{name}: read")
                    nursery.start_soon(self._begin, nursery, name=f"{name}: begin")
        finally:
            with trio.CancelScope(shield=True):  # closing by force never waits
                await trio.aclose_forcefully(self.transport.stream)
            self.transport.drop()
            self.sender.abandon(self.ending.reason if self.ending is not None else "closing took too long")
        ending = self.ending or Ending(f"not closed within {self.config.close_seconds} s")
        if not self.is_ready:
            raise ConnectFailed(self._failure, f"{self.endpoint.host}, before it was ready: {ending.reason}")
        return ending

    def end(self, reason: str, *, is_planned: bool = False) -> None:
        """End now, without a goodbye, unless it is ending already."""
        if self.ending is None:
            self.ending = Ending(reason, is_planned)
        self._scope.cancel(reason=reason)

    def leave(self, reason: str, *, code: int = NORMAL, goodbye: str = "", seconds: float) -> None:
        """Send what is queued, say goodbye, and end; by force after ``seconds``."""
        if self.ending is None:
            self.ending = Ending(reason, is_planned=True)
        if not self.is_ready:  # nothing is queued, and there may be no answer to wait for
            self._scope.cancel(reason=reason)
        self.sender.finish(code, goodbye)
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + seconds)

    def wake(self) -> None:
        """What is desired has changed."""
        self.sender.wake()
        self._to_watch.ring()

    async def _send(self) -> None:
        await self.sender.run()
        self._scope.cancel(reason="said goodbye")

    # -- receiving

    async def _read(self) -> None:
        passive, receive, traffic = self.config.passive_ping, self.router.receive, self.traffic
        transport = self.transport
        while True:
            try:
                batch = await transport.receive_batch()
            except ConnectionClosed as error:
                self.end(why_closed(error.reason))
                return
            self.read_at = trio.current_time()
            traffic.received_messages += len(batch)
            for data in batch:
                if passive is not None and self._is_passive_ping(data):
                    continue
                waiting = receive(data)
                if waiting is not None:
                    await self._hold(waiting)
            finishing = self.router.end_batch()
            if finishing is not None:
                await self._hold(finishing)

    async def _hold(self, waiting: Awaitable[object]) -> None:
        """Read nothing until this is done; meanwhile nobody's silence counts."""
        self._is_held = True
        await waiting
        self._is_held = False
        self._released_at = trio.current_time()
        self._to_watch.ring()

    def _is_passive_ping(self, data: bytes) -> bool:
        passive = self.config.passive_ping
        assert passive is not None
        try:
            if not passive.matches(data):
                return False
            reply = passive.reply(data)
        except Exception as error:
            self.causes.warning("the passive ping failed", cause_of(error), exc_info=error)
            return False
        self.traffic.passive_pings += 1
        self.sender.send_urgently(reply)
        return True

    def take(self, reply: Reply, message: Any) -> bool:
        """Note a reply of the peer; return whether it answers anything."""
        if isinstance(reply, Pong):
            self._ponged.ring()
            return True
        request = self.sender.requests.pop(reply.command, None) if reply.command is not None else None
        if request is not None:
            if isinstance(reply, Rejected):
                request.fail(CommandRefused(reply.reason))
            else:
                request.succeed(message)
            return True
        now = trio.current_time()
        is_known = self.ledger.take(reply, now)
        self.sender.wake()
        # What is accepted now was asked for this long ago at most, and may fall silent from then on.
        asked_at = now - self.config.acknowledge_seconds
        self._watch_from(asked_at + self.ledger.min_silence_seconds)
        return is_known

    # -- beginning and keeping alive

    async def _begin(self, nursery: trio.Nursery) -> None:
        with trio.move_on_after(self.config.connect_seconds) as deadline:
            for message in self.endpoint.authentication:
                if not await self._authenticate(message):
                    return
        if deadline.cancelled_caught:
            self._failure = FailureKind.AUTHENTICATION
            self.end(f"authentication took more than {self.config.connect_seconds} s")
            return
        self.is_ready = True
        self.on_ready()
        name = self.config.name
        nursery.start_soon(self._send, name=f"{name}: write")
        nursery.start_soon(self._watch, name=f"{name}: watch")
        if self.config.heartbeat is not None:
            nursery.start_soon(self._beat, name=f"{name}: heartbeat")

    async def _authenticate(self, message: Command | str | bytes) -> bool:
        if not isinstance(message, Command):
            await self.sender.transmit(message)
            return True
        outgoing = Outgoing(message.data, message.id)
        if message.id is not None:
            self.sender.requests[message.id] = outgoing
        await self.sender.transmit(message.data)
        if message.id is not None:
            try:
                await outgoing.outcome()
            except CommandRefused as error:
                self._failure = FailureKind.AUTHENTICATION
                self.end(f"authentication was refused: {error.reason}")
                return False
        return True

    async def _beat(self) -> None:
        heartbeat = self.config.heartbeat
        assert heartbeat is not None
        sent_at = trio.current_time()
        while True:
            await trio.sleep_until(sent_at + heartbeat.interval_seconds)
            sent_at = trio.current_time()
            if await self._ping(heartbeat.is_application, sent_at + heartbeat.deadline_seconds):
                self.traffic.latency_seconds = trio.current_time() - sent_at
            elif not self._is_held and self._released_at < sent_at:  # else we did not read its answer
                self.end(f"a ping was not answered within {heartbeat.deadline_seconds} s")

    async def _ping(self, is_application: bool, deadline: float) -> bool:
        if is_application:
            ping = self.protocol.ping(self.new_id)
            assert ping is not None, "checked when the connection was built"
            await self._ponged.wait(-math.inf)  # an answer to an earlier ping is none to this one
            self.sender.send_urgently(ping)
            return await self._ponged.wait(deadline)
        try:
            answered = await self.transport.send_ping()
        except ConnectionClosed as error:
            self.end(why_closed(error.reason))
            return True
        with trio.move_on_at(deadline):
            await answered.wait()
        return answered.is_set()

    def _watch_command(self) -> None:
        soonest = min(self.config.acknowledge_seconds, self.ledger.min_silence_seconds)
        self._watch_from(trio.current_time() + soonest)

    def _watch_from(self, due_at: float) -> None:
        """Have `_watch` look anew if something may be overdue before it would look anyway."""
        if due_at < self._watching_until:
            self._to_watch.ring()

    async def _watch(self) -> None:
        while True:
            until = math.inf if self._is_held else self.ledger.due_at(self._released_at)
            self._watching_until = min(until, self.max_age_at)
            await self._to_watch.wait(self._watching_until)
            now = trio.current_time()
            seconds = self.config.close_seconds
            if now >= self.max_age_at:
                self.leave("a planned reconnect: the connection has reached its age", seconds=seconds)
                self.max_age_at = math.inf
            if self._is_held:
                continue
            hopeless = self.ledger.check(now, self._released_at)
            if hopeless:
                self.leave(f"renewing {hopeless[0]!r} did not make it speak", seconds=seconds)
            self.sender.wake()
