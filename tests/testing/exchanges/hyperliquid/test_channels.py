"""What Hyperliquid's channels say: keys, spelling, cadences, and that it is the truth."""

from collections.abc import Callable
from typing import Any

import pytest

from hyperstream.market.aggregation import Aggregation
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.testing.exchanges import Activity, FakeHyperliquid
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
LIVELY = Activity(changes_per_second=100, trades_per_second=10)
COINS = ("BTC", "kPEPE", "@107", "xyz:AAPL")


def make(**more: Any) -> FakeHyperliquid:
    return FakeHyperliquid(symbols=COINS, activity=LIVELY, **more)


async def follow(fake: FakeHyperliquid, connect: Connect, url: str, kind: str, **more: Any) -> Client:
    client: Client = await connect(fake, url)
    await client.say({"method": "subscribe", "subscription": {"type": kind, **more}})
    return client


async def run(client: Client, fake: FakeHyperliquid, seconds: int, ms: int = 60) -> list[Any]:
    """Return the data frames of a while, the first ones included."""
    heard = (await client.heard())[1:]
    for _ in range(seconds * 1_000 // ms):
        fake.step(ms)
    return heard + await client.heard()


def best(levels: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((level["px"], level["sz"]) for level in levels)


@pytest.mark.parametrize("coin", COINS)
async def test_a_book_is_the_true_one_to_twenty_levels(coin: str, connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "l2Book", coin=coin)
        await client.heard()
        for _ in range(30):
            fake.step(180)  # a book falls on every thirtieth
            truth = fake.truth(coin, depth=20)
            for message in await client.heard():
                data = message["data"]
                assert list(data) == ["coin", "time", "levels"]
                assert (best(data["levels"][0]), best(data["levels"][1])) == (truth.bids, truth.asks)
                assert all(list(level) == ["px", "sz", "n"] for side in data["levels"] for level in side)
                assert data["time"] == fake.now_ms
                assert parse_e8(data["levels"][0][0]["px"]) < parse_e8(data["levels"][1][0]["px"])


@pytest.mark.parametrize(("is_fast", "levels", "period_ms"), [(False, 20, 5_400), (True, 5, 540)])
async def test_books_come_on_one_clock_whether_they_changed_or_not(
    is_fast: bool, levels: int, period_ms: int, connect: Connect
) -> None:
    fake = FakeHyperliquid(
        symbols=("BTC", "ETH"),
        activity=Activity(changes_per_second=0, trades_per_second=0, jumps_per_minute=0),
    )
    async with fake.serve() as urls:
        first = await follow(fake, connect, urls.stream, "l2Book", coin="BTC", fast=is_fast)
        await first.heard()
        fake.step(period_ms // 3)
        second = await follow(fake, connect, urls.stream, "l2Book", coin="ETH", fast=is_fast)
        await second.heard()
        for _ in range(40):
            fake.step(period_ms // 10)
        times = []
        for client in (first, second):
            books = [message["data"] for message in await client.heard()]
            assert {len(side) for book in books for side in book["levels"]} == {levels}
            times.append([book["time"] for book in books])
        assert len(times[1]) >= 4
        assert set(times[1]) <= set(times[0])
        assert len({time // period_ms for time in times[0]}) == len(times[0])


@pytest.mark.parametrize(
    ("figures", "mantissa"), [(5, None), (5, 1), (5, 2), (5, 5), (4, None), (3, None), (2, None)]
)
@pytest.mark.parametrize("coin", ["BTC", "kPEPE"])
async def test_an_aggregated_book_sums_the_whole_side(
    figures: int, mantissa: int | None, coin: str, connect: Connect
) -> None:
    fake = make()
    fake.step(500)
    async with fake.serve() as urls:
        client = await follow(
            fake, connect, urls.stream, "l2Book", coin=coin, nSigFigs=figures, mantissa=mantissa
        )
        data = (await client.heard())[-1]["data"]
    rule, truth = Aggregation(figures, mantissa or 1), fake.truth(coin)
    for levels, told, sign in ((truth.bids, data["levels"][0], 1), (truth.asks, data["levels"][1], -1)):
        buckets: dict[int, int] = {}
        for price, size in levels:
            key = rule.bucket_key(sign * parse_e8(price))
            buckets[key] = buckets.get(key, 0) + parse_e8(size)
        expected = [(format_e8(abs(key)), format_e8(size)) for key, size in buckets.items()]
        assert best(told) == tuple(expected[:20])


async def test_the_best_prices_are_told_only_when_they_changed(connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "bbo", coin="BTC")
        assert len(await client.heard()) == 1  # the acknowledgement
        told = fake.truth("BTC", depth=1).best
        count = 0
        for _ in range(100):
            fake.step(60)
            truth = fake.truth("BTC", depth=1).best
            messages = await client.heard()
            assert len(messages) == (truth != told)
            for message in messages:
                assert list(message["data"]) == ["coin", "time", "bbo"]
                assert best(message["data"]["bbo"]) == truth
                count += 1
            told = truth
        assert count > 10


async def test_a_newcomer_gets_the_recent_trades_and_then_every_one_once(connect: Connect) -> None:
    fake = make()
    for _ in range(500):
        fake.step(60)
    since = fake.now_ms - 20_000
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "trades", coin="BTC")
        frames = await run(client, fake, 10)
    recent = frames[0]["data"]
    assert min(trade["time"] for trade in recent) >= since
    assert len(frames) > 10
    trades = [trade for frame in frames for trade in frame["data"]]
    true = [trade for trade in fake.markets["BTC"].recent_trades if trade.time_ms >= since]
    assert [(parse_e8(trade["px"]), parse_e8(trade["sz"]), trade["time"]) for trade in trades] == [
        (trade.price_e8, trade.size_e8, trade.time_ms) for trade in true
    ]
    assert [trade["side"] for trade in trades] == ["B" if trade.is_buy else "A" for trade in true]
    assert len({(trade["time"], trade["tid"]) for trade in trades}) == len(trades)
    keys = ["coin", "side", "px", "sz", "time", "hash", "tid", "users"]
    for trade in trades:
        assert list(trade) == keys
        assert trade["tid"] < 2**50
        assert [len(text) for text in (trade["hash"], *trade["users"])] == [66, 42, 42]


async def test_candles_end_with_their_last_state_and_nothing_says_closed(connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        client = await follow(fake, connect, urls.stream, "candle", coin="BTC", interval="1m")
        frames = await run(client, fake, 200)
    last: dict[int, dict[str, Any]] = {}
    for frame in frames:
        data = frame["data"]
        assert list(data) == ["t", "T", "s", "i", "o", "c", "h", "l", "v", "n"]
        assert data["T"] == data["t"] + 59_999
        assert data["t"] >= max(last, default=0)
        last[data["t"]] = data
    true = {bar.start_ms: bar for bar in fake.truth("BTC").bars}
    closed = [start for start, bar in true.items() if bar.is_closed]
    assert len(closed) >= 3
    for start in closed:
        bar, told = true[start], last[start]
        assert [parse_e8(told[name]) for name in "ohlcv"] == [
            bar.open_e8,
            bar.high_e8,
            bar.low_e8,
            bar.close_e8,
            bar.volume_e8,
        ]
        assert told["n"] == bar.trades


async def test_mids_are_those_of_one_dex(connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        main = await follow(fake, connect, urls.stream, "allMids")
        dex = await follow(fake, connect, urls.stream, "allMids", dex="xyz")
        frames, of_dex = await run(main, fake, 12), await run(dex, fake, 1)
    assert len(frames) == 3  # at once, and every 5.05 s
    assert set(frames[-1]["data"]["mids"]) == {"BTC", "kPEPE", "@107"}
    assert of_dex[0]["data"]["dex"] == "xyz"
    assert set(of_dex[0]["data"]["mids"]) == {"xyz:AAPL"}


async def test_contexts_of_perpetuals_and_spot_differ(connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        perp = await follow(fake, connect, urls.stream, "activeAssetCtx", coin="BTC")
        spot = await follow(fake, connect, urls.stream, "activeAssetCtx", coin="@107")
        frames, of_spot = await run(perp, fake, 5, ms=100), await run(spot, fake, 1)
    assert len(frames) == 6
    assert {frame["channel"] for frame in frames} == {"activeAssetCtx"}
    assert {frame["channel"] for frame in of_spot} == {"activeSpotAssetCtx"}
    context = frames[-1]["data"]["ctx"]
    assert list(context) == (
        [
            "funding",
            "openInterest",
            "prevDayPx",
            "dayNtlVlm",
            "premium",
            "oraclePx",
            "markPx",
            "midPx",
            "impactPxs",
            "dayBaseVlm",
        ]
    )
    assert all(isinstance(value, str) for name, value in context.items() if name != "impactPxs")
    assert {"markPx", "midPx", "circulatingSupply", "coin"} <= set(of_spot[0]["data"]["ctx"])


async def test_a_delisted_coin_is_acknowledged_and_has_empty_books_for_ever(connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        book = await follow(fake, connect, urls.stream, "l2Book", coin="MATIC")
        trades = await follow(fake, connect, urls.stream, "trades", coin="MATIC")
        frames = await run(book, fake, 12)
        assert [frame["data"]["levels"] for frame in frames] == [[[], []]] * 3
        assert len({frame["data"]["time"] for frame in frames}) == 3
        assert await run(trades, fake, 1) == []


async def test_numbers_are_spelled_as_the_venue_does(connect: Connect) -> None:
    fake = make()
    async with fake.serve() as urls:
        for coin in COINS:
            client = await follow(fake, connect, urls.stream, "l2Book", coin=coin, fast=True)
            for frame in await run(client, fake, 2):
                for level in (level for side in frame["data"]["levels"] for level in side):
                    for text in (level["px"], level["sz"]):
                        assert text == format_e8(parse_e8(text))
