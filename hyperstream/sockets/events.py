"""What happens to a connection, as values, and the bounded queues they are told through."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from enum import Enum
from types import TracebackType
from typing import Final

import trio
from attrs import define, field, frozen

EVENT_CAPACITY: Final = 256


class State(Enum):
    """Where a connection stands. SHUTTING_DOWN is terminal."""

    DISCONNECTED = "disconnected"  # not begun
    CONNECTING = "connecting"  # an attempt is being made
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  # waiting before the next attempt
    SHUTTING_DOWN = "shutting down"


@frozen
class StateChange:
    """The state changed. ``time`` is Trio's clock, in seconds.

    ``attempt`` is 0 until something fails, then the number of the attempt that is made or waited for.
    ``suspects`` are the keys of subscriptions sent so shortly before a loss that they may be its cause.
    """

    old: State
    new: State
    reason: str
    attempt: int
    time: float
    suspects: tuple[Hashable, ...] = ()


@frozen
class Gap:
    """Something may have been missed of these subscriptions since ``since`` (Trio's clock, seconds)."""

    keys: tuple[Hashable, ...]
    since: float
    reason: str
    time: float


@frozen
class Restored:
    """The peer has accepted these subscriptions again after a gap."""

    keys: tuple[Hashable, ...]
    time: float


@frozen
class Refusal:
    """The peer refused a subscription nobody waits for; it stays desired and is asked for again later."""

    key: Hashable
    reason: str
    retry_seconds: float
    time: float


@frozen
class Missed:
    """This reader was too slow: so many of the oldest events were dropped before the next one."""

    count: int


Event = StateChange | Gap | Restored | Refusal | Missed


@define(eq=False, repr=False)
class EventReader:
    """One reader's events, oldest first, at most ``capacity`` of them.

    Whoever keeps up loses nothing. Past the capacity the oldest are dropped, and the next thing read is
    a `Missed` with their number. Iteration ends when the connection is over and everything was read.
    """

    _forget: Callable[[EventReader], None]
    capacity: int = EVENT_CAPACITY
    _events: deque[Event] = field(factory=deque)
    _missed: int = 0
    _is_over: bool = False
    _lot: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def put(self, event: Event) -> None:
        """Queue an event; called by the connection."""
        if self._is_over:
            return
        if len(self._events) >= self.capacity:
            self._events.popleft()
            self._missed += 1
        self._events.append(event)
        self._lot.unpark()

    def end(self) -> None:
        """No event will follow; called by the connection."""
        self._is_over = True
        self._lot.unpark_all()

    def receive_nowait(self) -> Event:
        """Return the next event. Raises `trio.WouldBlock` if there is none, `trio.EndOfChannel` for good."""
        if self._missed:
            count, self._missed = self._missed, 0
            return Missed(count)
        if self._events:
            return self._events.popleft()
        if self._is_over:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> Event:
        """Wait for the next event. Raises `trio.EndOfChannel` when the connection is over."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                await self._lot.park()

    def close(self) -> None:
        """Read no more: the connection forgets this reader."""
        self._forget(self)
        self._events.clear()
        self.end()

    def __aiter__(self) -> EventReader:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def __enter__(self) -> EventReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@define(eq=False, repr=False)
class EventBoard:
    """Tells every reader every event."""

    _readers: list[EventReader] = field(factory=list)
    _is_over: bool = False

    def reader(self, capacity: int = EVENT_CAPACITY) -> EventReader:
        """Return a reader of all that happens from now on."""
        reader = EventReader(self._forget, capacity)
        if self._is_over:
            reader.end()
        else:
            self._readers.append(reader)
        return reader

    def tell(self, event: Event) -> None:
        """Queue an event for every reader."""
        for reader in self._readers:
            reader.put(event)

    def end(self) -> None:
        """Let every reader end once it has read what is queued."""
        self._is_over = True
        for reader in self._readers:
            reader.end()
        self._readers.clear()

    def _forget(self, reader: EventReader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)
