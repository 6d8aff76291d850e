"""A connection's life: states, events, keeping alive, being told of every loss, and leaving in time."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from hyperstream.errors import ConfigurationError, ConnectionLost
from hyperstream.sockets import (
    Connection,
    Endpoint,
    Event,
    ExponentialBackoff,
    FixedDelay,
    Gap,
    Heartbeat,
    Never,
    Protocol,
    SocketConfig,
    State,
    StateChange,
    Subscription,
)

from .frames import CLOSE, PONG, TEXT, frame
from .test_strategies import Highest
from .venue import ToyProtocol, Venue, toy_router

settle = trio.testing.wait_all_tasks_blocked


def answer_ping(data: bytes) -> bytes:
    return data.replace(b"ping", b"pong")


def changes(events: list[Event]) -> list[tuple[State, State]]:
    return [(event.old, event.new) for event in events if isinstance(event, StateChange)]


async def test_the_states_of_a_life_are_told_in_order_with_their_reasons(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    connection = venue.connect(toy_router([]))
    events = connection.events()
    assert connection.state is State.DISCONNECTED
    async with connection:
        await connection.wait_state(State.CONNECTED)
        await trio.sleep(3)
        await venue.visit.socket.aclose(1012, "restarting")
        await connection.wait_state(State.RECONNECTING)
        await connection.wait_state(State.CONNECTED)
    told = [event async for event in events]
    assert changes(told) == [
        (State.DISCONNECTED, State.CONNECTING),
        (State.CONNECTING, State.CONNECTED),
        (State.CONNECTED, State.RECONNECTING),
        (State.RECONNECTING, State.CONNECTING),
        (State.CONNECTING, State.CONNECTED),
        (State.CONNECTED, State.SHUTTING_DOWN),
    ]
    lost = told[2]
    assert isinstance(lost, StateChange)
    assert lost.reason == "closed with 1012 service restart: restarting"
    assert (lost.attempt, lost.time) == (1, 3.0)
    assert connection.statistics().state is State.SHUTTING_DOWN


async def test_a_state_that_passes_quickly_is_not_missed_by_who_waits(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), reconnect=FixedDelay(0.0)) as connection:
        await connection.wait_state(State.CONNECTED)
        async with trio.open_nursery() as waiting:
            waiting.start_soon(connection.wait_state, State.RECONNECTING)
            waiting.start_soon(connection.wait_state, State.CONNECTING)
            await settle()
            await venue.visit.hang_up()


async def test_entering_returns_before_there_is_a_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def hang(_number: int) -> None:
        await trio.sleep_forever()

    venue = Venue(nursery, refuse=hang)
    began = trio.current_time()
    async with venue.connect(toy_router([])) as connection:
        assert trio.current_time() == began
        with pytest.raises(ConnectionLost, match="nothing can be sent"):
            await connection.send("hello")
    assert trio.current_time() == began, "leaving does not wait for an attempt"


async def test_the_attempts_start_anew_only_after_a_healthy_while(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    backoff = ExponentialBackoff(1.0, 64.0, rng=Highest())
    async with venue.connect(toy_router([]), reconnect=backoff, healthy_seconds=10.0) as connection:
        for expected in (1, 3, 7, 15):  # each dies at once: 1, 2, 4, 8 s are waited
            await connection.wait_state(State.CONNECTED)
            await venue.visit.hang_up()
            await connection.wait_state(State.RECONNECTING)
            await connection.wait_state(State.CONNECTED)
            assert trio.current_time() == expected
        await trio.sleep(10)
        await venue.visit.hang_up()
        await connection.wait_state(State.RECONNECTING)
        assert connection.statistics().attempt == 1
        await connection.wait_state(State.CONNECTED)
        assert trio.current_time() == 15 + 10 + 1


async def test_never_reconnecting_ends_the_connection_and_says_why(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    connection = venue.connect(toy_router([]), reconnect=Never())
    async with connection:
        events = connection.events()
        await connection.wait_state(State.CONNECTED)
        await venue.visit.hang_up()
        with pytest.raises(ConnectionLost):
            await connection.wait_state(State.RECONNECTING)
        assert connection.state is State.SHUTTING_DOWN
        with pytest.raises(ConnectionLost, match="build a new connection"):
            await connection.subscribe(Subscription("a"))
    reasons = [event.reason async for event in events if isinstance(event, StateChange)]
    assert reasons[-1].startswith("gave up: the connection broke without a goodbye")


async def test_a_connection_cannot_be_entered_twice(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    connection = Venue(nursery).connect(toy_router([]))
    async with connection:
        with pytest.raises(ConfigurationError, match="was entered before"):
            await connection.__aenter__()


async def test_a_bug_in_a_protocol_is_not_hidden(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    class Buggy(ToyProtocol):
        def subscribe(self, subscriptions: Any, new_id: Any) -> Any:
            return super().subscribe(subscriptions[1:], new_id)

    venue = Venue(nursery)
    config = SocketConfig("toy", "ws://venue.test", heartbeat=None)
    connection = Connection(config, toy_router([]), Buggy(), venue.opener)
    with pytest.RaisesGroup(ConfigurationError, flatten_subgroups=True):
        async with connection:
            connection.subscribe_nowait(Subscription("a"))
            await trio.sleep_forever()


async def test_subscribing_with_a_protocol_that_cannot_is_refused_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    config = SocketConfig("toy", "ws://venue.test", heartbeat=None)
    async with Connection(config, toy_router([]), Protocol(), Venue(nursery).opener) as connection:
        with pytest.raises(ConfigurationError, match="Protocol knows no subscriptions"):
            connection.subscribe_nowait(Subscription("a"))
        assert connection.desired == ()


async def test_no_task_and_no_memory_stays_behind(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    alive: list[weakref.ref[Any]] = []
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            venue = Venue(nursery)
            router = toy_router([])
            async with venue.connect(router, heartbeat=Heartbeat(1.0, 1.0)) as connection:
                await connection.subscribe(Subscription("a", max_silence_seconds=2.0))
                await venue.visit.publish("a")
                await trio.sleep(10)
                await venue.visit.hang_up()
                await connection.wait_state(State.RECONNECTING)
                await connection.wait_state(State.CONNECTED)
                session = connection._upkeep.session
                alive += map(
                    weakref.ref, (connection, router, session, session.transport if session else venue)
                )
        del venue, router, connection, session
    gc.collect()
    assert [reference() for reference in alive if reference() is not None] == []
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_a_peer_that_sends_garbage_frames_is_left_and_asked_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    got: list[Any] = []
    async with venue.connect(toy_router(got)) as connection:
        await connection.wait_state(State.CONNECTED)
        await venue.visit.blurt(frame(TEXT, b'{"key":"a"}') + frame(0x3, b"nonsense"))
        await connection.wait_state(State.RECONNECTING)
        await connection.wait_state(State.CONNECTED)
        await venue.visit.blurt(frame(TEXT, b"no json") + frame(TEXT, b'{"key":"b"}'))
        await settle()
        assert [message["key"] for message in got] == ["a", "b"]
        assert connection.statistics().router.undecodable == 1
        assert connection.state is State.CONNECTED, "a message that cannot be parsed is no reason to leave"


async def test_a_huge_message_closes_with_1009_and_is_survived(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), max_message_bytes=1000) as connection:
        events = connection.events()
        await connection.wait_state(State.CONNECTED)
        await venue.visit.blurt(frame(TEXT, b"x" * 1001))
        await connection.wait_state(State.RECONNECTING)
    reasons = [event.reason async for event in events if isinstance(event, StateChange)]
    assert any("1009 message too big: refused here: a frame of 1001 bytes" in reason for reason in reasons)


async def test_a_pong_nobody_asked_for_changes_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        await connection.wait_state(State.CONNECTED)
        await venue.visit.blurt(frame(PONG, b"?"))
        await venue.visit.send({"pong": 1})
        await settle()
        assert connection.state is State.CONNECTED


async def test_the_gap_of_a_lost_connection_begins_at_the_last_thing_read(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    gaps: list[Gap] = []
    async with venue.connect(toy_router([])) as connection:
        await connection.subscribe(Subscription("a", on_gap=gaps.append))
        await trio.sleep(4)
        await venue.visit.publish("a")
        await trio.sleep(6)
        await venue.visit.blurt(frame(CLOSE, b"\x03\xe9"))
        await connection.wait_state(State.RECONNECTING)
        assert gaps == [Gap(("a",), 4.0, "closed with 1001 going away", 10.0)]


async def test_an_endpoint_of_its_own_is_handed_to_the_opener(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    seen: list[Endpoint] = []
    venue = Venue(nursery)

    async def opener(endpoint: Endpoint, context: Any) -> trio.abc.Stream:
        seen.append(endpoint)
        return await venue.opener(endpoint, context)

    config = SocketConfig("toy", "wss://venue.test:9443/stream", heartbeat=None)
    async with Connection(config, toy_router([]), ToyProtocol(), opener) as connection:
        await connection.wait_state(State.CONNECTED)
    assert (seen[0].host, seen[0].port, seen[0].is_secure) == ("venue.test", 9443, True)


async def test_what_was_planned_is_no_loss_and_no_warning(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    with capture_logs() as logs:
        async with Venue(nursery).connect(toy_router([])) as connection:
            await connection.wait_state(State.CONNECTED)
            await trio.sleep(60)
            connection.reconnect("serverShutdown")
            await connection.wait_state(State.RECONNECTING)
            await connection.wait_state(State.CONNECTED)
        assert connection.statistics().losses == 0
    assert [line for line in logs if line["log_level"] == "warning"] == []
