"""Marks with the real feeds behind them and fake exchanges behind those, on a clock that jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NoReturn

import pytest
import structlog
import trio
from trio.testing import MockClock

from hyperstream.hub.delivery import Contract
from hyperstream.market.venues import BINANCE_FUTURES, BYBIT, HYPERLIQUID, FeedDemand
from tests.sources.exchanges.world import World as Exchange
from tests.sources.exchanges.world import world as exchange

from .mark_world import MarkFollower, MarkWorld, absent, inputs, parts

WHOLE = {"ORACLE", "LOCAL", "EXTERNAL"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Logs of the feeds go nowhere."""

    def drop(*_event: object) -> NoReturn:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


class Stage(MarkWorld):
    """A node, three exchanges with their feeds, and the clock of the marks."""

    def __init__(self, exchanges: dict[str, Exchange]) -> None:
        super().__init__()
        self.exchanges = exchanges
        self.clock = lambda: round(trio.current_time() * 1e9)

    def demand(self, demand: FeedDemand) -> None:
        self.exchanges[demand.topic.venue].feed.demand(demand)

    async def hear(self, venue: str) -> None:
        """Hand on what a feed tells."""
        items, heard = self.exchanges[venue].items, 0
        while True:
            if len(items) > heard:
                news, heard = items[heard:], len(items)
                self.prices.apply(news)
            await trio.sleep(0.05)

    async def make_blocks(self) -> None:
        while True:
            self.block()
            await trio.sleep(0.5)

    def follow_all(self) -> MarkFollower:
        """A follower of BTC's marks who gets every one, whenever he looks."""
        return self.follow_marks("BTC", contract=Contract.LOSSLESS)

    def subscribed(self) -> set[str]:
        """The topics that the exchanges send."""
        return {name for each in self.exchanges.values() for name in each.fake.board.topics}

    async def seconds(self, follower: MarkFollower, seconds: int) -> list[Any]:
        """Let time pass; returns the marks that came meanwhile, a second's at a time."""
        marks = []
        for _ in range(seconds):
            await trio.sleep(1)
            marks += follower.marks()
        return marks


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    async with (
        exchange(HYPERLIQUID) as hyperliquid,
        exchange(BINANCE_FUTURES) as binance,
        exchange(BYBIT) as bybit,
        trio.open_nursery() as nursery,
    ):
        found = Stage({HYPERLIQUID: hyperliquid, BINANCE_FUTURES: binance, BYBIT: bybit})
        for venue, each in found.exchanges.items():
            nursery.start_soon(each.run_market)
            nursery.start_soon(found.hear, venue)
        nursery.start_soon(found.make_blocks)
        nursery.start_soon(found.marks.tick)
        yield found
        nursery.cancel_scope.cancel(reason="the test has ended")


async def test_topics_are_subscribed_with_the_first_follower_and_given_up_after_the_last(
    autojump_clock: MockClock,
) -> None:
    async with stage() as here:
        await trio.sleep(30)
        assert here.subscribed() == set()
        follower, second = here.follow_all(), here.follow_all()
        marks = await here.seconds(follower, 10)
        assert here.subscribed() == {
            '{"type":"activeAssetCtx","coin":"BTC"}',
            "futures btcusdt@bookTicker",
            "linear orderbook.1.BTCUSDT",
        }
        first = marks[0].sequence  # the second one, if that was there when the first look was taken
        assert first in (1, 2)
        assert [mark.sequence for mark in marks] == list(range(first, first + len(marks)))
        assert 8 <= len(marks) <= 11  # one a second, and the first as soon as all was told
        assert all(set(inputs(mark)) == WHOLE for mark in marks)
        seconds = [(mark.publish_time_ns - marks[1].publish_time_ns) / 1e9 for mark in marks[1:]]
        assert seconds == pytest.approx(list(range(len(marks) - 1)))
        follower.leave()
        await trio.sleep(60)
        assert len(here.subscribed()) == 3
        second.leave()
        await trio.sleep(29)
        assert len(here.subscribed()) == 3
        await trio.sleep(5)
        assert here.subscribed() == set()


async def test_an_exchange_that_falls_silent_is_left_out_until_it_speaks_again(
    autojump_clock: MockClock,
) -> None:
    async with stage() as here:
        follower = here.follow_all()
        await here.seconds(follower, 5)
        assert here.exchanges[HYPERLIQUID].fake.trouble.stall(40)
        assert here.exchanges[BYBIT].fake.trouble.stall(40)
        marks = await here.seconds(follower, 8)
        assert all(set(inputs(mark)) == WHOLE for mark in marks), "not old enough to be left out"
        marks = await here.seconds(follower, 8)
        newest = marks[-1]
        assert set(inputs(newest)) == {"LOCAL", "EXTERNAL", "LOCAL_AVERAGE"}
        assert absent(newest)[HYPERLIQUID].startswith("nothing has been told of BTC for 1")
        assert f"{BYBIT}/BTCUSDT" not in parts(newest)
        assert f"{BINANCE_FUTURES}/BTCUSDT" in parts(newest)
        assert not newest.venue_price
        assert newest.price
        marks = await here.seconds(follower, 60)
        assert set(inputs(marks[-1])) == WHOLE
        assert f"{BYBIT}/BTCUSDT" in parts(marks[-1])
        assert Decimal(marks[-1].venue_price) > 0


async def test_averages_outlast_an_outage_of_what_they_are_made_of(autojump_clock: MockClock) -> None:
    async with stage() as here:
        follower = here.follow_all()
        (first, *_) = await here.seconds(follower, 20)
        assert here.exchanges[HYPERLIQUID].fake.trouble.stall(30)
        marks = await here.seconds(follower, 90)
        assert any("ORACLE" not in inputs(mark) for mark in marks)
        assert "ORACLE" in inputs(marks[-1])
        assert marks[-1].averaging_since_time_ns == first.averaging_since_time_ns
