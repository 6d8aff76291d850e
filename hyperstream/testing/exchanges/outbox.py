"""What waits for one client, and the task that writes it; how a connection ends.

Putting is a plain call, so a step of the venue never waits for a client. Only ``run`` touches the
stream's sending side, so nothing needs a lock. An end that must not wait (RESET, DROP) interrupts a
send that the client does not take.
"""

import math
import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import Enum

import trio
from attrs import define, field, frozen

CLOSE_SECONDS = 2.0
_AT_ONCE_BYTES = 256 << 10
_LINGER_ZERO = struct.pack("ii", 1, 0)


class How(Enum):
    """How a connection ends: TCP reset, FIN without a word, close frame, or FIN and then silence."""

    RESET = "reset"
    DROP = "drop"
    CLOSE = "close"
    HALF_CLOSE = "half_close"


@frozen
class Ending:
    """An end that was decided. Code and reason are those of the close frame, if there is one."""

    how: How
    code: int = 1006
    reason: str = ""

    @property
    def is_abrupt(self) -> bool:
        """Whether what waits is thrown away."""
        return self.how in (How.RESET, How.DROP)


@define(eq=False)
class Outbox:
    """Bytes for one client, in order."""

    stream: trio.abc.Stream
    ending: Ending | None = field(default=None, init=False)
    size: int = field(default=0, init=False)
    _waiting: deque[bytes] = field(factory=deque, init=False)
    _is_sending: bool = field(default=False, init=False)
    _idle: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)
    _wake: trio.Event = field(factory=trio.Event, init=False)
    _sending: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _peer_is_done: trio.Event = field(factory=trio.Event, init=False)

    def put(self, data: bytes) -> None:
        """Queue bytes."""
        self._waiting.append(data)
        self.size += len(data)
        self._wake.set()

    def clear(self) -> None:
        """Throw away what waits."""
        self._waiting.clear()
        self.size = 0

    @property
    def is_flushed(self) -> bool:
        """Whether the kernel has everything."""
        return not self._waiting and not self._is_sending

    async def wait_flushed(self) -> None:
        """Wait until the kernel has everything, or never will."""
        while self.ending is None and not self.is_flushed:
            await self._idle.park()

    def end(self, ending: Ending) -> None:
        """Decide the end. The first decision stands, but an abrupt one may follow a gentle one."""
        if self.ending is None or (ending.is_abrupt and not self.ending.is_abrupt):
            self.ending = ending
            self._wake.set()
            if not ending.is_abrupt:
                self._sending.deadline = trio.current_time() + CLOSE_SECONDS
            else:
                self._sending.cancel(reason=f"the connection ends: {ending.how.value}")
                self._peer_is_done.set()

    def peer_is_done(self) -> None:
        """Say that the peer closed, or answered our close frame."""
        self._peer_is_done.set()

    async def run(self, goodbye: Callable[[Ending], bytes]) -> None:
        """Write until the end was decided and carried out. ``goodbye`` makes the close frame."""
        try:
            while self.ending is None:
                await self._wake.wait()
                self._wake = trio.Event()
                await self._empty()
            await self._finish(goodbye)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Ending(How.DROP))
            await drop(self.stream)
        finally:
            self.clear()
            self._idle.unpark_all()

    async def _empty(self) -> None:
        self._is_sending = True
        with trio.CancelScope() as self._sending:
            while self._waiting and not self._is_ending_abruptly():
                pieces, size = [], 0
                while self._waiting and size < _AT_ONCE_BYTES:
                    pieces.append(self._waiting.popleft())
                    size += len(pieces[-1])
                self.size -= size
                await self.stream.send_all(b"".join(pieces))
        self._is_sending = False
        self._idle.unpark_all()

    def _is_ending_abruptly(self) -> bool:
        return self.ending is not None and self.ending.is_abrupt

    async def _finish(self, goodbye: Callable[[Ending], bytes]) -> None:
        assert self.ending is not None
        seconds = math.inf
        if self.ending.how is How.CLOSE:
            seconds = CLOSE_SECONDS
            with trio.move_on_after(CLOSE_SECONDS) as self._sending:
                await self.stream.send_all(goodbye(self.ending))
        elif self.ending.how is How.HALF_CLOSE:
            await half_close(self.stream)
        with trio.move_on_after(seconds):
            await self._peer_is_done.wait()
        if self.ending.how is How.RESET:
            await reset(self.stream)
        else:
            await drop(self.stream)


async def reset(stream: trio.abc.Stream) -> None:
    """Close so that the peer gets a TCP reset; a memory stream has none and just ends."""
    below = _transport(stream)
    if isinstance(below, trio.SocketStream):
        below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    await trio.aclose_forcefully(below)


async def drop(stream: trio.abc.Stream) -> None:
    """Close the connection without a word of WebSocket or TLS."""
    await trio.aclose_forcefully(_transport(stream))


async def half_close(stream: trio.abc.Stream) -> None:
    """Send FIN and go on reading."""
    below = _transport(stream)
    assert isinstance(below, trio.abc.HalfCloseableStream)
    await below.send_eof()


def _transport(stream: trio.abc.Stream) -> trio.abc.Stream:
    """Return what lies under TLS, or the stream itself."""
    return stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
