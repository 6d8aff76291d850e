"""The upkeep of a connection: attempts, sessions, states, and the end.

It runs in one task of the connection's nursery. A life goes CONNECTING → CONNECTED → (lost) RECONNECTING →
CONNECTING …, and an attempt that fails goes to RECONNECTING too. SHUTTING_DOWN ends it, from any state.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable
from typing import Any

import trio
from attrs import define, field

from hyperstream.errors import ConnectFailed, ConnectionLost
from hyperstream.log_once import LogOnce
from hyperstream.sockets.causes import cause_of
from hyperstream.sockets.config import SocketConfig
from hyperstream.sockets.connecting import Attempt, OpenStream
from hyperstream.sockets.events import Event, EventBoard, Gap, State, StateChange
from hyperstream.sockets.ledger import Ledger
from hyperstream.sockets.protocol import Protocol
from hyperstream.sockets.record import answer
from hyperstream.sockets.router import Router
from hyperstream.sockets.session import Ending, Session
from hyperstream.sockets.statistics import Traffic
from hyperstream.token_bucket import TokenBucket


@define(eq=False, repr=False)
class Upkeep:
    """What keeps one connection up: it makes session after session under the reconnect strategy."""

    config: SocketConfig
    router: Router
    protocol: Protocol
    opener: OpenStream
    new_id: Callable[[], int]
    log: Any
    causes: LogOnce
    ledger: Ledger = field(init=False)
    state: State = field(init=False, default=State.DISCONNECTED)
    session: Session | None = field(init=False, default=None)
    attempt: int = field(init=False, default=0)
    connects: int = field(init=False, default=0)
    losses: int = field(init=False, default=0)
    connect_failures: int = field(init=False, default=0)
    connected_at: float | None = field(init=False, default=None)
    has_crashed: bool = field(init=False, default=False)
    traffic: Traffic = field(init=False, factory=Traffic)
    board: EventBoard = field(init=False, factory=EventBoard)
    _bucket: TokenBucket = field(init=False)
    _waiting: dict[State, trio.Event] = field(init=False, factory=dict)
    _stopping: trio.Event = field(init=False, factory=trio.Event)
    _goodbye: tuple[int, str] = field(init=False, default=(1000, ""))
    _scope: trio.CancelScope = field(init=False, factory=lambda: trio.CancelScope(shield=True))
    _attempt_scope: trio.CancelScope = field(init=False, factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        config = self.config
        self.ledger = Ledger(
            self.protocol,
            self.new_id,
            self.tell,
            config.acknowledge_seconds,
            config.subscribe_batch,
            config.refused_seconds,
            config.blame_seconds,
        )
        self._bucket = TokenBucket(config.message_rate, config.message_burst)

    @property
    def is_over(self) -> bool:
        """Whether it is shutting down, or has."""
        return self.state is State.SHUTTING_DOWN

    def stop(self, code: int = 1000, goodbye: str = "") -> None:
        """Begin to shut down: send what is queued, then close with this code and reason."""
        if self._stopping.is_set():
            return
        self._goodbye = code, goodbye
        self._stopping.set()
        self._scope.deadline = trio.current_time() + self.config.close_seconds
        if not self.is_over:
            self._change(State.SHUTTING_DOWN, "stopped")
        self._attempt_scope.cancel(reason="the connection is stopped")
        if self.session is not None:
            self._leave(self.session, "stopped")

    async def wait_state(self, state: State) -> None:
        """Wait until the connection is in a state, or has been since the call.

        Raises `ConnectionLost` if the connection ends first.
        """
        await trio.lowlevel.checkpoint()
        if self.state is not state:
            self._check_possible(state)
            await self._waiting.setdefault(state, trio.Event()).wait()
            self._check_possible(state)

    def _check_possible(self, state: State) -> None:
        if self.is_over and state is not State.SHUTTING_DOWN:
            raise ConnectionLost(f"{self.config.name} is shut down: it will not be {state.value} any more")

    async def live(self) -> None:
        """Keep the connection up until it is stopped or given up."""
        # The scope is shielded because the goodbye has to be said after whoever holds the connection was
        # cancelled. It always ends: `Connection.__aexit__` runs whatever happens, and `stop` gives the scope
        # its deadline.
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.router.run, name=f"{self.config.name}: routes")
                    await self._keep_connected()
                    self.router.finish()
        except BaseException:
            self.has_crashed = True
            raise
        finally:
            dropped = self.router.release()
            self._finish(dropped)

    def _finish(self, dropped: int) -> None:
        if self._scope.cancelled_caught or dropped:
            self.log.warning(
                "closing took too long and was cut short",
                close_seconds=self.config.close_seconds,
                dropped_messages=dropped,
            )
        if self.state is not State.SHUTTING_DOWN:
            self._change(State.SHUTTING_DOWN, "crashed" if self.has_crashed else "given up")
        error = ConnectionLost(f"{self.config.name} is shut down")
        for record in list(self.ledger.records.values()):
            answer(record.joining, error)
            answer(record.leaving, None)
        self.board.end()

    async def _keep_connected(self) -> None:
        reason, at_least = "started", 0.0
        while not self._stopping.is_set():
            self._change(State.CONNECTING, reason)
            suspects: tuple[Hashable, ...] = ()
            is_planned, at_least = False, 0.0
            try:
                session = await self._connect()
                if session is None:
                    return
                ending = await self._use(session)
            except ConnectFailed as error:
                if self._stopping.is_set():
                    return
                self.connect_failures += 1
                reason, at_least = str(error), error.retry_after_seconds or 0.0
                self.causes.warning("cannot connect", (error.kind, error.status), reason=reason)
            else:
                reason, is_planned = ending.reason, ending.is_planned
                suspects = self._lost(session, ending)
            if self._stopping.is_set():
                return
            delay = self._delay(is_planned)
            if delay is None:
                self.log.warning("gave up connecting", reason=reason, attempts=self.attempt)
                self._change(State.SHUTTING_DOWN, f"gave up: {reason}", suspects)
                return
            self._change(State.RECONNECTING, reason, suspects)
            with trio.move_on_after(max(delay, at_least)):
                await self._stopping.wait()

    def _delay(self, is_planned: bool) -> float | None:
        """Count the attempt to come; return the wait before it."""
        lasted = trio.current_time() - self.connected_at if self.connected_at is not None else 0.0
        self.connected_at = None
        if lasted >= self.config.healthy_seconds:
            self.attempt = 0
            if is_planned:
                return 0.0
        self.attempt += 1
        return self.config.reconnect.delay(self.attempt)

    async def _connect(self) -> Session | None:
        """Return a session, or None if the connection is stopped meanwhile. Raises `ConnectFailed`."""
        attempt = Attempt(self.config, self.opener, self._count_sent)
        with trio.CancelScope() as self._attempt_scope:
            transport, endpoint = await attempt.connect()
            now = trio.current_time()
            return Session(
                transport=transport,
                endpoint=endpoint,
                config=self.config,
                protocol=self.protocol,
                ledger=self.ledger,
                router=self.router,
                bucket=self._bucket,
                traffic=self.traffic,
                new_id=self.new_id,
                on_ready=self._ready,
                causes=self.causes,
                max_age_at=now + self._lifetime(),
            )
        return None

    async def _use(self, session: Session) -> Ending:
        self.session = session
        try:
            if self._stopping.is_set():
                self._leave(session, "stopped")
            return await session.run()
        finally:
            self.session = None
            self.traffic.received_bytes += session.transport.received_bytes

    def _count_sent(self) -> None:
        self._bucket.owe(trio.current_time())

    def _ready(self) -> None:
        if self._stopping.is_set():
            return
        self.connects += 1
        self.connected_at = trio.current_time()
        self.causes.forget("cannot connect")
        self._change(State.CONNECTED, "connected")

    def _lost(self, session: Session, ending: Ending) -> tuple[Hashable, ...]:
        if ending.is_planned:
            self.log.info("the connection is closed as planned", reason=ending.reason)
        else:
            self.losses += 1
            self.causes.warning("the connection was lost", ending.reason, reason=ending.reason)
        blame_seconds = 0.0 if ending.is_planned else self.config.blame_seconds
        return self.ledger.lost(trio.current_time(), session.read_at, ending.reason, blame_seconds)

    def _lifetime(self) -> float:
        config = self.config
        if config.max_age_seconds is None:
            return math.inf
        return config.max_age_seconds - random.uniform(0, config.max_age_jitter_seconds)

    def _leave(self, session: Session, reason: str) -> None:
        code, goodbye = self._goodbye
        session.leave(reason, code=code, goodbye=goodbye, seconds=self.config.close_seconds)

    def _change(self, new: State, reason: str, suspects: tuple[Hashable, ...] = ()) -> None:
        old, self.state = self.state, new
        # Failures and losses are said as warnings, once per cause; the attempts between them are no news.
        say = self.log.debug if new in (State.CONNECTING, State.RECONNECTING) else self.log.info
        say("state changed", old=old.value, new=new.value, reason=reason, attempt=self.attempt)
        self.tell(StateChange(old, new, reason, self.attempt, trio.current_time(), suspects))
        reached = self._waiting.pop(new, None)
        if reached is not None:
            reached.set()
        if new is State.SHUTTING_DOWN:
            for event in self._waiting.values():
                event.set()
            self._waiting.clear()

    def tell(self, event: Event) -> None:
        """Tell every reader an event, and a gap to the subscriptions it concerns."""
        self.board.tell(event)
        if isinstance(event, Gap):
            for key in event.keys:
                record = self.ledger.records.get(key)
                on_gap = record.subscription.on_gap if record is not None else None
                if on_gap is not None:
                    self._call(on_gap, event)

    def _call(self, on_gap: Callable[[Gap], None], gap: Gap) -> None:
        try:
            on_gap(gap)
        except Exception as error:
            self.causes.warning("on_gap failed", cause_of(error), exc_info=error)
