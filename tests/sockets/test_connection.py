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

from hyperstream.errors import CommandRefused, CommandTimedOut, ConfigurationError, ConnectionLost
from hyperstream.sockets import (
    Command,
    Connection,
    Endpoint,
    Event,
    ExponentialBackoff,
    FixedDelay,
    Gap,
    Heartbeat,
    Never,
    PassivePing,
    Protocol,
    Router,
    SocketConfig,
    State,
    StateChange,
    Subscription,
)

from .frames import CLOSE, PONG, TEXT, frame
from .test_strategies import Highest
from .venue import ToyProtocol, Venue, Visit, toy_router

settle = trio.testing.wait_all_tasks_blocked


def answer_ping(data: bytes) -> bytes:
    return data.replace(b"ping", b"pong")


async def silent(_visit: Visit, _command: dict[str, Any]) -> None:
    """A venue that answers nothing."""


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


# -- keeping alive


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


# -- messages


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


# -- leaving


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
