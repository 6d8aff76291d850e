"""Heartbeats, passive pings and planned reconnects."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from hyperstream.sockets import (
    FixedDelay,
    Gap,
    Heartbeat,
    PassivePing,
    Router,
    State,
    StateChange,
    Subscription,
)

from .venue import Venue, silent, toy_router

settle = trio.testing.wait_all_tasks_blocked


@pytest.mark.parametrize("is_application", [False, True])
async def test_a_heartbeat_that_is_not_answered_reconnects_with_the_reason(
    nursery: trio.Nursery, autojump_clock: MockClock, is_application: bool
) -> None:
    venue = Venue(nursery)
    heartbeat = Heartbeat(20.0, 5.0, is_application=is_application)
    async with venue.connect(toy_router([]), heartbeat=heartbeat) as connection:
        events = connection.events()
        await connection.wait_state(State.CONNECTED)
        await trio.sleep(95)
        assert connection.statistics().connects == 1, "answered pings keep it"
        assert connection.statistics().latency_seconds == 0.0
        venue.behave = silent
        venue.visit.deafen()
        await connection.wait_state(State.RECONNECTING)
        assert trio.current_time() == 100 + 5
    told = [event async for event in events]
    (lost,) = [event for event in told if isinstance(event, StateChange) and event.old is State.CONNECTED][:1]
    assert lost.reason == "a ping was not answered within 5.0 s"


async def test_an_answer_we_did_not_read_ourselves_is_not_missed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A route that blocks holds the reader, and with it the pong: that is not the peer's fault."""
    venue, release = Venue(nursery), trio.Event()

    async def block(_message: Any) -> None:
        await release.wait()

    router = Router(decode=bytes, key=lambda _message: "all")
    router.add("all", handler=block, max_queue=1)
    async with venue.connect(router, heartbeat=Heartbeat(10.0, 5.0), close_seconds=1.0) as connection:
        await connection.wait_state(State.CONNECTED)
        for _ in range(5):
            await venue.visit.send({"key": "a"})
        await trio.sleep(100)
        assert connection.statistics().losses == 0
        release.set()
        await trio.sleep(100)
        assert connection.statistics().losses == 0


async def test_a_passive_ping_is_answered_before_anything_is_parsed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    got: list[Any] = []
    passive = PassivePing(
        lambda data: data.startswith(b'{"ping"'), lambda data: data.replace(b"ping", b"pong")
    )
    async with venue.connect(toy_router(got), passive_ping=passive) as connection:
        await connection.wait_state(State.CONNECTED)
        await venue.visit.send({"ping": 17})
        await venue.visit.send({"key": "a"})
        await settle()
        assert [command for _, command in venue.visit.commands] == [{"pong": 17}]
        assert got == [{"key": "a"}]
        assert connection.statistics().passive_pings == 1


async def test_a_failing_passive_ping_lets_the_message_pass(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    got: list[Any] = []
    passive = PassivePing(lambda data: data[10_000] == 0, lambda data: data)
    async with venue.connect(toy_router(got), passive_ping=passive) as connection:
        await connection.wait_state(State.CONNECTED)
        await venue.visit.send({"key": "a"})
        await settle()
        assert got == [{"key": "a"}]


async def test_a_planned_reconnect_comes_before_the_age_and_its_gap_is_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    gaps: list[Gap] = []
    async with venue.connect(
        toy_router([]), max_age_seconds=3600.0, max_age_jitter_seconds=600.0
    ) as connection:
        await connection.subscribe(Subscription("a", on_gap=gaps.append))
        await connection.wait_state(State.RECONNECTING)
        assert 3000 <= trio.current_time() <= 3600
        planned_at = trio.current_time()
        await connection.wait_state(State.CONNECTED)
        assert trio.current_time() == planned_at, "nothing is waited for"
        await settle()
        assert connection.active == ("a",)
        assert venue.visits[0].closed.code == 1000, "it said goodbye"
        assert connection.statistics().attempt == 0
    assert [gap.reason for gap in gaps] == [
        "a planned reconnect: the connection has reached its age",
        "stopped",
    ]


async def test_a_reconnect_can_be_asked_for(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        connection.reconnect("too early: nothing happens")
        await connection.wait_state(State.CONNECTED)
        await trio.sleep(60)
        connection.reconnect("serverShutdown")
        await connection.wait_state(State.RECONNECTING)
        await connection.wait_state(State.CONNECTED)
        assert (trio.current_time(), len(venue.visits)) == (60.0, 2)


async def test_reconnecting_again_and_again_is_slowed_by_the_strategy(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), reconnect=FixedDelay(7.0)) as connection:
        await connection.wait_state(State.CONNECTED)
        connection.reconnect("at once: it was not healthy yet")
        await connection.wait_state(State.RECONNECTING)
        await connection.wait_state(State.CONNECTED)
        assert trio.current_time() == 7.0
