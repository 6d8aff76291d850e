"""What a feed has to hand over, in the order it was told."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

import trio
from attrs import define, field

from hyperstream.market.venues import FeedItem


@define(eq=False)
class Outbox:
    """Gathers items and hands them over as one list, through a bounded channel.

    A connection's reader flushes after each socket read and waits while the channel is full, so that TCP
    pushes back on the venue. What is told at other times (gaps, states, snapshots) is flushed by ``run``.
    Lists keep their order: Trio serves those who wait to send in the order they came.
    """

    send: trio.MemorySendChannel[list[FeedItem]]
    items_sent: int = field(default=0, init=False)
    batches_sent: int = field(default=0, init=False)
    items_unread: int = field(default=0, init=False)
    _items: list[FeedItem] = field(factory=list, init=False)
    _bell: trio.Event = field(factory=trio.Event, init=False)

    def put(self, item: FeedItem) -> None:
        """Gather an item; whoever puts it flushes, or says ``put_now``."""
        self._items.append(item)

    def extend(self, items: Iterable[FeedItem]) -> None:
        """Gather several."""
        self._items.extend(items)

    def put_now(self, item: FeedItem) -> None:
        """Gather an item and have it handed over soon."""
        self._items.append(item)
        self.wake()

    def wake(self) -> None:
        """Have what was gathered handed over soon."""
        self._bell.set()

    def flush(self) -> Awaitable[None] | None:
        """Hand over what was gathered; returns what must be awaited while the channel is full."""
        if not self._items:
            return None
        batch, self._items = self._items, []
        try:
            self.send.send_nowait(batch)
        except trio.WouldBlock:
            return self._hand_over(batch)
        except trio.BrokenResourceError:
            self.items_unread += len(batch)
            return None
        self._count(batch)
        return None

    async def run(self) -> None:
        """Hand over what is told between the reads of connections, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell = trio.Event()
            waiting = self.flush()
            if waiting is not None:
                await waiting

    async def _hand_over(self, batch: list[FeedItem]) -> None:
        try:
            await self.send.send(batch)
        except trio.BrokenResourceError:
            self.items_unread += len(batch)
            return
        self._count(batch)

    def _count(self, batch: list[FeedItem]) -> None:
        self.batches_sent += 1
        self.items_sent += len(batch)
