"""A crowd of tasks goes on a few at a time, in the order in which they came."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from hyperstream.servers.door.turnstile import Turnstile


async def test_a_few_pass_between_two_steps_of_anybody_else() -> None:
    turnstile = Turnstile(most=3)
    passed: list[int] = []
    seen: list[int] = []

    async def come(number: int) -> None:
        await turnstile.wait_turn()
        passed.append(number)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turnstile.run)
            for number in range(20):
                nursery.start_soon(come, number)
            while len(passed) < 20:
                await trio.lowlevel.checkpoint()
                seen.append(len(passed))
            nursery.cancel_scope.cancel(reason="seen enough")
    # Those of one pass may come before anybody else's step in it, and those of the next after.
    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) <= 2 * 3
    assert sorted(passed) == list(range(20))


async def test_those_who_wait_pass_in_their_order() -> None:
    turnstile = Turnstile(most=1)
    passed: list[int] = []

    async def come(number: int) -> None:
        await turnstile.wait_turn()
        passed.append(number)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(come, number)
                await wait_all_tasks_blocked()
            nursery.start_soon(turnstile.run)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel(reason="all have passed")
    assert passed == [0, 1, 2, 3, 4]


async def test_whoever_gives_up_waiting_holds_up_nobody() -> None:
    turnstile = Turnstile(most=1)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await turnstile.wait_turn()
            with trio.move_on_after(0):
                await turnstile.wait_turn()
            nursery.start_soon(turnstile.run)
            await wait_all_tasks_blocked()
            for _ in range(10):
                await turnstile.wait_turn()
            nursery.cancel_scope.cancel(reason="nobody was held up")
