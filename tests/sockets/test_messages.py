"""Messages out: sent at their rate, matched with their answers, refused where there is no room."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from hyperstream.errors import CommandRefused, CommandTimedOut, ConnectionLost
from hyperstream.sockets import (
    State,
)

from .venue import Venue, Visit, silent, toy_router

settle = trio.testing.wait_all_tasks_blocked


async def test_a_message_is_sent_and_its_answer_matched(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        await connection.wait_state(State.CONNECTED)
        answers: dict[int, Any] = {}

        async def ask(number: int) -> None:
            text = f'{{"op": "echo", "id": {number}}}'
            answers[number] = (await connection.send(text, reply_to=number))["echo"]["id"]

        async with trio.open_nursery() as asking:
            for number in (101, 102, 103):
                asking.start_soon(ask, number)
        assert answers == {101: 101, 102: 102, 103: 103}


async def test_a_message_without_an_answer_times_out_and_a_refused_one_says_why(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    async def behave(visit: Visit, command: dict[str, Any]) -> None:
        if command["id"] == 1:
            await visit.send({"no": 1, "bad": [], "why": "not today"})

    async with Venue(nursery, behave).connect(toy_router([]), acknowledge_seconds=4.0) as connection:
        await connection.wait_state(State.CONNECTED)
        with pytest.raises(CommandRefused, match="not today"):
            await connection.send('{"id": 1}', reply_to=1)
        with pytest.raises(CommandTimedOut, match="no answer to 2 within 4"):
            await connection.send('{"id": 2}', reply_to=2)
        assert trio.current_time() == 4.0
        with pytest.raises(CommandTimedOut):  # the id is free again
            await connection.send('{"id": 2}', reply_to=2)


async def test_an_answer_that_is_lost_with_the_connection_is_said_to_be(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery, silent)
    async with venue.connect(toy_router([])) as connection:
        await connection.wait_state(State.CONNECTED)
        async with trio.open_nursery() as asking:

            async def ask() -> None:
                with pytest.raises(ConnectionLost, match="the connection was lost first"):
                    await connection.send("{}", reply_to=1)

            asking.start_soon(ask)
            await settle()
            await venue.visit.hang_up()


async def test_messages_keep_to_the_rate_and_pongs_count(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), message_rate=2.0, message_burst=2) as connection:
        await connection.wait_state(State.CONNECTED)
        for number in range(6):
            connection.send_nowait(f'{{"n": {number}}}')
        await trio.sleep(10)
        assert [at for at, _ in venue.visit.commands] == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]
        nursery.start_soon(venue.visit.socket.ping)
        nursery.start_soon(venue.visit.socket.ping)
        await settle()
        connection.send_nowait('{"n": 6}')
        await trio.sleep(10)
        assert venue.visit.commands[-1][0] == 12.0 + 0.5 - 2.0, "two pongs had used up what may go at once"


async def test_a_full_queue_refuses_and_says_what_to_do(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), message_rate=0.1, max_queued=3, close_seconds=1.0) as connection:
        await connection.wait_state(State.CONNECTED)
        connection.send_nowait("{}")
        await settle()
        for _ in range(3):
            connection.send_nowait("{}")
        with pytest.raises(ConnectionLost, match="raise max_queued or message_rate"):
            connection.send_nowait("{}")
        assert connection.statistics().queued == 3


async def test_two_cannot_wait_for_the_same_answer(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async with Venue(nursery, silent).connect(toy_router([])) as connection:
        await connection.wait_state(State.CONNECTED)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as asking:
                asking.start_soon(lambda: connection.send("{}", reply_to=1))
                await settle()
                with pytest.raises(ConnectionLost, match="awaited already"):
                    await connection.send("{}", reply_to=1)
                scope.cancel()
