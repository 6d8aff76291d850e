"""Subscriptions outlive connections: asked for in batches, refused by name, renewed when silent."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from hyperstream.errors import CommandTimedOut, ConnectionLost, SubscriptionRefused
from hyperstream.sockets import (
    Connection,
    FixedDelay,
    Gap,
    Refusal,
    Restored,
    SocketConfig,
    State,
    Subscription,
)

from .venue import ToyProtocol, Venue, Visit, keys, obey, silent, toy_router

settle = trio.testing.wait_all_tasks_blocked


async def test_subscribing_waits_for_the_peers_answer(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def behave(visit: Visit, command: dict[str, Any]) -> None:
        await trio.sleep(2)
        await visit.obey(command)

    async with Venue(nursery, behave).connect(toy_router([])) as connection:
        await connection.subscribe(Subscription("a"))
        assert trio.current_time() == 2.0
        assert connection.active == ("a",)
        await connection.unsubscribe("a")
        assert trio.current_time() == 4.0
        assert connection.desired == ()
        await connection.unsubscribe("a")  # nothing to end


async def test_subscribing_without_a_connection_waits_for_one(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    def refuse(number: int) -> None:
        if number <= 3:
            raise OSError("no route")

    async with Venue(nursery, refuse=refuse).connect(toy_router([])) as connection:
        await connection.subscribe(Subscription("a"))
        assert trio.current_time() == 3.0


async def test_a_refusal_names_the_subscription_and_leaves_the_others(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """The venue refuses the whole command and names the first bad key only, as Bybit does."""
    venue = Venue(nursery, bad={"x", "y"})
    outcomes: dict[str, object] = {}
    async with venue.connect(toy_router([])) as connection:

        async def subscribe(key: str) -> None:
            try:
                await connection.subscribe(Subscription(key))
                outcomes[key] = "accepted"
            except SubscriptionRefused as error:
                outcomes[key] = error.key, error.reason

        async with trio.open_nursery() as asking:
            for key in ("a", "x", "b", "y", "c"):
                asking.start_soon(subscribe, key)
        assert outcomes == {
            "a": "accepted",
            "b": "accepted",
            "c": "accepted",
            "x": ("x", "no such key: x"),
            "y": ("y", "no such key: y"),
        }
        assert sorted(str(key) for key in connection.active) == ["a", "b", "c"]
        assert len(connection.desired) == 3


async def test_a_refusal_that_names_nobody_is_found_by_asking_one_by_one(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def behave(visit: Visit, command: dict[str, Any]) -> None:
        if "x" in command["keys"]:
            await visit.send({"no": command["id"], "bad": [], "why": "bad request"})
        else:
            await visit.obey(command)

    venue = Venue(nursery, behave)
    async with venue.connect(toy_router([])) as connection:
        events = connection.events()
        connection.subscribe_nowait(*map(Subscription, "axb"))
        await trio.sleep(10)
        assert sorted(str(key) for key in connection.active) == ["a", "b"]
    refused = [event for event in [event async for event in events] if isinstance(event, Refusal)]
    assert [(event.key, event.reason) for event in refused] == [("x", "bad request")]


async def test_a_desired_subscription_that_is_refused_is_told_and_asked_for_again_later(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery, bad={"x"})
    async with venue.connect(toy_router([]), refused_seconds=30.0) as connection:
        events = connection.events()
        connection.subscribe_nowait(Subscription("x"))
        await trio.sleep(70)
        assert [key.key for key in connection.desired] == ["x"]
        venue.bad.clear()
        await trio.sleep(30)
        assert connection.active == ("x",)
        assert [at for at, _ in venue.visit.commands] == [0.0, 30.0, 60.0, 90.0]
    told = [event async for event in events if isinstance(event, Refusal)]
    assert [event.time for event in told] == [0.0, 30.0, 60.0]


async def test_what_is_not_answered_in_time_says_so_and_is_withdrawn(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery, silent)
    async with venue.connect(toy_router([]), acknowledge_seconds=3.0) as connection:
        with pytest.raises(CommandTimedOut, match="subscription 'a': no answer within 3"):
            await connection.subscribe(Subscription("a"))
        assert trio.current_time() == 3.0
        assert connection.desired == ()
        await settle()
        assert keys(venue.visit, "unsub") == [["a"]], "the peer may have heard us"


async def test_data_is_as_good_as_an_answer(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async def behave(visit: Visit, command: dict[str, Any]) -> None:
        if command["op"] == "sub":
            await visit.send({"key": "a", "n": 1})

    venue = Venue(nursery, behave)
    async with venue.connect(toy_router([]), acknowledge_seconds=3.0) as connection:
        await connection.subscribe(Subscription("a", max_silence_seconds=60.0))
        assert trio.current_time() == 3.0
        assert connection.active == ("a",)


async def test_a_cancelled_subscribe_is_withdrawn(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue = Venue(nursery, silent)
    async with venue.connect(toy_router([])) as connection:
        with trio.move_on_after(1):
            await connection.subscribe(Subscription("a"))
        assert not connection.desired
        connection.subscribe_nowait(Subscription("b"))
        with trio.move_on_after(1):
            await connection.subscribe(Subscription("b"))
        assert connection.desired == (Subscription("b"),), "it was desired before"


async def test_what_is_wanted_one_by_one_goes_out_in_batches_under_the_rate(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), subscribe_batch=10, message_rate=2.0) as connection:
        for number in range(35):
            connection.subscribe_nowait(Subscription(f"k{number}"))
        await trio.sleep(10)
        assert [(at, len(command["keys"])) for at, command in venue.visit.commands] == [
            (0.0, 10),
            (0.5, 10),
            (1.0, 10),
            (1.5, 5),
        ]
        assert len(connection.active) == 35


async def test_every_subscription_is_restored_and_each_gap_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue, gaps = Venue(nursery), list[Gap]()
    async with venue.connect(toy_router([]), subscribe_batch=3, message_rate=5.0) as connection:
        events = connection.events()
        connection.subscribe_nowait(*(Subscription(f"k{n}", on_gap=gaps.append) for n in range(10)))
        for loss in range(1, 6):
            await trio.sleep(20)
            assert len(connection.active) == 10
            assert sorted(venue.visit.subscribed) == sorted(f"k{n}" for n in range(10))
            await venue.visit.hang_up()
            await connection.wait_state(State.RECONNECTING)
            assert len(gaps) == 10 * loss, "each subscription is told each gap"
        await trio.sleep(20)
    told = [event async for event in events]
    assert sum(len(event.keys) for event in told if isinstance(event, Gap)) == 60, "the last is the end"
    assert sum(len(event.keys) for event in told if isinstance(event, Restored)) == 50


async def test_what_was_never_asked_for_has_no_gap(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue, gaps = Venue(nursery), list[Gap]()
    async with venue.connect(
        toy_router([]), subscribe_batch=1, message_rate=0.5, close_seconds=0.5
    ) as connection:
        connection.subscribe_nowait(*(Subscription(f"k{n}", on_gap=gaps.append) for n in range(5)))
        await trio.sleep(3)
        await venue.visit.hang_up()
        await connection.wait_state(State.RECONNECTING)
        assert [gap.keys for gap in gaps] == [("k0", "k1"), ("k0", "k1")], "one event, told to both"


async def test_a_failing_on_gap_harms_nobody(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    def fail(_gap: Gap) -> None:
        raise ValueError("no")

    gaps: list[Gap] = []
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        connection.subscribe_nowait(Subscription("a", on_gap=fail), Subscription("b", on_gap=gaps.append))
        await trio.sleep(1)
        await venue.visit.hang_up()
        await connection.wait_state(State.RECONNECTING)
        await connection.wait_state(State.CONNECTED)
        assert len(gaps) == 1


async def test_everyone_who_waits_is_answered_when_the_connection_ends(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    connection = Venue(nursery, silent).connect(toy_router([]))
    async with trio.open_nursery() as asking:

        async def ask() -> None:
            with pytest.raises(ConnectionLost, match="is shut down"):
                await connection.subscribe(Subscription("a"))

        async with connection:
            asking.start_soon(ask)
            await trio.sleep(1)


async def test_an_unsubscribe_answers_those_who_wait_to_subscribe(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async with Venue(nursery, silent).connect(toy_router([])) as connection, trio.open_nursery() as asking:

        async def ask() -> None:
            with pytest.raises(SubscriptionRefused, match="unsubscribed meanwhile"):
                await connection.subscribe(Subscription("a"))

        asking.start_soon(ask)
        await settle()
        connection.unsubscribe_nowait("a", "never heard of")


async def test_wanting_and_unwanting_before_it_is_sent_costs_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        connection.subscribe_nowait(*map(Subscription, "abc"))
        connection.unsubscribe_nowait("b")
        await connection.wait_state(State.CONNECTED)
        await settle()
        assert keys(venue.visit, "sub") == [["a", "c"]]
        connection.unsubscribe_nowait("a")
        connection.subscribe_nowait(Subscription("a"))
        await settle()
        assert keys(venue.visit, "unsub") == []


async def test_a_renewal_that_was_asked_for_is_not_withdrawn_by_wanting_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([])) as connection:
        await connection.subscribe(Subscription("a"))
        assert connection.renew("a", "a new snapshot is wanted")
        connection.subscribe_nowait(Subscription("a", max_silence_seconds=60.0))
        await settle()
        assert keys(venue.visit, "unsub") == [["a"]]
        assert keys(venue.visit, "sub") == [["a"], ["a"]]


async def test_a_peer_without_acknowledgements_is_believed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    class Trusting(ToyProtocol):
        acknowledges = False

    venue = Venue(nursery, silent)
    config = SocketConfig("toy", "ws://venue.test", heartbeat=None, reconnect=FixedDelay(1.0))
    async with Connection(config, toy_router([]), Trusting(), venue.opener) as connection:
        await connection.subscribe(Subscription("a"))
        await trio.sleep(100)
        assert connection.active == ("a",)
        await venue.visit.hang_up()
        await connection.wait_state(State.RECONNECTING)
        await connection.wait_state(State.CONNECTED)
        await settle()
        assert keys(venue.visit, "sub") == [["a"]]
        await connection.unsubscribe("a")


async def test_a_reply_nobody_waits_for_is_counted(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    venue = Venue(nursery, obey)
    async with venue.connect(toy_router([])) as connection:
        await connection.wait_state(State.CONNECTED)
        await venue.visit.send({"ok": 999})
        await venue.visit.send({"no": 998, "bad": [], "why": "?"})
        await venue.visit.send({"ok": []})
        await venue.visit.send({"no": 1, "bad": [{}], "why": "?"})
        await venue.visit.send({"no": 1})
        await settle()
        assert connection.statistics().unmatched_replies == 5
        assert connection.state is State.CONNECTED
