"""What happens is told to every reader, and a reader that lags is told what it missed."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from hyperstream.sockets import Missed, Restored
from hyperstream.sockets.events import EventBoard


def restored(number: int) -> Restored:
    return Restored((number,), 0.0)


async def test_a_reader_that_keeps_up_loses_nothing() -> None:
    board = EventBoard()
    reader = board.reader(capacity=2)
    for number in range(100):
        board.tell(restored(number))
        assert await reader.receive() == restored(number)


async def test_a_lagging_reader_is_told_how_many_it_missed() -> None:
    board = EventBoard()
    reader, patient = board.reader(capacity=3), board.reader(capacity=10)
    for number in range(10):
        board.tell(restored(number))
    board.end()
    assert [event async for event in reader] == [Missed(7), *map(restored, (7, 8, 9))]
    assert [event async for event in patient] == list(map(restored, range(10)))


async def test_events_wake_a_reader_that_waits() -> None:
    board = EventBoard()
    reader = board.reader()
    with pytest.raises(trio.WouldBlock):
        reader.receive_nowait()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.receive)
        await trio.testing.wait_all_tasks_blocked()
        board.tell(restored(1))


async def test_a_closed_reader_is_forgotten() -> None:
    board = EventBoard()
    with board.reader() as reader:
        board.tell(restored(1))
    board.tell(restored(2))
    assert board._readers == []
    with pytest.raises(trio.EndOfChannel):
        await reader.receive()


async def test_a_reader_made_after_the_end_ends_at_once() -> None:
    board = EventBoard()
    board.end()
    assert [event async for event in board.reader()] == []
