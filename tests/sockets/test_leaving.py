"""Leaving: what is queued is sent, goodbye is said, and all of it within its deadline."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from hyperstream.errors import ConnectionLost
from hyperstream.sockets import (
    Command,
    Connection,
    Endpoint,
    Router,
    SocketConfig,
    State,
)

from .venue import ToyProtocol, Venue, silent, toy_router

settle = trio.testing.wait_all_tasks_blocked


async def test_leaving_sends_what_is_queued_and_says_goodbye_with_code_and_reason(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), message_rate=2.0) as connection:
        await connection.wait_state(State.CONNECTED)
        for number in range(5):
            connection.send_nowait(f'{{"n": {number}}}')
        connection.stop(1001, "the daemon is drained")
        with pytest.raises(ConnectionLost):
            connection.send_nowait("{}")
    assert [command["n"] for _, command in venue.visit.commands] == [0, 1, 2, 3, 4]
    assert trio.current_time() == 2.0, "under the rate, as always"
    assert (venue.visit.closed.code, venue.visit.closed.reason) == (1001, "the daemon is drained")


async def test_leaving_is_done_within_its_deadline_whatever_the_peer_does(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    with capture_logs() as logs:
        async with venue.connect(toy_router([]), close_seconds=2.0) as connection:
            await connection.wait_state(State.CONNECTED)
            venue.visit.deafen()
            left_at = trio.current_time()
        assert trio.current_time() - left_at == 2.0
    assert any(line["event"] == "closing took too long and was cut short" for line in logs)


async def test_leaving_when_cancelled_still_says_goodbye(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    with trio.move_on_after(5) as scope:
        async with venue.connect(toy_router([])) as connection:
            await connection.wait_state(State.CONNECTED)
            connection.send_nowait('{"last": 1}')
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 5.0
    assert venue.visit.commands[-1][1] == {"last": 1}
    assert venue.visit.closed.code == 1000


async def test_leaving_lets_routes_finish_what_they_have(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    got: list[Any] = []

    async def slowly(message: Any) -> None:
        await trio.sleep(0.5)
        got.append(message["n"])

    router = Router(decode=toy_router([]).decode, key=lambda _message: "all")
    router.add("all", handler=slowly)
    async with venue.connect(router) as connection:
        await connection.wait_state(State.CONNECTED)
        for number in range(5):
            await venue.visit.send({"n": number})
        await settle()
    assert got == [0, 1, 2, 3, 4]


async def test_what_routes_cannot_finish_in_time_is_counted_and_said(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)

    async def slowly(_message: Any) -> None:
        await trio.sleep(3.0)

    router = Router(decode=bytes, key=lambda _message: "all")
    router.add("all", handler=slowly)
    with capture_logs() as logs:
        async with venue.connect(router, close_seconds=5.0) as connection:
            await connection.wait_state(State.CONNECTED)
            for number in range(5):
                await venue.visit.send({"n": number})
            await settle()
            left_at = trio.current_time()
    assert trio.current_time() - left_at == 5.0
    assert router.statistics().routes["all"].handled == 1
    assert router.statistics().routes["all"].dropped == 4, "one was in the handler's hands"
    (line,) = [line for line in logs if line["event"] == "closing took too long and was cut short"]
    assert line["dropped_messages"] == 4


async def test_an_error_in_the_block_comes_out_as_it_is(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
        async with venue.connect(toy_router([])) as connection:
            await connection.wait_state(State.CONNECTED)
            _ = 1 / 0
    assert venue.visit.closed.code == 1000


async def test_leaving_does_not_wait_for_an_authentication(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def provide() -> Endpoint:
        await trio.lowlevel.checkpoint()
        return Endpoint("ws://venue.test", authentication=(Command('{"op":"login","id":1}', id=1),))

    venue = Venue(nursery, silent)
    config = SocketConfig("toy", provider=provide, heartbeat=None)
    connection = Connection(config, toy_router([]), ToyProtocol(), venue.opener)
    async with connection:
        await trio.sleep(1)
        assert venue.visit.commands
        left_at = trio.current_time()
    assert trio.current_time() == left_at
    assert connection.statistics().connect_failures == 0
