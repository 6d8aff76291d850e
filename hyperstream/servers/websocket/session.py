"""One WebSocket: the peer's frames in, the messages of its subscriptions out.

**Writing.** A message of a subscription that keeps up is written from the publisher's own call: ``write``
hands the shared frame to the kernel. Only when the kernel takes less, or something waits already, does a
task come into being: the sender. It sends in this order what waits: pongs, answers, then the subscriptions'
messages in turn; and ends when nothing waits. While it lives no subscription of the session is idle, so that
nothing overtakes it. A session that keeps up is one sleeping task and nothing else.

**One message in many frames** (the snapshot of all orders) may be interrupted by nothing but control frames.
While one is under way the sender takes from its subscription alone.

**Reading** stops while more than ``MAX_ANSWERS`` answers wait: who asks but does not listen is not heard.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import trio
from attrs import define, field, frozen
from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from hyperstream.hub.cursor import Stage
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Contract, OutboxLimits, Subscription
from hyperstream.hub.topic import Snapshot, WireFormat
from hyperstream.servers.door.bucket import TokenBucket
from hyperstream.servers.door.usage import Usage
from hyperstream.servers.websocket.transport import Transport
from hyperstream.wire.json.frames import text_frame

STALL_SECONDS = 10.0
PONG_SECONDS = 10.0
CLOSE_SECONDS = 2.0
MAX_ANSWERS = 64
MAX_FRAGMENTS = 64
EVENTS_A_TURN = 32
# Messages: a client may subscribe to every market at once. Control frames and fragments: nobody needs many.
MESSAGES_PER_SECOND, MESSAGE_BURST = 100.0, 3000.0
CONTROLS_PER_SECOND, CONTROL_BURST = 20.0, 200.0
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

    max_message_bytes: int = 8_192
    max_fragments: int = MAX_FRAGMENTS
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
    subscriptions: list[Subscription] = field(factory=list)
    _nursery: trio.Nursery | None = None
    _can_write: bool = False
    _is_sending: bool = False
    _is_deaf: bool = False
    _is_ending: bool = False
    _controls: deque[bytes] = field(factory=deque)
    _answers: deque[bytes] = field(factory=deque)
    _has_room: trio.Event | None = None
    _next_turn: int = 0
    _open: Subscription | None = None
    _open_snapshot: Snapshot | None = None
    _in_parts: dict[Subscription, None] = field(factory=dict)
    _parts: list[str | bytes] = field(factory=list)
    _size: int = 0
    _fragments: int = 0
    _messages: TokenBucket = field(factory=lambda: TokenBucket(MESSAGES_PER_SECOND, MESSAGE_BURST))
    _control_tokens: TokenBucket = field(factory=lambda: TokenBucket(CONTROLS_PER_SECOND, CONTROL_BURST))
    _received_at: float = 0.0
    _pinged_at: float | None = None
    _closing_at: float | None = None
    _progress: int = -1
    _progress_at: float = 0.0

    # --- the peer's side ---

    async def run(self, dialect: Dialect) -> None:
        """Serve until either side has closed; the transport is still to be closed then."""
        self._received_at = self.watchman.now()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._set_idle()
                await self._receive_all(dialect)
                nursery.cancel_scope.cancel(reason="the peer has gone")
        finally:
            self._nursery = None
            self._set_idle()
            for subscription in self.subscriptions:
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
                    while len(self._answers) > MAX_ANSWERS:
                        self._has_room = trio.Event()
                        await self._has_room.wait()
                    handled += 1
                    if handled % EVENTS_A_TURN == 0:
                        await trio.lowlevel.checkpoint()
                data = await self.transport.receive()
                if not data:
                    return
                self._received_at = self.watchman.now()
                self._pinged_at = None
                if not self._is_deaf:
                    self.protocol.receive_data(data)
        except trio.BrokenResourceError:
            return

    async def _say_last(self) -> None:
        """Both have said goodbye: send what is left of ours."""
        with trio.move_on_after(CLOSE_SECONDS):
            await self.transport.flush()

    def _handle(self, event: Event, dialect: Dialect) -> None:
        if isinstance(event, Message):
            self._gather(event, dialect)
        elif isinstance(event, CloseConnection):
            self._peer_closes(event)
        elif not self._control_tokens.take(self._received_at):
            self._refuse("floods of control frames", CloseReason.POLICY_VIOLATION, "too many control frames")
        elif isinstance(event, Ping) and self._closing_at is None:
            self._send_control(bytes(self.protocol.send(event.response())))

    def _gather(self, event: Message[Any], dialect: Dialect) -> None:
        """Put a message together; bounded in bytes, in fragments and in messages a second."""
        if self._closing_at is not None:
            return
        data = event.data
        self._size += len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())
        if data:
            self._parts.append(data if isinstance(data, str) else bytes(data))
        if self._size > self.limits.max_message_bytes:
            text = f"messages may have {self.limits.max_message_bytes} bytes"
            self._refuse("messages too big", CloseReason.MESSAGE_TOO_BIG, text)
            return
        if not event.message_finished:
            if event.frame_finished:
                self._fragments += 1
                if self._fragments > self.limits.max_fragments:
                    text = f"a message may have {self.limits.max_fragments} fragments"
                    self._refuse("messages in too many fragments", CloseReason.POLICY_VIOLATION, text)
            return
        parts, self._parts = self._parts, []
        self._size = self._fragments = 0
        if not self._messages.take(self._received_at):
            text = f"more than {MESSAGES_PER_SECOND:.0f} messages a second"
            self._refuse("floods of messages", CloseReason.POLICY_VIOLATION, text)
        elif isinstance(event, TextMessage):
            dialect.receive("".join(part for part in parts if isinstance(part, str)))
        elif isinstance(event, BytesMessage):
            dialect.receive(b"".join(part for part in parts if isinstance(part, bytes)))

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
            self._refuse(cause.get(code, "protocol errors"), code, event.reason or "")

    def _refuse(self, cause: str, code: CloseReason, reason: str) -> None:
        """The peer did what it may not: close, and listen to nothing more."""
        self.watchman.tell(cause, reason=reason)
        self._is_deaf = True
        self.close(code, reason)

    # --- what may be done with a session ---

    def answer(self, payload: bytes) -> None:
        """Send a message of this session alone, before whatever its subscriptions have waiting."""
        if self._closing_at is not None:
            return
        frame = text_frame(payload)
        if not self.write(frame):
            self._answers.append(frame)
            self._start_sending()

    def send(self, frame: bytes) -> None:
        """The same with a whole frame, such as one that is compressed."""
        if self._closing_at is None and not self.write(frame):
            self._answers.append(frame)
            self._start_sending()

    def subscribe(
        self, contract: Contract, wire_format: WireFormat, *, in_parts: bool = False
    ) -> Subscription:
        """Open a subscription of the hub. ``in_parts``: its snapshots are one message in many frames."""
        subscription = self.hub.subscribe(contract, wire_format, self.wake, self.limits.outbox)
        subscription.write = self.write
        subscription.is_idle = self._can_write
        self.subscriptions.append(subscription)
        if in_parts:
            self._in_parts[subscription] = None
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Take nothing of a subscription any more; if its snapshot is under way, when that has been sent."""
        subscription.finish()
        if self._open is not subscription:
            self._in_parts.pop(subscription, None)
            self.subscriptions.remove(subscription)

    def close(self, code: CloseReason, reason: str) -> None:
        """Say goodbye behind what is being sent at this moment; what waits otherwise is dropped."""
        if self._closing_at is not None or self.protocol.state is not ConnectionState.OPEN:
            return
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        self._begin_closing(bytes(self.protocol.send(CloseConnection(code=code, reason=short))))

    def drain(self) -> None:
        """Nothing more will come from the hub: close when what waits has been sent."""
        self._is_ending = True
        self.wake()

    def revoke(self) -> None:
        """Its key is no longer in force."""
        self.watchman.tell("sessions of revoked keys")
        self.close(CloseReason.POLICY_VIOLATION, "the API key of this connection has been revoked")

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
        if self._pinged_at is not None:
            if now - self._pinged_at > PONG_SECONDS:
                self.abort("peers without a sign of life")
        elif now - self._received_at > self.limits.ping_seconds:
            self._pinged_at = now
            self._send_control(bytes(self.protocol.send(Ping())))

    # --- writing ---

    def _set_idle(self) -> None:
        """Say whether messages may be written at once, after anything that this depends on."""
        is_open = self._nursery is not None and self._closing_at is None
        is_shaped = self.usage is not None and self.usage.has_rate
        self._can_write = is_open and not self._is_sending and not is_shaped
        for subscription in self.subscriptions:
            subscription.is_idle = self._can_write

    def write(self, data: bytes) -> bool:
        """Write whole frames now, if nothing waits; False, and nothing written, otherwise."""
        if not self._can_write:
            return False
        if data:
            transport = self.transport
            transport.send(data)
            if transport.has_unsent:
                self._start_sending()
        return True

    def wake(self) -> None:
        """There is something to take. Called by the publisher."""
        self._start_sending()

    def _start_sending(self) -> None:
        if self._is_sending or self._nursery is None:
            return
        self._is_sending = True
        self._set_idle()
        self._nursery.start_soon(self._send_waiting, name="websocket sender")

    async def _send_waiting(self) -> None:
        """Send what waits, then be gone."""
        transport = self.transport
        try:
            while True:
                await transport.flush()
                data = self._take()
                if data is None:
                    break
                if self.usage is not None and self.usage.has_rate:
                    await trio.sleep(self.usage.send(self.watchman.now(), len(data)))
                transport.send(data)
                await trio.lowlevel.checkpoint()
        except trio.BrokenResourceError:
            self._end("the peer is gone")
        finally:
            self._is_sending = False
            self._set_idle()

    def _take(self) -> bytes | None:
        """The next bytes to send; None if nothing waits."""
        if self._controls:
            return self._controls.popleft()
        if self._closing_at is not None:
            return None
        if self._open is not None:
            return self._take_part(self._open)
        if self._answers:
            if self._has_room is not None and len(self._answers) <= MAX_ANSWERS:
                self._has_room.set()
            return self._answers.popleft()
        subscriptions = self.subscriptions
        for _ in range(len(subscriptions)):
            self._next_turn = (self._next_turn + 1) % len(subscriptions)
            subscription = subscriptions[self._next_turn]
            while (message := subscription.take()) is not None:
                if subscription in self._in_parts:
                    self._open_snapshot = _snapshot_under_way(subscription)
                    self._open = subscription if self._open_snapshot is not None else None
                if message:
                    return message
        return self._take_last()

    def _take_part(self, subscription: Subscription) -> bytes | None:
        """More of the message that is under way. What cannot be ended as begun ends the session."""
        is_same = _snapshot_under_way(subscription) is self._open_snapshot
        message = subscription.take() if is_same and not subscription.cut else None
        if message is None:
            reason = subscription.cut or "the book was replaced while its snapshot was sent; subscribe again"
            self._open = None
            self.close(CloseReason.TRY_AGAIN_LATER, reason)
            return self._take()
        if _snapshot_under_way(subscription) is None:
            self._open = self._open_snapshot = None
            if subscription.is_finished and not self._is_ending:
                self.drop(subscription)
        return message

    def _take_last(self) -> bytes | None:
        """Nothing waits: say goodbye if that was all there will ever be."""
        cut = next((subscription.cut for subscription in self.subscriptions if subscription.cut), "")
        if cut:
            self.watchman.tell("readers too slow for LOSSLESS")
            self.close(CloseReason.POLICY_VIOLATION, cut)
        elif self._is_ending:
            text = "hyperstream is shutting down; connect again in a moment"
            self.close(CloseReason.GOING_AWAY, text)
        return self._controls.popleft() if self._controls else None

    def _begin_closing(self, frame: bytes) -> None:
        """Our close frame is the last we send."""
        self._closing_at = self.watchman.now()
        self._set_idle()
        self._answers.clear()
        if self._has_room is not None:
            self._has_room.set()
        self._send_control(frame)

    def _send_control(self, frame: bytes) -> None:
        """Send a control frame, behind nothing but the frame that is being sent."""
        if self._is_sending:
            self._controls.append(frame)
            return
        self.transport.send(frame)
        if self.transport.has_unsent:
            self._start_sending()

    def _end(self, reason: str) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel(reason=reason)


def _snapshot_under_way(subscription: Subscription) -> Snapshot | None:
    """The snapshot of which parts have been taken and others have not."""
    for cursor in subscription.cursors.values():
        if cursor.stage is Stage.SNAPSHOT and cursor.backlog is not None:
            return cursor.backlog.snapshot
    return None
