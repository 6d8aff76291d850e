"""Subscriptions that fall silent are renewed; when all have, the connection is."""

from __future__ import annotations

import math
from typing import Any

import trio
import trio.testing
from trio.testing import MockClock

from hyperstream.sockets import (
    Connection,
    Gap,
    Restored,
    SocketConfig,
    StateChange,
    Subscription,
)

from .venue import ToyProtocol, Venue, Visit, keys, toy_router

settle = trio.testing.wait_all_tasks_blocked


async def talk(visit: Visit, key: str, seconds: float, until: float = math.inf) -> None:
    while trio.current_time() < until:
        await trio.sleep(seconds)
        if key in visit.subscribed:
            await visit.publish(key)


async def test_a_silent_subscription_is_renewed_and_the_others_are_left_alone(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue, gaps = Venue(nursery), list[Gap]()
    async with venue.connect(toy_router([])) as connection:
        events = connection.events()
        await connection.subscribe(Subscription("a", max_silence_seconds=10.0, on_gap=gaps.append))
        await connection.subscribe(Subscription("b", max_silence_seconds=10.0))
        await connection.subscribe(Subscription("quiet by nature"))
        nursery.start_soon(talk, venue.visit, "a", 4.0, 13.0)
        nursery.start_soon(talk, venue.visit, "b", 4.0)
        await trio.sleep(27)
        assert keys(venue.visit, "unsub") == [["a"]]
        assert gaps == [Gap(("a",), 16.0, "nothing was heard for 10.0 s", 26.0)]
        assert connection.statistics().renewals == 1
        assert sorted(str(key) for key in connection.active) == ["a", "b", "quiet by nature"]
        nursery.cancel_scope.deadline = trio.current_time() + 1
    told = [event async for event in events if isinstance(event, Restored)]
    assert told[0] == Restored(("a",), 26.0)


async def test_silence_can_be_watched_from_later_on(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async with Venue(nursery).connect(toy_router([])) as connection:
        await connection.subscribe(Subscription("a"))
        await trio.sleep(100)
        connection.subscribe_nowait(Subscription("a", max_silence_seconds=120.0))
        await trio.sleep(30)
        assert connection.statistics().renewals == 1


async def test_after_renewals_in_vain_the_socket_reconnects_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        events = connection.events()
        await connection.subscribe(Subscription("a", max_silence_seconds=10.0, max_renewals=2))
        await trio.sleep(200)
        assert connection.statistics().connects == 2, (
            "a subscription that is dead costs one reconnect, not many"
        )
        assert len(keys(venue.visits[0], "unsub")) == 2
        assert connection.statistics().renewals > 10, "and is renewed as before"
        await venue.visit.publish("a")
        await trio.sleep(100)
        assert connection.statistics().connects == 3, "once it has spoken it may cost another"
    reasons = [event.reason async for event in events if isinstance(event, StateChange)]
    assert "renewing 'a' did not make it speak" in reasons


async def test_a_handler_may_say_what_was_heard(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue = Venue(nursery)
    config = SocketConfig("toy", "ws://venue.test", heartbeat=None)
    connection: Connection

    def handle(message: Any) -> None:
        connection.heard(message["key"])

    router = toy_router([])
    router.add("a", handler=handle)

    class Quiet(ToyProtocol):
        def speaker(self, message: Any) -> None:
            return None

    connection = Connection(config, router, Quiet(), venue.opener)
    async with connection:
        await connection.subscribe(Subscription("a", max_silence_seconds=10.0))
        nursery.start_soon(talk, venue.visit, "a", 4.0, 50.0)
        await trio.sleep(50)
        assert connection.statistics().renewals == 0
        await trio.sleep(20)
        assert connection.statistics().renewals == 1


async def test_a_speaker_that_fails_is_logged_and_the_message_routed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    class Failing(ToyProtocol):
        def speaker(self, message: Any) -> None:
            raise ValueError(message)

    venue, got = Venue(nursery), list[Any]()
    config = SocketConfig("toy", "ws://venue.test", heartbeat=None)
    async with Connection(config, toy_router(got), Failing(), venue.opener) as connection:
        await connection.subscribe(Subscription("a", max_silence_seconds=10.0))
        await venue.visit.publish("a")
        await settle()
        assert len(got) == 1


async def test_a_subscription_can_be_renewed_by_who_uses_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue, gaps = Venue(nursery), list[Gap]()
    async with venue.connect(toy_router([])) as connection:
        assert not connection.renew("a", "not there")
        await connection.subscribe(Subscription("a", on_gap=gaps.append))
        assert connection.renew("a", "sequence 7 follows 5")
        assert not connection.renew("a", "on its way already")
        await settle()
        assert [command["op"] for _, command in venue.visit.commands] == ["sub", "unsub", "sub"]
        assert [gap.reason for gap in gaps] == ["sequence 7 follows 5"]
        assert connection.active == ("a",)
