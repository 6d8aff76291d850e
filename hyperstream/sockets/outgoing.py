"""What waits to be sent, and a bell that wakes the task that sends it."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import trio
from attrs import define, field

from hyperstream.errors import SocketError


@define(eq=False, repr=False)
class Outgoing:
    """A message of the user's on its way; ``reply_to`` is the id of the answer it waits for, if any."""

    data: str | bytes
    reply_to: Hashable | None = None
    reply: Any = None
    error: SocketError | None = None
    _done: trio.Event = field(factory=trio.Event)

    @property
    def is_done(self) -> bool:
        """Whether it was sent and answered, or has failed."""
        return self._done.is_set()

    def succeed(self, reply: Any = None) -> None:
        """It was sent, and answered if it wanted an answer."""
        self.reply = reply
        self._done.set()

    def fail(self, error: SocketError) -> None:
        """It will not be sent, or not be answered."""
        if not self._done.is_set():
            self.error = error
            self._done.set()

    async def outcome(self) -> Any:
        """Wait until it is done; return the reply, or raise what went wrong."""
        await self._done.wait()
        if self.error is not None:
            raise self.error
        return self.reply


@define(eq=False, repr=False)
class Bell:
    """Wakes one task. A ring while nobody waits is remembered until somebody does."""

    _is_rung: bool = False
    _lot: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def ring(self) -> None:
        """Wake the task, now or when it next waits."""
        self._is_rung = True
        self._lot.unpark_all()

    async def wait(self, until: float = math.inf) -> bool:
        """Wait for a ring, at most until this time of Trio's clock; return whether it rang."""
        with trio.move_on_at(until):
            while not self._is_rung:
                await self._lot.park()
        was_rung, self._is_rung = self._is_rung, False
        return was_rung
