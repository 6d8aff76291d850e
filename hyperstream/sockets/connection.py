"""A connection: one WebSocket that is kept up, with everything subscribed on it.

    async with Connection(config, router, protocol) as connection:
        await connection.wait_state(State.CONNECTED)
        await connection.subscribe(Subscription("trades.BTC"))

Entering returns at once; connecting, reconnecting and restoring go on in the background until the block is
left, which sends what is queued, says goodbye and lets routes finish, within ``close_seconds``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Hashable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import trio
from attrs import define, field

from hyperstream.errors import (
    CommandTimedOut,
    ConfigurationError,
    ConnectionLost,
    SocketError,
)
from hyperstream.log_once import LogOnce
from hyperstream.sockets.causes import cause_of, logger
from hyperstream.sockets.config import SocketConfig
from hyperstream.sockets.connecting import OpenStream, open_stream
from hyperstream.sockets.events import (
    EVENT_CAPACITY,
    EventReader,
    State,
)
from hyperstream.sockets.ledger import Ledger
from hyperstream.sockets.outgoing import Outgoing
from hyperstream.sockets.protocol import Accepted, Protocol, Rejected, Subscription
from hyperstream.sockets.record import Status, Waiter
from hyperstream.sockets.router import Router
from hyperstream.sockets.session import Session
from hyperstream.sockets.statistics import ConnectionStatistics, connection_statistics
from hyperstream.sockets.upkeep import Upkeep


@define(eq=False, repr=False)
class Connection:
    """One WebSocket that is kept up. An async context manager, to be entered once.

    ``opener`` replaces TCP and TLS, for tests and tunnels.
    """

    config: SocketConfig
    router: Router
    protocol: Protocol = field(factory=Protocol)
    opener: OpenStream = open_stream
    _upkeep: Upkeep = field(init=False)
    _ledger: Ledger = field(init=False)
    _causes: LogOnce = field(init=False)
    _ids: itertools.count[int] = field(init=False, factory=lambda: itertools.count(1))
    _nursery: AbstractAsyncContextManager[trio.Nursery] | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        config = self.config
        heartbeat = config.heartbeat
        if heartbeat is not None and heartbeat.is_application and self.protocol.ping(lambda: 0) is None:
            raise ConfigurationError(
                f"socket {config.name!r}: the heartbeat is the application's, but "
                f"{type(self.protocol).__name__} builds no ping; override ping, or use WebSocket pings"
            )
        log = logger(config.name)
        self._causes = LogOnce(log, trio.current_time)
        self._upkeep = Upkeep(
            self.config, self.router, self.protocol, self.opener, self._new_id, log, self._causes
        )
        self._ledger = self._upkeep.ledger

    # -- its life

    async def __aenter__(self) -> Self:
        if self._nursery is not None:
            raise ConfigurationError(f"connection {self.config.name!r} was entered before; build a new one")
        self.router.bind(self.config.name, self._control, self.protocol.control_keys)
        self._nursery = trio.open_nursery()
        nursery = await self._nursery.__aenter__()
        nursery.start_soon(self._upkeep.live, name=f"connection {self.config.name}")
        return self

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Awaitable[bool | None]:
        self.stop()  # which gives everything that is awaited below its deadline
        return self._close(kind, error, traceback)

    async def _close(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._nursery is not None
        if self._upkeep.has_crashed:  # a bug of ours cancelled the body: the nursery says which
            return await self._nursery.__aexit__(kind, error, traceback)
        await self._nursery.__aexit__(None, None, None)  # or else it would wrap the body's error in a group
        return None

    def stop(self, code: int = 1000, goodbye: str = "") -> None:
        """Begin to shut down: send what is queued, then close with this code and reason.

        Leaving the block does the same, and waits until it is done.
        """
        self._upkeep.stop(code, goodbye)

    @property
    def state(self) -> State:
        """Where the connection stands now."""
        return self._upkeep.state

    async def wait_state(self, state: State) -> None:
        """Wait until the connection is in a state, or has been since the call.

        Raises `ConnectionLost` if the connection ends first.
        """
        await self._upkeep.wait_state(state)

    def events(self, capacity: int = EVENT_CAPACITY) -> EventReader:
        """Return a reader of what happens from now on; close it, or use it in a with block."""
        return self._upkeep.board.reader(capacity)

    # -- subscriptions

    @property
    def desired(self) -> tuple[Subscription, ...]:
        """What is to be subscribed whenever there is a connection."""
        return tuple(record.subscription for record in self._ledger.records.values() if record.is_wanted)

    @property
    def active(self) -> tuple[Hashable, ...]:
        """The keys of what the peer has accepted."""
        records = self._ledger.records.values()
        return tuple(record.subscription.key for record in records if record.status is Status.ACTIVE)

    def subscribe_nowait(self, *subscriptions: Subscription) -> None:
        """Desire subscriptions: asked for as soon as there is a connection, and again on every other."""
        self._check_open(*subscriptions)
        for subscription in subscriptions:
            self._ledger.want(subscription)
            self._attend(subscription)

    def unsubscribe_nowait(self, *keys: Hashable) -> None:
        """Desire subscriptions no more; what is not subscribed is ignored."""
        for key in keys:
            self._ledger.unwant(key)
        self._wake()

    async def subscribe(self, subscription: Subscription) -> None:
        """Desire a subscription and wait until the peer has accepted it; without a connection, for one.

        Raises `SubscriptionRefused`, `CommandTimedOut` or `ConnectionLost`; it is then not desired, unless
        it was before. Cancelling withdraws it likewise.
        """
        self._check_open(subscription)
        await trio.lowlevel.checkpoint()
        record = self._ledger.want(subscription, is_tentative=True)
        self._attend(subscription)
        if record.status is Status.ACTIVE:
            return
        try:
            await self._answered(record.joining)
        except trio.Cancelled:
            if record.is_tentative and not record.joining:
                self.unsubscribe_nowait(subscription.key)
            raise

    async def unsubscribe(self, key: Hashable) -> None:
        """Desire a subscription no more and wait until the peer has ended it, or has no say any more."""
        await trio.lowlevel.checkpoint()
        record = self._ledger.unwant(key)
        if record is not None:
            await self._answered(record.leaving)

    def renew(self, key: Hashable, reason: str) -> bool:
        """End an active subscription and ask for it again, for a new snapshot; its gap is told.

        Returns whether it was active; if it was not, it is on its way already, or not desired.
        """
        is_renewed = self._ledger.renew(key, reason, trio.current_time())
        self._wake()
        return is_renewed

    def heard(self, key: Hashable) -> None:
        """Note that a message of this subscription came. Cheap: for handlers, once a message."""
        session = self._upkeep.session
        if session is not None:
            self._ledger.heard(key, session.read_at)

    def reconnect(self, reason: str) -> None:
        """Close politely and connect anew, as when a peer announces its end."""
        if self._upkeep.session is not None and self.state is State.CONNECTED:
            self._upkeep.session.leave(reason, seconds=self.config.close_seconds)

    # -- messages

    async def send(self, data: str | bytes, *, reply_to: Hashable | None = None) -> Any:
        """Send a message under the rate limit, and wait until it is written.

        With ``reply_to``, the id that the protocol finds in the answer, wait for that and return it.
        Raises `ConnectionLost`, `CommandRefused`, or `CommandTimedOut` after ``acknowledge_seconds``.
        """
        await trio.lowlevel.checkpoint()
        session = self._ready_session()
        outgoing = Outgoing(data, reply_to)
        session.sender.send(outgoing)
        seconds = self.config.acknowledge_seconds if reply_to is not None else math.inf
        try:
            with trio.move_on_after(seconds):
                return await outgoing.outcome()
        finally:
            if not outgoing.is_done:
                session.sender.withdraw(outgoing)
        raise CommandTimedOut(f"{self.config.name}: no answer to {reply_to!r} within {seconds} s")

    def send_nowait(self, data: str | bytes) -> None:
        """Queue a message. One that is lost with the connection is counted as ``unsent``."""
        self._ready_session().sender.send(Outgoing(data))

    def statistics(self) -> ConnectionStatistics:
        """What the connection is, did and lost so far."""
        return connection_statistics(self._upkeep)

    # -- steps

    def _new_id(self) -> int:
        return next(self._ids)

    def _check_open(self, *subscriptions: Subscription) -> None:
        if subscriptions and type(self.protocol).subscribe is Protocol.subscribe:
            self.protocol.subscribe(subscriptions, self._new_id)  # which says what is missing
        if self._upkeep.is_over:
            raise ConnectionLost(f"{self.config.name} is shut down; build a new connection")

    def _ready_session(self) -> Session:
        if self._upkeep.session is None or self.state is not State.CONNECTED:
            raise ConnectionLost(
                f"{self.config.name} is {self.state.value}, so nothing can be sent; first "
                "wait_state(State.CONNECTED), or subscribe, which waits"
            )
        return self._upkeep.session

    def _attend(self, subscription: Subscription) -> None:
        is_told_apart = type(self.protocol).speaker is not Protocol.speaker
        if subscription.max_silence_seconds is not None and is_told_apart:
            self.router.listen(self._hear)
        self._wake()

    def _wake(self) -> None:
        if self._upkeep.session is not None:
            self._upkeep.session.wake()

    async def _answered(self, waiters: list[Waiter]) -> None:
        outcome = Outgoing("")

        def tell(error: SocketError | None) -> None:
            if error is None:
                outcome.succeed()
            else:
                outcome.fail(error)

        waiters.append(tell)
        self._wake()
        try:
            await outcome.outcome()
        finally:
            if tell in waiters:
                waiters.remove(tell)

    def _hear(self, message: Any) -> None:
        try:
            key = self.protocol.speaker(message)
            if key is not None:
                self.heard(key)
        except Exception as error:
            self._causes.warning("the protocol's speaker failed", cause_of(error), exc_info=error)

    def _control(self, message: Any) -> bool:
        """Use a message that is a reply; return whether it was one."""
        try:
            reply = self.protocol.reply(message)
            if isinstance(reply, Accepted | Rejected):
                hash((reply.command, reply.keys))  # they are the peer's words, and may be anything
        except Exception as error:
            self._upkeep.traffic.unmatched_replies += 1
            self._causes.warning("the protocol's reply failed", cause_of(error), exc_info=error)
            return False
        if reply is None:
            return False
        if self._upkeep.session is None or not self._upkeep.session.take(reply, message):
            self._upkeep.traffic.unmatched_replies += 1
            self._causes.warning("a reply answers nothing", type(reply).__name__, reply=repr(reply)[:300])
        return True
