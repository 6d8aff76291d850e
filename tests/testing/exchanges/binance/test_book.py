"""A client that keeps books by Binance's own words ends up with the exchange's book."""

import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from hyperstream.testing.exchanges import Activity, FakeBinance
from tests.testing.exchanges.client import Client, apply, asking, levels, sides

Connect = Callable[..., Any]
LIVELY = Activity(changes_per_second=200, trades_per_second=20, jumps_per_minute=60, levels=120)
SPOT_STREAM, FUTURES_STREAM = "btcusdt@depth@100ms", "ethusdt@depth@100ms"


class OutOfSync(Exception):
    """The rules say: begin again."""


@define
class SpotBook:
    """The numbered steps of "How to manage a local order book correctly", and nothing clever."""

    bids: dict[str, str] = field(factory=dict)
    asks: dict[str, str] = field(factory=dict)
    update_id: int = 0

    def begin(self, snapshot: dict[str, Any], events: list[dict[str, Any]]) -> None:
        last = snapshot["lastUpdateId"]
        if events and last < events[0]["U"] - 1:
            raise OutOfSync("the snapshot is older than the first event")
        remaining = [event for event in events if event["u"] > last]
        if remaining:
            assert remaining[0]["U"] <= last + 1 <= remaining[0]["u"]
        self.bids, self.asks, self.update_id = levels(snapshot["bids"]), levels(snapshot["asks"]), last
        for event in remaining:
            self.take(event)

    def take_all(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self.take(event)

    def take(self, event: dict[str, Any]) -> None:
        if event["u"] < self.update_id:
            return
        if event["U"] > self.update_id + 1:
            raise OutOfSync("a gap")
        apply(self.bids, event["b"])
        apply(self.asks, event["a"])
        self.update_id = event["u"]


@define
class FuturesBook(SpotBook):
    """The same for USD-M: pu links the events, and the first one spans the snapshot."""

    is_begun: bool = False

    def begin(self, snapshot: dict[str, Any], events: list[dict[str, Any]]) -> None:
        last = snapshot["lastUpdateId"]
        self.bids, self.asks = levels(snapshot["bids"]), levels(snapshot["asks"])
        self.update_id, self.is_begun = last, False
        for event in events:
            self.take(event)

    def take(self, event: dict[str, Any]) -> None:
        if not self.is_begun:
            if event["u"] < self.update_id:
                return
            if not event["U"] <= self.update_id <= event["u"]:
                raise OutOfSync("the snapshot is older than the first event")
            self.is_begun = True
        elif event["pu"] != self.update_id:
            raise OutOfSync("a gap")
        apply(self.bids, event["b"])
        apply(self.asks, event["a"])
        self.update_id = event["u"]


PRODUCTS = [
    pytest.param(
        SpotBook, "stream", SPOT_STREAM, "/api/v3/depth?symbol=BTCUSDT&limit=5000", "spot", id="spot"
    ),
    pytest.param(
        FuturesBook,
        "public",
        FUTURES_STREAM,
        "/fapi/v1/depth?symbol=ETHUSDT&limit=1000",
        "futures",
        id="futures",
    ),
]


class Bench:
    """A fake, a client of one depth stream, and a book."""

    def __init__(self, kind: type[SpotBook], path: str, stream: str, rest: str, product: str) -> None:
        self.fake = FakeBinance(seed=11, activity=LIVELY)
        self.book = kind()
        self.path, self.stream, self.rest, self.product = path, stream, rest, product
        self.client: Client
        self.http: httpx.AsyncClient

    async def begin(self, stack: AsyncExitStack, connect: Connect) -> None:
        urls = await stack.enter_async_context(self.fake.serve())
        self.client = await connect(self.fake, f"{getattr(urls, self.path)}?streams={self.stream}")
        self.http = await stack.enter_async_context(asking(self.fake))

    async def events(self) -> list[dict[str, Any]]:
        return [message["data"] for message in await self.client.heard()]

    async def snapshot(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.http.get(self.rest)).json()
        return answer

    def truth(self) -> tuple[Any, ...]:
        market = self.fake.truth(self.stream.partition("@")[0].upper(), self.product)
        return (market.bids, market.asks)

    def is_true(self) -> bool:
        return sides(self.book.bids, self.book.asks) == self.truth()


@pytest.mark.parametrize(("kind", "path", "stream", "rest", "product"), PRODUCTS)
async def test_the_rebuilt_book_is_the_true_one(
    kind: type[SpotBook], path: str, stream: str, rest: str, product: str, connect: Connect
) -> None:
    bench = Bench(kind, path, stream, rest, product)
    async with AsyncExitStack() as stack:
        await bench.begin(stack, connect)
        for _ in range(35):
            bench.fake.step(10)  # the snapshot falls between two events
        bench.book.begin(await bench.snapshot(), await bench.events())
        for _ in range(20):
            for _ in range(17):
                bench.fake.step(13)
            for event in await bench.events():
                bench.book.take(event)
        bench.fake.settle(1_000)
        for event in await bench.events():
            bench.book.take(event)
        assert bench.is_true()


@pytest.mark.parametrize(("kind", "path", "stream", "rest", "product"), PRODUCTS)
async def test_a_skipped_update_breaks_the_sequence_and_a_new_snapshot_mends_it(
    kind: type[SpotBook], path: str, stream: str, rest: str, product: str, connect: Connect
) -> None:
    bench = Bench(kind, path, stream, rest, product)
    async with AsyncExitStack() as stack:
        await bench.begin(stack, connect)
        bench.fake.step(250)
        bench.book.begin(await bench.snapshot(), await bench.events())
        bench.fake.step(100)
        for event in await bench.events():
            bench.book.take(event)
        bench.fake.trouble.skip_updates(f"{product} {stream}")
        for _ in range(5):
            bench.fake.step(100)
        events = await bench.events()
        with pytest.raises(OutOfSync, match="a gap"):
            bench.book.take_all(events)
        bench.fake.step(100)
        bench.fake.step(50)
        snapshot = await bench.snapshot()
        bench.fake.step(50)
        bench.book.begin(snapshot, await bench.events())
        bench.fake.settle(1_000)
        for event in await bench.events():
            bench.book.take(event)
        assert bench.is_true()


@pytest.mark.parametrize(("kind", "path", "stream", "rest", "product"), PRODUCTS)
async def test_a_stale_snapshot_is_older_than_the_first_event(
    kind: type[SpotBook], path: str, stream: str, rest: str, product: str, connect: Connect
) -> None:
    bench = Bench(kind, path, stream, rest, product)
    for _ in range(50):
        bench.fake.step(100)
    async with AsyncExitStack() as stack:
        await bench.begin(stack, connect)
        bench.fake.step(250)
        bench.fake.trouble.stale_snapshots()
        snapshot, events = await bench.snapshot(), await bench.events()
        with pytest.raises(OutOfSync, match="older than the first event"):
            bench.book.begin(snapshot, events)
        bench.book.begin(await bench.snapshot(), events)


async def test_a_snapshot_may_be_on_its_way_while_the_stream_goes_on(
    connect: Connect, autojump_clock: MockClock
) -> None:
    """The book is that of the moment it was asked for, however late it comes."""
    fake = FakeBinance(activity=LIVELY, snapshot_seconds=2.0)
    async with fake.serve() as urls, asking(fake) as http, trio.open_nursery() as nursery:
        client: Client = await connect(fake, f"{urls.stream}?streams={SPOT_STREAM}")
        fake.step(250)
        asked_at = fake.truth("BTCUSDT").update_id
        answers: list[dict[str, Any]] = []

        async def fetch() -> None:
            answers.append((await http.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")).json())

        nursery.start_soon(fetch)
        await wait_all_tasks_blocked()
        for _ in range(10):
            fake.step(100)
        await trio.sleep(2.5)
        assert answers[0]["lastUpdateId"] == asked_at
        book = SpotBook()
        book.begin(answers[0], [message["data"] for message in await client.heard()])
        fake.settle(1_000)
        for message in await client.heard():
            book.take(message["data"])
        truth = fake.truth("BTCUSDT")
        assert sides(book.bids, book.asks) == (truth.bids, truth.asks)


async def test_spot_ids_follow_each_other_and_futures_ids_do_not(connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        spot: Client = await connect(fake, f"{urls.stream}?streams={SPOT_STREAM}")
        futures: Client = await connect(fake, f"{urls.public}?streams={FUTURES_STREAM}")
        for _ in range(40):
            fake.step(50)
        events = [message["data"] for message in await spot.heard()]
        assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(events))
        events = [message["data"] for message in await futures.heard()]
        pairs = list(itertools.pairwise(events))
        assert all(after["pu"] == before["u"] for before, after in pairs)
        assert any(after["U"] != before["u"] + 1 for before, after in pairs)


async def test_book_tickers_share_the_ids_of_the_depth(connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        client: Client = await connect(fake, f"{urls.stream}?streams=btcusdt@bookTicker/{SPOT_STREAM}")
        tickers, ids = [], set()
        for _ in range(100):
            fake.step(20)
            truth = fake.truth("BTCUSDT", depth=1)
            for message in await client.heard():
                if message["stream"] == SPOT_STREAM:
                    ids |= set(range(message["data"]["U"], message["data"]["u"] + 1))
                else:
                    data = message["data"]
                    assert ((data["b"], data["B"]), (data["a"], data["A"])) == truth.best
                    tickers.append(data["u"])
        assert len(tickers) > 10
        fake.settle(1_000)
        for message in await client.heard():
            ids |= set(range(message["data"]["U"], message["data"]["u"] + 1))
        assert set(tickers) <= ids


@pytest.mark.parametrize("depth", [5, 10, 20])
async def test_partial_depth_is_whole_and_differs_between_products(depth: int, connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    name = f"btcusdt@depth{depth}@100ms"
    async with fake.serve() as urls:
        spot: Client = await connect(fake, f"{urls.stream}?streams={name}")
        futures: Client = await connect(fake, f"{urls.public}?streams={name}")
        for _ in range(5):
            fake.step(100)
        data = (await spot.heard())[-1]["data"]
        truth = fake.truth("BTCUSDT", depth=depth)
        assert list(data) == ["lastUpdateId", "bids", "asks"]
        assert (levels(data["bids"]), levels(data["asks"])) == (dict(truth.bids), dict(truth.asks))
        data = (await futures.heard())[-1]["data"]
        truth = fake.truth("BTCUSDT", "futures", depth=depth)
        assert list(data) == ["e", "E", "T", "s", "ps", "U", "u", "pu", "b", "a", "st"]
        assert (levels(data["b"]), levels(data["a"])) == (dict(truth.bids), dict(truth.asks))
