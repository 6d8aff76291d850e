"""Bybit's order books: rebuilt by their rules they are the true ones."""

import itertools
from typing import Any

import pytest
from trio.testing import wait_all_tasks_blocked

from hyperstream.testing.exchanges import Activity, FakeBybit
from tests.testing.exchanges.bybit.following import LIVELY, Connect, follow
from tests.testing.exchanges.client import apply, asking, levels, sides

QUIET = Activity(changes_per_second=0, trades_per_second=0, jumps_per_minute=0)


class Book:
    """A book kept as the documentation says."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.u = 0
        self.gaps = 0
        self.snapshots = 0

    def take(self, message: dict[str, Any]) -> None:
        data = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks, self.u = levels(data["b"]), levels(data["a"]), data["u"]
            self.snapshots += 1
            return
        if data["u"] <= self.u:
            return
        if data["u"] != self.u + 1:
            self.gaps += 1
            return
        apply(self.bids, data["b"])
        apply(self.asks, data["a"])
        self.u = data["u"]

    def take_all(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self.take(message)

    def is_true(self, fake: FakeBybit, category: str, depth: int) -> bool:
        truth = fake.truth("BTCUSDT", category, depth=depth)
        return sides(self.bids, self.asks) == (truth.bids, truth.asks)


@pytest.mark.parametrize("category", ["linear", "spot"])
@pytest.mark.parametrize("depth", [1, 50, 200, 1000])
async def test_a_rebuilt_book_is_the_true_one(depth: int, category: str, connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        url = urls.stream if category == "linear" else urls.spot
        client = await follow(fake, connect, url, f"orderbook.{depth}.BTCUSDT")
        book = Book()
        for _ in range(15):
            for _ in range(20):
                fake.step(13)
            book.take_all(await client.heard())
            assert len(book.bids) <= depth
        fake.settle(500)
        book.take_all(await client.heard())
        assert book.is_true(fake, category, depth)
        assert book.gaps == 0
        assert book.snapshots == 1 if depth > 1 else book.snapshots > 10


async def test_who_comes_later_starts_at_the_same_sequence(connect: Connect) -> None:
    """A newcomer's snapshot and everybody's next delta fit together, whenever it comes."""
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    name = "orderbook.200.BTCUSDT"
    async with fake.serve() as urls:
        clients, books = [], []
        for _ in range(5):
            clients.append(await follow(fake, connect, urls.stream, name))
            books.append(Book())
            fake.step(70)
            fake.step(70)
        fake.settle(500)
        for client, book in zip(clients, books, strict=True):
            book.take_all(await client.heard())
            assert book.is_true(fake, "linear", 200)
            assert book.gaps == 0
        assert len({book.u for book in books}) == 1


async def test_levels_that_leave_the_window_have_size_zero(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "orderbook.50.BTCUSDT")
        await client.heard()
        left = 0
        for _ in range(200):
            fake.step(20)
            truth = fake.truth("BTCUSDT")
            whole, window = dict(truth.bids), dict(truth.bids[:50])
            for message in await client.heard():
                for price, size in message["data"]["b"]:
                    assert size == window.get(price, "0")
                    left += price in whole and size == "0"
        assert left > 0


async def test_a_skipped_update_is_a_gap_and_renewing_mends_it(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    name = "orderbook.50.BTCUSDT"
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, name)
        book = Book()
        fake.step(100)
        fake.trouble.skip_updates(f"linear {name}")
        for _ in range(10):
            fake.step(20)
        book.take_all(await client.heard())
        assert book.gaps > 0
        await client.ask({"op": "unsubscribe", "args": [name]})
        await client.say({"op": "subscribe", "args": [name]})
        renewed = Book()
        await wait_all_tasks_blocked()
        fake.settle(500)
        renewed.take_all([message for message in await client.heard() if "topic" in message])
        assert renewed.is_true(fake, "linear", 50)
        assert renewed.u > book.u


async def test_a_restarted_service_begins_with_one(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT")
        fake.step(100)
        await client.heard()
        fake.restart_service()
        fake.step(20)
        found = {message["topic"]: message for message in await client.heard()}
        for message in found.values():
            assert message["type"] == "snapshot"
        assert found["orderbook.50.BTCUSDT"]["data"]["u"] == 1
        assert found["orderbook.1.BTCUSDT"]["data"]["u"] <= 2
        book = Book()
        book.take(found["orderbook.50.BTCUSDT"])
        for _ in range(20):
            fake.step(20)
        messages = [each for each in await client.heard() if each["topic"] == "orderbook.50.BTCUSDT"]
        book.take_all(messages)
        assert book.is_true(fake, "linear", 50)
        assert book.gaps == 0
        assert fake.trouble.counts["restarted_service"] == 1


async def test_the_best_prices_are_said_again_after_three_seconds_with_the_same_u(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=QUIET)
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "orderbook.1.BTCUSDT")
        for _ in range(100):
            fake.step(100)
        messages = await client.heard()
        assert len({message["data"]["u"] for message in messages}) == 1
        assert {message["type"] for message in messages} == {"snapshot"}
        times = [message["ts"] for message in messages]
        assert [later - time for time, later in itertools.pairwise(times)] == [3_000] * 3


async def test_the_order_of_keys_differs_between_families_and_depths(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    late, early = ["topic", "type", "ts", "data", "cts"], ["topic", "ts", "type", "data", "cts"]
    async with fake.serve() as urls:
        for url, first, other in ((urls.stream, early, late), (urls.spot, early, early)):
            client = await follow(fake, connect, url, "orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT")
            fake.step(100)
            for message in await client.heard():
                assert list(message) == (first if ".1." in message["topic"] else other)
                assert list(message["data"]) == ["s", "b", "a", "u", "seq"]


@pytest.mark.parametrize(("depth", "period_ms"), [(1, 10), (50, 20), (200, 100), (1000, 200)])
async def test_books_have_their_cadence(depth: int, period_ms: int, connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=Activity(changes_per_second=2_000, levels=100))
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, f"orderbook.{depth}.BTCUSDT")
        await client.heard()
        for _ in range(200):
            fake.step(5)
        times = [message["ts"] for message in await client.heard()]
        assert all(time % period_ms == 0 for time in times)
        assert min(later - time for time, later in itertools.pairwise(times)) == period_ms


async def test_rest_agrees_with_the_deepest_stream(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    query = "/v5/market/orderbook?category=linear&symbol=BTCUSDT&limit=500"
    async with fake.serve() as urls, asking(fake) as http:
        client = await follow(fake, connect, urls.stream, "orderbook.1000.BTCUSDT")
        for _ in range(33):
            fake.step(30)
        book = Book()
        book.take_all(await client.heard())
        told = (await http.get(query)).json()["result"]
        assert told["u"] == book.u
        assert sides(levels(told["b"]), levels(told["a"])) == sides(book.bids, book.asks)
        await client.stream.aclose()
        await wait_all_tasks_blocked()
        fake.step(1_000)
        assert (await http.get(query)).json()["result"]["u"] > book.u  # it goes on without listeners
