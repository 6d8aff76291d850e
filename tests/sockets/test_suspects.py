"""Who is to blame when a connection is lost: suspects are named, found one by one, and refused."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from hyperstream.errors import SubscriptionRefused
from hyperstream.sockets import (
    FixedDelay,
    Refusal,
    State,
    StateChange,
    Subscription,
)

from .venue import Venue, toy_router

settle = trio.testing.wait_all_tasks_blocked


async def test_a_loss_right_after_a_subscribe_names_the_suspects(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery, deadly={"btc"})
    async with venue.connect(toy_router([])) as connection:
        events = connection.events()
        await connection.subscribe(Subscription("good"))
        await trio.sleep(60)
        connection.subscribe_nowait(Subscription("btc"), Subscription("ETH"))
        await connection.wait_state(State.RECONNECTING)
    (lost,) = [event async for event in events if isinstance(event, StateChange) and event.suspects]
    assert lost.suspects == ("btc", "ETH")


async def test_a_subscription_that_kills_the_connection_is_found_and_refused(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """The venue hangs up on it without a word, as Hyperliquid does; the other fifty live on."""
    venue = Venue(nursery, deadly={"k17"})
    async with venue.connect(toy_router([]), refused_seconds=3600.0) as connection:
        events = connection.events()
        connection.subscribe_nowait(*(Subscription(f"k{n}") for n in range(50)))
        await trio.sleep(60)
        assert len(connection.active) == 49
        assert len(venue.visits) <= 1 + math.ceil(math.log2(50)) + 2, "found by halving, not one by one"
        settled = len(venue.visits)
        await trio.sleep(1000)
        assert len(venue.visits) == settled
        assert len(connection.desired) == 50
    (refusal,) = [event async for event in events if isinstance(event, Refusal)]
    assert (refusal.key, refusal.reason) == ("k17", "the connection was lost 2 times because of it")


async def test_who_waits_for_a_subscription_that_kills_is_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery, deadly={"btc"})
    async with venue.connect(toy_router([])) as connection:
        await connection.subscribe(Subscription("ETH"))
        with pytest.raises(SubscriptionRefused, match="'btc' was refused: the connection was lost 2 times"):
            await connection.subscribe(Subscription("btc"))
        await connection.wait_state(State.CONNECTED)
        await settle()
        assert connection.active == ("ETH",)


async def test_random_losses_accuse_nobody_who_was_heard_before(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    venue = Venue(nursery)
    async with venue.connect(toy_router([]), reconnect=FixedDelay(0.01)) as connection:
        events = connection.events()
        connection.subscribe_nowait(*map(Subscription, "abc"))
        await trio.sleep(5)
        for _ in range(10):
            await venue.visit.hang_up()
            await connection.wait_state(State.RECONNECTING)
            await connection.wait_state(State.CONNECTED)
        await settle()
        assert len(connection.active) == 3
        assert connection.statistics().refusals == 0
    assert not [event async for event in events if isinstance(event, Refusal)]
