"""What a session sends: at once if possible, else in turn, by a task that lives while something waits.

A message of a subscription that keeps up is written from the publisher's own call: ``write`` hands the shared
frame to the kernel. Only when the kernel takes less, or something waits already, does a task come into
being. It sends in this order what waits: control frames, answers, then the subscriptions' messages in turn,
as many bytes of each; and ends when nothing waits. While it lives no subscription of the session is idle, so
that nothing overtakes it. A session that keeps up has no such task.

One message in many frames (the snapshot of all orders) may be interrupted by nothing but control frames.
While one is under way its subscription alone is taken from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio
from attrs import define, field

from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Snapshot
from hyperstream.servers.door.transport import Transport
from hyperstream.servers.door.usage import Usage

MAX_ANSWERS = 64
# Sent at a turn, about. A session may have a thousand subscriptions: with a message a turn it would get
# fifteen a second while the engine has a backlog of blocks, which it applies one a turn.
TURN_BYTES = 65_536
# Of one subscription before it is another's turn, about.
SHARE_BYTES = 16_384


@define(eq=False)
class Sender:
    """Sends for one session. ``usage`` has the rate of its key to keep to, if there is one.

    ``on_dry`` is called when nothing waits any more, ``on_broken`` when the peer is gone, ``on_torn`` when
    a message in many frames cannot be ended as it was begun.
    """

    transport: Transport
    usage: Usage | None
    now: Callable[[], float]
    on_dry: Callable[[], None]
    on_broken: Callable[[], None]
    on_torn: Callable[[str], None]
    subscriptions: list[Subscription] = field(factory=list)
    _send: Callable[[bytes], bool] = field(init=False)
    _nursery: trio.Nursery | None = None
    _is_shut: bool = False
    _can_write: bool = False
    is_sending: bool = False
    _controls: deque[bytes] = field(factory=deque)
    _answers: deque[bytes] = field(factory=deque)
    _has_room: trio.Event | None = None
    _is_done: trio.Event | None = None
    _turn: int = 0
    _credit: int = 0
    _debts: dict[Subscription, int] = field(factory=dict)
    _leaving: list[Subscription] = field(factory=list)
    _open: Subscription | None = None
    _open_snapshot: Snapshot | None = None

    def __attrs_post_init__(self) -> None:
        self._send = self.transport.send

    def start(self, nursery: trio.Nursery) -> None:
        """Messages may be sent from now on; tasks are started in this nursery."""
        self._nursery = nursery
        self._set_idle()

    def stop(self) -> None:
        """The session has ended."""
        self._nursery = None
        self._set_idle()

    def shut(self, last: bytes) -> None:
        """Send this control frame, and then nothing more; what waits is dropped."""
        self._is_shut = True
        self._set_idle()
        self._answers.clear()
        if self._has_room is not None:
            self._has_room.set()
        self.send_control(last)

    def add(self, subscription: Subscription, *, in_parts: bool) -> None:
        """Take messages from this subscription too. ``in_parts``: its snapshots are single messages."""
        subscription.write = self._write_idle
        subscription.in_parts = in_parts
        subscription.is_idle = self._can_write
        self.subscriptions.append(subscription)

    def drop(self, subscription: Subscription) -> None:
        """Take nothing of it any more; if its snapshot is under way, when that has been sent."""
        subscription.finish()
        if self._open is subscription:
            self._leaving.append(subscription)
            return
        self._debts.pop(subscription, None)
        self.subscriptions.remove(subscription)

    def _set_idle(self) -> None:
        """Say whether messages may be written at once, after anything that this depends on."""
        is_open = self._nursery is not None and not self._is_shut
        is_shaped = self.usage is not None and self.usage.has_rate
        self._can_write = is_open and not self.is_sending and not is_shaped
        for subscription in self.subscriptions:
            subscription.is_idle = self._can_write

    # --- sending ---

    def write(self, data: bytes) -> bool:
        """Write whole frames now, if nothing waits; False, and nothing written, otherwise."""
        return self._can_write and self._write_idle(data)

    def _write_idle(self, data: bytes) -> bool:
        """The same for who knows that nothing waits: subscriptions, as long as they are idle."""
        if data and not self._send(data):
            self.wake()
        return True

    def send(self, frame: bytes) -> None:
        """Send a message of this session alone, before whatever its subscriptions have waiting."""
        if not self._is_shut and not self.write(frame):
            self._answers.append(frame)
            self.wake()

    def send_control(self, frame: bytes) -> None:
        """Send a control frame, behind nothing but the frame that is being sent."""
        if self.is_sending:
            self._controls.append(frame)
            return
        self.transport.send(frame)
        if self.transport.has_unsent:
            self.wake()

    @property
    def is_full(self) -> bool:
        """Whether too many answers wait for another question to be heard."""
        return len(self._answers) > MAX_ANSWERS

    async def wait_room(self) -> None:
        """Wait while too many answers wait: who asks but does not listen is not heard."""
        while self.is_full:
            self._has_room = trio.Event()
            await self._has_room.wait()

    async def wait_done(self) -> None:
        """Wait until nothing is being sent."""
        while self.is_sending:
            self._is_done = trio.Event()
            await self._is_done.wait()

    def wake(self) -> None:
        """There is something to take. Called by the publisher, too."""
        if self.is_sending or self._nursery is None:
            return
        self.is_sending = True
        self._set_idle()
        self._nursery.start_soon(self._send_waiting, name="websocket sender")

    async def _send_waiting(self) -> None:
        """Send what waits, then be gone."""
        transport, usage = self.transport, self.usage
        try:
            while True:
                await transport.flush()
                is_shaped = usage is not None and usage.has_rate
                data = self._take_turn(1 if is_shaped else TURN_BYTES)
                if not data:
                    self.on_dry()
                    data = self._controls.popleft() if self._controls else b""
                if not data:
                    break
                if usage is not None and is_shaped:
                    await trio.sleep(usage.send(self.now(), len(data)))
                transport.send(data)
                await trio.lowlevel.checkpoint()
        except trio.BrokenResourceError:
            self.on_broken()
        finally:
            self.is_sending = False
            self._set_idle()
            if self._is_done is not None:
                self._is_done.set()

    # --- what is next ---

    def _take_turn(self, most: int) -> bytes:
        """The next messages to send together, until they are so long; empty if nothing waits."""
        messages: list[bytes] = []
        size = 0
        while size < most and (message := self._take()) is not None:
            messages.append(message)
            size += len(message)
        return b"".join(messages)

    def _take(self) -> bytes | None:
        """The next bytes to send; None if nothing waits."""
        if self._controls:
            return self._controls.popleft()
        if self._is_shut:
            return None
        if self._open is not None:
            return self._take_part(self._open)
        if self._answers:
            if self._has_room is not None and len(self._answers) <= MAX_ANSWERS:
                self._has_room.set()
            return self._answers.popleft()
        message = self._take_in_turn()
        if message is None and self._debts:
            self._debts.clear()  # nobody else has anything to send
            message = self._take_in_turn()
        return message

    def _take_in_turn(self) -> bytes | None:
        """A message of the subscription whose turn it is, or of the next that has one and owes nothing.

        A turn is SHARE_BYTES long. Who sends more in it, because its messages are long, owes the rest to the
        others: else trades, a message a block, would wait for all books between each block and the next.
        """
        subscriptions = self.subscriptions
        if not subscriptions:
            return None
        for _ in range(len(subscriptions) + 1):
            subscription = subscriptions[self._turn % len(subscriptions)]
            if self._credit > 0:
                while (message := subscription.take()) is not None:
                    if subscription.in_parts:
                        self._open_snapshot = _snapshot_under_way(subscription)
                        self._open = subscription if self._open_snapshot is not None else None
                    if message:
                        self._credit -= len(message)
                        return message
            elif self._credit < 0:
                self._debts[subscription] = -self._credit
            self._turn = (self._turn + 1) % len(subscriptions)
            self._credit = SHARE_BYTES - self._debts.pop(subscriptions[self._turn], 0)
        if self._credit < 0:
            self._debts[subscriptions[self._turn]] = -self._credit
            self._credit = 0
        return None

    def _take_part(self, subscription: Subscription) -> bytes | None:
        """More of the message that is under way."""
        is_same = _snapshot_under_way(subscription) is self._open_snapshot
        message = subscription.take() if is_same and not subscription.cut else None
        if message is None:
            self._open = None
            torn = "the book was replaced while its snapshot was sent; subscribe again"
            self.on_torn(subscription.cut or torn)
            return self._take()
        if _snapshot_under_way(subscription) is None:
            self._open = self._open_snapshot = None
            if subscription in self._leaving:
                self._leaving.remove(subscription)
                self.drop(subscription)
        return message


def _snapshot_under_way(subscription: Subscription) -> Snapshot | None:
    """The snapshot of which parts have been taken and others have not."""
    cursor = subscription.under_way
    return cursor.backlog.snapshot if cursor is not None and cursor.backlog is not None else None
