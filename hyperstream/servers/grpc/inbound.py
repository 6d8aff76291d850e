"""What requests that are not complete yet may hold in memory, all connections together.

A message's limit bounds one call, and HTTP/2's windows bound one connection; thousands of them that
each begin a message and never end it would still fill the memory. So all that was received and not
yet handed on is counted in one place, and when it is too much the call that has held some for longest is
ended: whoever sends whole messages holds anything for milliseconds only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import define, field
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.protocol import Buffer

MAX_HELD_BYTES = 67_108_864
# What Python needs beside the bytes of a DATA frame: tiny frames are charged for it too.
FRAME_BYTES = 256
CAUSE = "unfinished messages held too much memory"
TOO_MUCH = "too many messages are unfinished on this server, and this one has been for longest; send it anew"


@define(eq=False)
class InboundBudget:
    """Counts bytes that wait for the rest of their message, and ends a call when they are too many."""

    counts: Counter[str] = field(factory=Counter)
    most: int = MAX_HELD_BYTES
    held: int = 0
    _holders: dict[MessageBuffer, int] = field(factory=dict)

    def charge(self, buffer: MessageBuffer, size: int) -> None:
        """So much more is held by this buffer."""
        holders = self._holders
        holders[buffer] = holders.get(buffer, 0) + size
        self.held += size
        while self.held > self.most:
            self.counts[CAUSE] += 1
            next(iter(holders)).give_up()

    def release(self, buffer: MessageBuffer, size: int | None = None) -> None:
        """So much less is held by it; without ``size``, nothing any more."""
        held = self._holders.pop(buffer, 0)
        left = held - size if size is not None else 0
        if left > 0:
            self._holders[buffer] = left
        self.held -= held - max(0, left)


class MessageBuffer(Buffer):
    """What a call received. Drops empty DATA frames: grpclib would take one for the stream's end.

    ``end_call`` ends the call with an error, should it hold too much for too long.
    """

    def __init__(
        self, acknowledge: Callable[[int], None], budget: InboundBudget, end_call: Callable[[GRPCError], None]
    ) -> None:
        super().__init__(acknowledge)
        self._budget = budget
        self._end_call = end_call
        self._has_ended = False

    def add(self, data: bytes, ack_size: int) -> None:
        """A DATA frame came."""
        if self._has_ended:
            self._ack_callback(ack_size)
        elif ack_size:
            super().add(data, ack_size)
            self._budget.charge(self, len(data) + FRAME_BYTES)

    async def read(self, size: int) -> bytes:
        """So many bytes, as soon as they are there; empty at the end."""
        data = await super().read(size)
        is_empty = not self._acked_size and self._unacked.empty()
        self._budget.release(self, None if is_empty else size)
        return data

    def give_up(self) -> None:
        """Hold nothing any more, and end the call."""
        self._ack_callback(self.unacked_size())
        self.end()
        self._end_call(GRPCError(Status.RESOURCE_EXHAUSTED, TOO_MUCH))

    def end(self) -> None:
        """The call has ended: what comes after this is not kept."""
        self._has_ended = True
        self._acked.clear()
        self._acked_size = 0
        self._budget.release(self)
