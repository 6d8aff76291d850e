"""Trouble by chance: as often as asked, the same again for the same seed, and nothing stays behind."""

from collections import Counter
from contextlib import suppress

import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from websockets.exceptions import InvalidState

from hyperstream.errors import ConfigurationError
from hyperstream.testing.exchanges import (
    MUCH,
    BybitLimits,
    FakeBinance,
    FakeBybit,
    FakeVenue,
    TroubleRates,
    trouble_rates,
)
from hyperstream.testing.exchanges.strikes import STRIKES
from tests.testing.exchanges.client import Client, asking
from tests.testing.exchanges.following import DEPTH, FREE, TRADE, Connect, following


async def test_every_kind_of_strike_does_something(connect: Connect) -> None:
    for kind in TroubleRates.names():
        fake = FakeBinance(limits=FREE)
        async with fake.serve() as urls, asking(fake) as http:
            await following(fake, connect, urls.stream)
            assert fake.trouble.strike(kind) == kind
            await wait_all_tasks_blocked()
            fake.step(200)
            again: Client = await connect(fake, urls.stream)
            if again.response is not None and again.response.status_code == 101:
                await again.say({"method": "SUBSCRIBE", "params": [TRADE], "id": 1})
            with suppress(httpx.TransportError):  # while connections are refused
                await http.get("/api/v3/depth?symbol=BTCUSDT")
            await wait_all_tasks_blocked()
            assert fake.trouble.counts, kind


async def test_without_rates_any_kind_may_strike() -> None:
    fake = FakeBinance()
    await trio.lowlevel.checkpoint()
    assert {fake.trouble.strike(None) for _ in range(300)} >= {"garbage", "skip", "stale_snapshot"}


def test_strikes_and_rates_have_the_same_names() -> None:
    assert tuple(STRIKES) == TroubleRates.names()


async def test_chance_strikes_about_as_often_as_asked_and_repeats_itself(connect: Connect) -> None:
    counts: list[Counter[str]] = []
    for _ in range(2):
        fake = FakeBinance(seed=3, trouble=TroubleRates(repeat=60.0, skip=30.0))
        async with fake.serve() as urls:
            await following(fake, connect, urls.stream)
            for _ in range(600):
                fake.step(100)
        counts.append(fake.trouble.counts)
    assert counts[0] == counts[1]
    assert 35 < counts[0]["repeated_update"] < 90
    assert 15 < counts[0]["skipped_update"] < 50


async def test_trouble_does_not_change_the_market(connect: Connect) -> None:
    truths = []
    for rates in (MUCH, trouble_rates("none")):
        fake = FakeBinance(seed=5, trouble=rates)
        async with fake.serve() as urls:
            await following(fake, connect, urls.stream)
            for _ in range(300):
                fake.step(200)
                await trio.lowlevel.checkpoint()
            truths.append([fake.truth("BTCUSDT"), fake.truth("ETHUSDT", "futures")])
    assert truths[0] == truths[1]


def test_names_of_trouble_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="none, some, much"):
        trouble_rates("lots")
    with pytest.raises(ConfigurationError, match="no such trouble"):
        FakeBybit().trouble.strike("earthquake")


@pytest.mark.parametrize("venue", [FakeBinance, FakeBybit])
async def test_a_thousand_strikes_leave_nothing_behind(
    venue: type[FakeVenue], connect: Connect, autojump_clock: MockClock
) -> None:
    """Whatever was done to clients that come and come again, afterwards there is neither session nor task."""
    fake = _unlimited(venue)
    asked = {
        "method": "SUBSCRIBE",
        "op": "subscribe",
        "params": [DEPTH],
        "args": ["orderbook.50.BTCUSDT"],
        "id": 1,
    }
    async with fake.serve() as urls:
        clients: list[Client] = []
        for number in range(1_000):
            for client in [client for client in clients if client.is_over]:
                await client.stream.aclose()  # a half-closed connection ends with this alone
                clients.remove(client)
            if len(clients) < 3:
                clients.append(await connect(fake, urls.stream))
                with suppress(InvalidState):
                    await clients[-1].say(asked)
            fake.trouble.strike()
            fake.step(20)
            await wait_all_tasks_blocked()
            if number % 50 == 0:
                await trio.sleep(3)
        assert sum(fake.trouble.counts.values()) > 500
        for client in clients:
            await client.stream.aclose()
        await trio.sleep(20)
        assert fake.sessions == []
        assert all(not topic.followers for topic in fake.board.topics.values())
        assert fake.board.topics == {}
        assert fake.open_connections == 0


def _unlimited(venue: type[FakeVenue]) -> FakeVenue:
    limits = {FakeBinance: FREE, FakeBybit: BybitLimits(connections=0)}[venue]
    fake: FakeVenue = venue(seed=2, trouble=MUCH, limits=limits)  # type: ignore[call-arg]  # both have limits
    return fake
