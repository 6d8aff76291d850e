"""One WebSocket: the peer's frames in, the messages of its subscriptions out (``sender.py``), and its end.

Reading stops while too many answers wait. A peer has deadlines to keep: an answer to a ping, progress in
reading what is sent, a goodbye in return for ours.
"""

from __future__ import annotations

from typing import Protocol

import trio
from attrs import define, evolve, field, frozen
from wsproto.connection import Connection, ConnectionState
from wsproto.events import CloseConnection, Event, Message, Ping
from wsproto.frame_protocol import CloseReason

from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import WireFormat
from hyperstream.servers.door.transport import Transport
from hyperstream.servers.door.usage import Usage
from hyperstream.servers.websocket.inbox import Inbox, InboxLimits, Misuse
from hyperstream.servers.websocket.sender import Sender
from hyperstream.wire.json.frames import text_frame

STALL_SECONDS = 10.0
PONG_SECONDS = 10.0
CLOSE_SECONDS = 2.0
EVENTS_A_TURN = 8
# What may come of a market's orders while a snapshot of 50,000 (16 MB) is being read: a few seconds of the
# busiest market with the statuses of all its orders. The bytes are the topic's own, shared by all who wait.
SNAPSHOT_QUEUE_BYTES = 32 << 20
MAX_REASON_BYTES = 123


class Dialect(Protocol):
    """What is spoken on a session."""

    def receive(self, message: str | bytes) -> None:
        """The peer sent a message."""

    def close(self) -> None:
        """The session has ended: give back what it holds."""


@frozen
class SessionLimits:
    """What one session may do."""

    inbox: InboxLimits = field(factory=InboxLimits)
    ping_seconds: float = 20.0
    outbox: OutboxLimits = field(factory=OutboxLimits)


class Watchman(Protocol):
    """Who is told what a peer did."""

    def tell(self, cause: str, **fields: object) -> None:
        """Count it, and log it, but not too often."""

    def now(self) -> float:
        """Seconds that never go back."""


@define(eq=False)
class Session:
    """One open WebSocket. ``usage`` is what its key's sessions use together, None without keys."""

    transport: Transport
    protocol: Connection
    hub: Hub
    watchman: Watchman
    limits: SessionLimits
    usage: Usage | None = None
    _sender: Sender = field(init=False)
    _nursery: trio.Nursery | None = None
    _is_deaf: bool = False
    _is_ending: bool = False
    _inbox: Inbox = field(init=False)
    _received_at: float = 0.0
    _pinged_at: float | None = None
    _closing_at: float | None = None
    _progress: int = -1
    _progress_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._inbox = Inbox(self.limits.inbox)
        self._sender = Sender(
            self.transport,
            self.usage,
            self.watchman.now,
            on_dry=self._has_run_dry,
            on_broken=lambda: self._end("the peer is gone"),
            on_torn=lambda reason: self.close(CloseReason.TRY_AGAIN_LATER, reason),
        )

    # --- the peer's side ---

    async def run(self, dialect: Dialect) -> None:
        """Serve until either side has closed; the transport is still to be closed then."""
        self._received_at = self.watchman.now()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._sender.start(nursery)
                try:
                    await self._receive_all(dialect)
                finally:
                    # From here on the nursery takes no tasks, and the publisher may still call.
                    self._sender.stop()
                nursery.cancel_scope.cancel(reason="the peer has gone")
        finally:
            self._nursery = None
            for subscription in self._sender.subscriptions:
                subscription.finish()
            dialect.close()

    async def _receive_all(self, dialect: Dialect) -> None:
        handled = 0
        try:
            while True:
                for event in self.protocol.events():
                    self._handle(event, dialect)
                    if self.protocol.state is ConnectionState.CLOSED:
                        await self._say_last()
                        return
                    if self._is_deaf:
                        await self._hang_up()
                        return
                    await self._sender.wait_room()
                    handled += 1
                    if handled % EVENTS_A_TURN == 0:
                        await self.transport.give_way()
                data = await self.transport.receive()
                if not data:
                    return
                self._received_at = self.watchman.now()
                self._pinged_at = None
                self.protocol.receive_data(data)
        except trio.BrokenResourceError:
            return

    async def _say_last(self) -> None:
        """Both have said goodbye: send what is left of ours."""
        with trio.move_on_after(CLOSE_SECONDS):
            await self._sender.wait_done()

    async def _hang_up(self) -> None:
        """The peer's goodbye would not be understood any more: end our side, and let it read why.

        RFC 6455, 7.1.7: a server that fails a connection closes it, and does not wait for the client to.
        """
        with trio.move_on_after(CLOSE_SECONDS):
            await self._sender.wait_done()
            await self.transport.hear_out()

    def _handle(self, event: Event, dialect: Dialect) -> None:
        """One event of the peer's; what it may not do ends the session, whatever else it sent."""
        if isinstance(event, CloseConnection):
            self._peer_closes(event)
            return
        if self._closing_at is not None:
            return
        try:
            if isinstance(event, Message):
                message = self._inbox.add(event, self._received_at)
                if message is not None:
                    dialect.receive(message)
            else:
                self._inbox.note_control(self._received_at)
                if isinstance(event, Ping):
                    self._sender.send_control(bytes(self.protocol.send(event.response())))
        except Misuse as misuse:
            self._refuse(misuse.cause, misuse.code, misuse.reason)

    def _peer_closes(self, event: CloseConnection) -> None:
        """The peer said goodbye (or, by wsproto's word, broke the protocol): answer in kind."""
        state = self.protocol.state
        if state is ConnectionState.REMOTE_CLOSING:
            self._begin_closing(bytes(self.protocol.send(event.response())))
        elif state is ConnectionState.OPEN:
            cause = {
                CloseReason.MESSAGE_TOO_BIG: "messages too big",
                CloseReason.INVALID_FRAME_PAYLOAD_DATA: "invalid payloads",
            }
            code = CloseReason(event.code)
            is_too_big = code is CloseReason.MESSAGE_TOO_BIG
            reason = self.limits.inbox.size_reason if is_too_big else event.reason or ""
            self._refuse(cause.get(code, "protocol errors"), code, reason)

    def _refuse(self, cause: str, code: CloseReason, reason: str) -> None:
        """The peer did what it may not: close, and listen to nothing more."""
        self.watchman.tell(cause, reason=reason)
        self._is_deaf = True
        self.close(code, reason)

    @property
    def is_sending(self) -> bool:
        """Whether something waits to be sent."""
        return self._sender.is_sending

    # --- what may be done with a session ---

    def answer(self, payload: bytes) -> None:
        """Send a message of this session alone, before whatever its subscriptions have waiting."""
        self._sender.send(text_frame(payload))

    def send(self, frame: bytes) -> None:
        """The same with a whole frame, such as one that is compressed."""
        self._sender.send(frame)

    def subscribe(
        self, contract: Contract, wire_format: WireFormat, *, in_parts: bool = False
    ) -> Subscription:
        """Open a subscription of the hub. ``in_parts``: its snapshots are one message in many frames.

        Such a message is long, and what is published while it is read waits behind it: more of that may
        wait than of other things.
        """
        limits = self.limits.outbox
        if in_parts:
            limits = evolve(limits, max_bytes=max(limits.max_bytes, SNAPSHOT_QUEUE_BYTES))
        subscription = self.hub.subscribe(contract, wire_format, self._sender.wake, limits)
        subscription.who = f"websocket {self.transport.address}"
        self._sender.add(subscription, in_parts=in_parts)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Take nothing of a subscription any more; if its snapshot is under way, when that has been sent."""
        self._sender.drop(subscription)

    def close(self, code: CloseReason, reason: str) -> None:
        """Say goodbye behind what is being sent at this moment; what waits otherwise is dropped."""
        if self._closing_at is not None or self.protocol.state is not ConnectionState.OPEN:
            return
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        self._begin_closing(bytes(self.protocol.send(CloseConnection(code=code, reason=short))))

    def drain(self) -> None:
        """Nothing more will come from the hub: close when what waits has been sent."""
        self._is_ending = True
        self._sender.wake()

    def abort(self, cause: str) -> None:
        """End at once."""
        self.watchman.tell(cause)
        self._end(cause)

    def check(self, now: float) -> None:
        """Hold the peer to its deadlines; called every second."""
        if self._nursery is None:
            return
        if self._closing_at is not None:
            if now - self._closing_at > CLOSE_SECONDS:
                self._end("the peer does not close")
            return
        sent = self.transport.bytes_sent
        if not self.transport.has_unsent or sent != self._progress:
            self._progress, self._progress_at = sent, now
        elif now - self._progress_at > STALL_SECONDS:
            self.abort("stalled readers")
            return
        if self._sender.is_full:
            # Nothing it sends is read now, an answer to a ping neither: that it reads is its sign of life.
            self._received_at, self._pinged_at = now, None
            return
        if self._pinged_at is not None:
            if now - self._pinged_at > PONG_SECONDS:
                self.abort("peers without a sign of life")
        elif now - self._received_at > self.limits.ping_seconds:
            self._pinged_at = now
            self._sender.send_control(bytes(self.protocol.send(Ping())))

    # --- its end ---

    def _has_run_dry(self) -> None:
        """Nothing waits: say goodbye if that was all there will ever be."""
        if self._closing_at is not None:
            return
        cut = next((subscription.cut for subscription in self._sender.subscriptions if subscription.cut), "")
        if cut:
            self.watchman.tell("readers too slow for LOSSLESS")
            self.close(CloseReason.POLICY_VIOLATION, cut)
        elif self._is_ending:
            text = "hyperstream is shutting down; connect again in a moment"
            self.close(CloseReason.GOING_AWAY, text)

    def _begin_closing(self, frame: bytes) -> None:
        """Our close frame is the last we send."""
        self._closing_at = self.watchman.now()
        self._sender.shut(frame)

    def _end(self, reason: str) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel(reason=reason)
