"""The latest-value cache: never stale, never torn, never the same twice, and no reader holds up another."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.errors import NoLongerKept
from hyperstream.hub.latest import Cell, Latest
from hyperstream.market.venues import Quote, VenueTrade


def quote(number: int, symbol: str = "BTCUSDT") -> Quote:
    """A quote of which every part tells the same number: a torn one would not."""
    text = str(number)
    return Quote("binance", symbol, text, text, text, text, number, number, number)


def is_whole(value: Quote, number: int) -> bool:
    return {value.bid, value.bid_size, value.ask, value.ask_size} == {str(number)} and (
        value.event_time_ns == value.receive_time_ns == value.update_id == number
    )


async def test_a_value_that_is_there_is_had_at_once_and_is_a_checkpoint() -> None:
    cell = Latest().market("binance", "BTCUSDT").price
    cell.put(quote(1))
    with trio.testing.assert_checkpoints():
        newest = await cell.wait_newer(0)
    assert newest.version == 1
    assert is_whole(newest.value, 1)


async def test_a_reader_waits_for_newer_than_what_it_has(autojump_clock: MockClock) -> None:
    cell = Latest().market("binance", "BTCUSDT").price
    cell.put(quote(1))
    got: list[int] = []

    async def read() -> None:
        got.append((await cell.wait_newer(1)).version)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        assert (got, cell.waiting) == ([], 1)
        cell.put(quote(2))
    assert (got, cell.waiting) == ([2], 0)


async def test_a_slow_reader_sees_the_newest_and_none_twice(autojump_clock: MockClock) -> None:
    cell = Latest().market("binance", "BTCUSDT").price
    seen: list[int] = []

    async def read() -> None:
        version = 0
        while version < 100:
            newest = await cell.wait_newer(version)
            assert is_whole(newest.value, newest.version)
            version = newest.version
            seen.append(version)
            await trio.sleep(0.7)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for number in range(1, 101):
            cell.put(quote(number))
            await trio.sleep(0.1)
    assert seen == sorted(set(seen))
    assert seen[-1] == 100
    assert len(seen) == 16  # at 0.0, 0.7, …, 9.8, and the last at 10.5: one for every time it looked


async def test_what_was_put_last_before_a_reader_runs_is_what_it_gets() -> None:
    cell = Latest().market("binance", "BTCUSDT").price
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            newest = await cell.wait_newer(0)
            assert newest.version == 3
            assert is_whole(newest.value, 3)

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        for number in (1, 2, 3):  # the first wakes it; it runs after the third
            cell.put(quote(number))


async def test_thousands_of_markets_wake_only_who_waits_for_them(autojump_clock: MockClock) -> None:
    latest = Latest()
    woken: dict[str, list[int]] = {}

    async def read(symbol: str) -> None:
        cell = latest.market("binance", symbol).price
        version = 0
        while True:
            version = (await cell.wait_newer(version)).version
            woken.setdefault(symbol, []).append(version)

    symbols = [f"S{number}" for number in range(3_000)]
    async with trio.open_nursery() as nursery:
        for symbol in symbols:
            nursery.start_soon(read, symbol)
        await wait_all_tasks_blocked()
        for number, symbol in enumerate(random.Random(1).sample(symbols, 50)):
            latest.market("binance", symbol).price.put(quote(number, symbol))
        await wait_all_tasks_blocked()
        assert len(woken) == 50
        assert all(versions == [1] for versions in woken.values())
        nursery.cancel_scope.cancel(reason="seen enough")
    assert sum(market.waiting for market in latest.markets.values()) == 0


async def test_many_readers_of_one_market_all_get_the_newest(autojump_clock: MockClock) -> None:
    cell = Latest().market("binance", "BTCUSDT").price
    last: dict[int, int] = {}

    async def read(reader: int, pause: float) -> None:
        version = 0
        while version < 200:
            newest = await cell.wait_newer(version)
            assert newest.version > version
            assert newest.version == cell.version
            assert is_whole(newest.value, newest.version)
            version = last[reader] = newest.version
            await trio.sleep(pause)

    async with trio.open_nursery() as nursery:
        pauses = random.Random(2)
        for reader in range(100):
            nursery.start_soon(read, reader, pauses.uniform(0, 3))
        for number in range(1, 201):
            cell.put(quote(number))
            await trio.sleep(0.05)
    assert set(last.values()) == {200}


async def test_a_reader_that_is_cancelled_leaves_nothing_and_disturbs_nobody(
    autojump_clock: MockClock,
) -> None:
    cell = Latest().market("binance", "BTCUSDT").price
    got: list[int] = []

    async def read() -> None:
        got.append((await cell.wait_newer(0)).version)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        with trio.move_on_after(1) as impatient:
            await cell.wait_newer(0)
        assert impatient.cancelled_caught
        assert cell.waiting == 1
        cell.put(quote(1))
    assert got == [1]


async def test_dropping_a_market_tells_its_readers_why_and_no_others(autojump_clock: MockClock) -> None:
    latest = Latest()
    kept, dropped = latest.market("binance", "ETHUSDT").trade, latest.market("binance", "BTCUSDT").trade

    async def read(cell: Cell[Any], errors: list[str]) -> None:
        try:
            await cell.wait_newer(0)
        except NoLongerKept as exc:
            errors.append(str(exc))

    told: list[str] = []
    untold: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, dropped, told)
        nursery.start_soon(read, kept, untold)
        await wait_all_tasks_blocked()
        latest.drop("binance", "BTCUSDT", "nobody follows it")
        await wait_all_tasks_blocked()
        assert told == ["the newest trade of binance/BTCUSDT is no longer kept: nobody follows it"]
        kept.put(VenueTrade("binance", "ETHUSDT", "1", "1", "1", True, 1, 1))
    assert untold == []


async def test_once_closed_every_reader_is_told_and_nothing_can_be_opened(autojump_clock: MockClock) -> None:
    latest = Latest()
    cell = latest.market("binance", "BTCUSDT").price
    cell.put(quote(1))
    latest.close("the daemon ends")
    with pytest.raises(NoLongerKept, match="price of binance/BTCUSDT is no longer kept: the daemon ends"):
        await cell.wait_newer(0)
    with pytest.raises(NoLongerKept, match="nothing of binance/ETHUSDT is kept: the daemon ends"):
        latest.market("binance", "ETHUSDT")
    assert latest.find("binance", "BTCUSDT") is None


def test_versions_go_on_rising_when_a_market_is_dropped_and_opened_again() -> None:
    latest = Latest()
    for number in range(7):
        latest.market("binance", "BTCUSDT").price.put(quote(number))
    latest.drop("binance", "BTCUSDT", "nobody follows it")
    again = latest.market("binance", "BTCUSDT").price
    assert again.newest() is None
    again.put(quote(8))
    assert again.version == 8


class CacheMachine(RuleBasedStateMachine):
    """Any order of writing, reading, dropping and closing, beside a plain model of what is newest."""

    def __init__(self) -> None:
        super().__init__()
        self.latest = Latest()
        self.newest: dict[str, int] = {}  # symbol → the number written last, since it was opened
        self.read_versions: dict[str, int] = {}  # symbol → the highest version any reader saw
        self.count = 0
        self.closed = False

    @rule(symbol=st.sampled_from("abc"))
    def put(self, symbol: str) -> None:
        self.count += 1
        try:
            self.latest.market("binance", symbol).price.put(quote(self.count, symbol))
        except NoLongerKept:
            assert self.closed
        else:
            self.newest[symbol] = self.count

    @rule(symbol=st.sampled_from("abc"), age=st.integers(0, 3))
    def read(self, symbol: str, age: int) -> None:
        market = self.latest.find("binance", symbol)
        if market is None:
            assert symbol not in self.newest
            return
        newest = market.price.newest()
        assert newest is not None
        assert is_whole(newest.value, self.newest[symbol])
        assert newest.version >= self.read_versions.get(symbol, 0)
        self.read_versions[symbol] = newest.version

        async def wait() -> int:
            with trio.move_on_after(1):
                return (await market.price.wait_newer(newest.version - age)).version
            return 0

        # What is newer than an older version is there; newer than the newest has to be waited for.
        assert trio.run(wait, clock=MockClock(autojump_threshold=0)) == (newest.version if age else 0)
        assert market.waiting == 0

    @rule(symbol=st.sampled_from("abc"))
    def drop(self, symbol: str) -> None:
        self.latest.drop("binance", symbol, "nobody follows it")
        self.newest.pop(symbol, None)

    @rule(is_sure=st.integers(0, 9))
    def close(self, is_sure: int) -> None:
        if not is_sure:
            self.latest.close("the daemon ends")
            self.closed = True
            self.newest.clear()

    @invariant()
    def nothing_is_kept_that_was_not_put_or_opened(self) -> None:
        assert {symbol for _, symbol in self.latest.markets} == set(self.newest)


TestCacheMachine = CacheMachine.TestCase


def test_a_value_that_may_have_been_missed_since_is_not_current_until_the_next_comes() -> None:
    cell = Latest().market("binance", "BTCUSDT").price

    def current() -> Quote | None:
        return cell.current

    assert current() is None
    cell.put(quote(1))
    assert current() is cell.value
    cell.interrupt()
    assert current() is None
    assert cell.value is not None
    cell.put(quote(2))
    assert current() is cell.value
    cell.clear()
    assert current() is None
