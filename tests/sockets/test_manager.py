"""Many connections by name: start, stop, halt, resume, totals."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from hyperstream.errors import ConfigurationError
from hyperstream.sockets import ConnectionManager, FixedDelay, SocketConfig, State, Subscription

from .venue import ToyProtocol, Venue, toy_router


def config(name: str) -> SocketConfig:
    return SocketConfig(name, "ws://venue.test", heartbeat=None, reconnect=FixedDelay(1.0))


async def test_connections_are_started_and_stopped_by_name(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with ConnectionManager() as manager:
        for name in ("a", "b"):
            manager.add(config(name), toy_router([]), ToyProtocol(), opener=venue.opener)
        assert manager.names == ("a", "b")
        first = await manager.start("a")
        await manager.start("b")
        assert manager["a"] is first
        await first.wait_state(State.CONNECTED)
        await manager["b"].wait_state(State.CONNECTED)
        await manager.stop("a")
        assert first.state is State.SHUTTING_DOWN
        assert [*manager.names] == ["b"]
        assert manager["b"].state is State.CONNECTED, "the others live on"
    assert [visit.closed.code for visit in venue.visits] == [1000, 1000]


async def test_a_halted_connection_keeps_its_config_and_what_it_desires(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    got: list[object] = []
    async with ConnectionManager() as manager:
        manager.add(config("a"), toy_router(got), ToyProtocol(), opener=venue.opener)
        connection = await manager.start("a")
        await connection.subscribe(Subscription("x"))
        await manager.halt("a")
        assert manager.names == ("a",)
        assert manager.statistics() == {}
        with pytest.raises(ConfigurationError, match="'a' is not running"):
            await manager.halt("a")
        await trio.sleep(100)
        assert len(venue.visits) == 1
        resumed = await manager.resume("a")
        assert resumed is not connection
        await resumed.wait_state(State.CONNECTED)
        await trio.testing.wait_all_tasks_blocked()
        assert resumed.active == ("x",)
        await venue.visit.publish("x")
        await trio.testing.wait_all_tasks_blocked()
        assert got == [{"key": "x", "n": 1}], "the same router serves it"


async def test_totals_are_sums(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue = Venue(nursery)
    async with ConnectionManager() as manager:
        for name in ("a", "b", "never started"):
            manager.add(config(name), toy_router([]), ToyProtocol(), opener=venue.opener)
        for name in ("a", "b"):
            connection = await manager.start(name)
            await connection.subscribe(Subscription("x"))
            await venue.visit.publish("x")
        await trio.testing.wait_all_tasks_blocked()
        await venue.visits[0].hang_up()
        await manager["a"].wait_state(State.RECONNECTING)
        totals = manager.totals()
        assert (totals.connections, totals.connected, totals.desired, totals.active) == (2, 1, 2, 1)
        assert (totals.received_messages, totals.losses, totals.gaps) == (4, 1, 1)
        assert set(manager.statistics()) == {"a", "b"}


async def test_leaving_closes_all_at_the_same_time(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue = Venue(nursery)
    async with ConnectionManager() as manager:
        for number in range(5):
            manager.add(config(f"c{number}"), toy_router([]), ToyProtocol(), opener=venue.opener)
            await (await manager.start(f"c{number}")).wait_state(State.CONNECTED)
            venue.visit.deafen()
        left_at = trio.current_time()
    assert trio.current_time() - left_at == 5.0, "one deadline, not five"


async def test_an_error_in_the_block_comes_out_as_it_is(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
        async with ConnectionManager() as manager:
            manager.add(config("a"), toy_router([]), ToyProtocol(), opener=venue.opener)
            connection = await manager.start("a")
            await connection.wait_state(State.CONNECTED)
            _ = 1 / 0
    assert venue.visit.closed.code == 1000


async def test_impossible_requests_are_refused_by_name(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    manager = ConnectionManager()
    manager.add(config("a"), toy_router([]), ToyProtocol(), opener=Venue(nursery).opener)
    with pytest.raises(ConfigurationError, match="the manager is not entered"):
        await manager.start("a")
    async with manager:
        with pytest.raises(ConfigurationError, match="there is no connection 'b'; known: a"):
            await manager.start("b")
        with pytest.raises(ConfigurationError, match="there is a connection 'a' already"):
            manager.add(config("a"), toy_router([]))
        with pytest.raises(ConfigurationError, match="start or resume it"):
            _ = manager["a"]
        await manager.start("a")
        with pytest.raises(ConfigurationError, match="'a' is running already"):
            await manager.start("a")


async def test_a_cancelled_manager_says_goodbye_everywhere(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    with trio.move_on_after(5):
        async with ConnectionManager() as manager:
            for name in ("a", "b"):
                manager.add(config(name), toy_router([]), ToyProtocol(), opener=venue.opener)
                await (await manager.start(name)).wait_state(State.CONNECTED)
            await trio.sleep_forever()
    await trio.testing.wait_all_tasks_blocked()
    assert [visit.closed.code for visit in venue.visits] == [1000, 1000]
