"""What Bybit's topics say: books by their rules, trades, merged tickers, candles."""

import itertools

import pytest

from hyperstream.market.decimals import parse_e8
from hyperstream.testing.exchanges import Activity, FakeBybit
from tests.testing.exchanges.bybit.following import LIVELY, Connect, follow


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
