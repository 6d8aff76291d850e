"""What Bybit's topics say: books by their rules, trades, merged tickers, candles."""

import itertools
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from trio.testing import wait_all_tasks_blocked

from hyperstream.market.decimals import parse_e8
from hyperstream.testing.exchanges import Activity, FakeBybit
from tests.testing.exchanges.client import Client, apply, asking, levels, sides

Connect = Callable[..., Any]
LIVELY = Activity(changes_per_second=200, trades_per_second=20, jumps_per_minute=60, levels=260)
QUIET = Activity(changes_per_second=0, trades_per_second=0, jumps_per_minute=0)


async def follow(fake: FakeBybit, connect: Connect, url: str, *names: str) -> Client:
    """Return a client whose acknowledgement is taken; the first data is not."""
    client: Client = await connect(fake, url)
    await client.say({"op": "subscribe", "args": list(names)})
    await wait_all_tasks_blocked()
    client.texts = [text for text in client.texts if "topic" in orjson.loads(text)]
    return client


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


@pytest.mark.parametrize("category", ["linear", "spot"])
async def test_trades_are_told_once_in_order_and_truly(category: str, connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        url = urls.stream if category == "linear" else urls.spot
        client = await follow(fake, connect, url, "publicTrade.BTCUSDT")
        assert await client.heard() == []  # no history
        before = fake.truth("BTCUSDT", category).last_trade.trade_id
        for _ in range(100):
            fake.step(50)
        messages = await client.heard()
    assert {message["type"] for message in messages} == {"snapshot"}
    trades = [trade for message in messages for trade in message["data"]]
    true = [trade for trade in fake.markets[category]["BTCUSDT"].recent_trades if trade.trade_id > before]
    assert [(parse_e8(each["p"]), parse_e8(each["v"]), each["T"], each["S"]) for each in trades] == [
        (each.price_e8, each.size_e8, each.time_ms, "Buy" if each.is_buy else "Sell") for each in true
    ]
    keys = ["T", "s", "S", "v", "p", "L", "i", "BT", "RPI", "seq"]
    assert all(list(trade) == [key for key in keys if category == "linear" or key != "L"] for trade in trades)
    assert len({trade["i"] for trade in trades}) == len(trades)
    assert all(trade["i"].isdecimal() is (category == "spot") for trade in trades)
    if category == "linear":
        for earlier, later in itertools.pairwise(trades):
            change = parse_e8(later["p"]) - parse_e8(earlier["p"])
            assert later["L"] in (
                ("PlusTick",)
                if change > 0
                else ("MinusTick",)
                if change < 0
                else ("ZeroPlusTick", "ZeroMinusTick")
            )


async def test_a_frame_has_at_most_1024_trades(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=Activity(trades_per_second=900, levels=400))
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "publicTrade.BTCUSDT")
        fake.step(3_000)
        sizes = [len(message["data"]) for message in await client.heard()]
    assert len(sizes) > 1
    assert sizes[:-1] == [1_024] * (len(sizes) - 1)


async def test_merged_ticker_deltas_are_the_newest_snapshot(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "tickers.BTCUSDT")
        for _ in range(100):
            fake.step(33)
        snapshot, *deltas = await client.heard()
        assert (snapshot["type"], {delta["type"] for delta in deltas}) == ("snapshot", {"delta"})
        assert list(snapshot) == ["topic", "type", "data", "cs", "ts"]
        merged = dict(snapshot["data"])
        assert merged["preOpenPrice"] == ""
        for delta in deltas:
            assert delta["data"]["symbol"] == "BTCUSDT"
            assert len(delta["data"]) < len(snapshot["data"])
            assert all(merged[name] != value for name, value in delta["data"].items() if name != "symbol")
            merged |= delta["data"]
        assert all(later["ts"] - before["ts"] >= 99 for before, later in itertools.pairwise(deltas))
        late = await follow(fake, connect, urls.stream, "tickers.BTCUSDT")
        (newest,) = await late.heard()
        assert newest["data"] == merged


async def test_spot_tickers_are_whole_and_have_no_best_prices(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.spot, "tickers.BTCUSDT")
        for _ in range(50):
            fake.step(50)
        messages = await client.heard()
    assert len(messages) > 10
    for message in messages:
        assert list(message) == ["topic", "ts", "type", "cs", "data"]
        assert message["type"] == "snapshot"
        assert list(message["data"]) == [
            "symbol",
            "lastPrice",
            "highPrice24h",
            "lowPrice24h",
            "prevPrice24h",
            "volume24h",
            "turnover24h",
            "price24hPcnt",
            "usdIndexPrice",
        ]
    assert messages[-1]["data"]["lastPrice"] == fake.truth("BTCUSDT", "spot").last_price


async def test_candles_close_with_confirm_and_two_come_at_a_rollover(connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",), activity=LIVELY)
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "kline.1.BTCUSDT")
        for _ in range(1_900):
            fake.step(100)
        messages = await client.heard()
    confirmed = {}
    for message in messages:
        assert list(message) == ["topic", "data", "ts", "type"]
        for bar in message["data"]:
            assert list(bar) == (
                [
                    "start",
                    "end",
                    "interval",
                    "open",
                    "close",
                    "high",
                    "low",
                    "volume",
                    "turnover",
                    "confirm",
                    "timestamp",
                ]
            )
            if bar["confirm"]:
                confirmed[bar["start"]] = bar
                assert [each["confirm"] for each in message["data"]] == [True, False]
                assert message["data"][1]["start"] == bar["end"] + 1
    true = {bar.start_ms: bar for bar in fake.truth("BTCUSDT").bars if bar.is_closed}
    assert len(true) >= 3
    assert set(confirmed) == set(true)
    for start, bar in confirmed.items():
        told = [parse_e8(bar[name]) for name in ("open", "high", "low", "close", "volume")]
        same = true[start]
        assert told == [same.open_e8, same.high_e8, same.low_e8, same.close_e8, same.volume_e8]
        assert bar["timestamp"] == same.last_trade_ms


@pytest.mark.parametrize("interval", ["3", "60", "720", "D", "W", "M"])
async def test_candles_of_any_interval_say_where_they_begin_and_end(interval: str, connect: Connect) -> None:
    fake = FakeBybit(symbols=("BTCUSDT",))
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, f"kline.{interval}.BTCUSDT")
        (message,) = await client.heard()
    (bar,) = message["data"]
    assert bar["interval"] == interval
    assert bar["start"] <= fake.now_ms <= bar["end"]
