"""Lets a few peers' tasks go on at a time, so that a crowd of them is never in front of a block.

Trio runs all tasks that can go on before it looks at files and sockets again, and a block passes from task to
task on its way: each time it waits for everybody. Two hundred peers that hang up at one moment, or twenty
that each ask for a hundred things, would be tens of milliseconds. Here they wait for each other instead.
"""

from __future__ import annotations

import trio
from attrs import define, field

# What a few peers cost at a time is less than a millisecond or two.
MOST = 4


@define(eq=False)
class Turnstile:
    """At most ``most`` tasks pass between two looks at who can go on; the others wait in their order.

    ``run`` must be running.
    """

    most: int = MOST
    _passed: int = 0
    _waiting: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _is_busy: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        """Let through who waits, until cancelled."""
        while True:
            await self._is_busy.wait()
            while self._passed:
                await trio.lowlevel.checkpoint()
                self._passed = len(self._waiting.unpark(count=self.most))
            self._is_busy = trio.Event()

    async def wait_turn(self) -> None:
        """Pass at once if there is room, else wait for room."""
        if self._passed >= self.most:
            await self._waiting.park()
            return
        self._passed += 1
        self._is_busy.set()
