"""Handing over: one list a read, in order, and no faster than it is taken."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.market.venues import FeedItem, FeedStatus
from hyperstream.sources.exchanges.outbox import Outbox


def item(number: int) -> FeedItem:
    return FeedStatus("binance", "connected", str(number), number)


def numbers(batches: list[list[FeedItem]]) -> list[list[int]]:
    return [[entry.time_ns for entry in batch if isinstance(entry, FeedStatus)] for batch in batches]


async def test_what_was_gathered_is_one_list(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[list[FeedItem]](9)
    outbox = Outbox(send)
    assert outbox.flush() is None
    outbox.put(item(1))
    outbox.extend([item(2), item(3)])
    assert outbox.flush() is None
    assert numbers([await receive.receive()]) == [[1, 2, 3]]
    assert (outbox.batches_sent, outbox.items_sent) == (1, 3)


async def test_a_full_channel_is_waited_for_and_order_is_kept(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[list[FeedItem]](1)
    outbox = Outbox(send)
    taken: list[list[FeedItem]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run)
        outbox.put(item(1))
        assert outbox.flush() is None
        outbox.put(item(2))
        waiting = outbox.flush()
        assert waiting is not None

        async def wait() -> None:
            await waiting

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        outbox.put_now(item(3))
        await wait_all_tasks_blocked()
        taken.extend([await receive.receive() for _ in range(3)])
        nursery.cancel_scope.cancel(reason="the test is over")
    assert numbers(taken) == [[1], [2], [3]]


async def test_what_nobody_reads_any_more_is_counted(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[list[FeedItem]](0)
    outbox = Outbox(send)
    outbox.put(item(1))
    waiting = outbox.flush()
    receive.close()
    assert waiting is not None
    await waiting
    outbox.put(item(2))
    assert outbox.flush() is None
    assert outbox.items_unread == 2
