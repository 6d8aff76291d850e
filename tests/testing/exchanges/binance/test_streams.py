"""What each of Binance's streams says: keys and their order, cadences, categories, truth."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from hyperstream.market.decimals import parse_e8
from hyperstream.testing.exchanges import Activity, FakeBinance
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
LIVELY = Activity(changes_per_second=100, trades_per_second=20)
KLINE = "t T s i f L o c h l v n x q V Q B"
SPOT = {
    "trade": "e E s t p q T m M",
    "aggTrade": "e E s a p q f l T m M",
    "bookTicker": "u s b B a A",
    "depth": "e E s U u b a",
    "depth@100ms": "e E s U u b a",
    "kline_1s": "e E s k",
    "miniTicker": "e E s c o h l v q",
    "ticker": "e E s p P w x c Q b B a A o h l v q O C F L n",
}
PUBLIC = {
    "trade": "e E T s t p q X m",
    "bookTicker": "e u s ps b B a A T E st",
    "depth": "e E T s ps U u pu b a st",
    "depth@500ms": "e E T s ps U u pu b a st",
}
MARKET = {
    "aggTrade": "e E s a p q nq f l T m st",
    "markPrice": "e E s p i P r ap T st",
    "markPrice@1s": "e E s p i P r ap T st",
    "kline_1m": "e E s k st",
    "miniTicker": "e E s c o h l v q ps st",
    "ticker": "e E s p P w c Q o h l v q O C F L n st",
}
NAMES = {"trade": "trade", "aggTrade": "aggTrade", "kline": "kline", "miniTicker": "24hrMiniTicker"}


async def listen(
    fake: FakeBinance, connect: Connect, url: str, names: list[str], seconds: int = 8
) -> dict[str, list[Any]]:
    client: Client = await connect(fake, f"{url}?streams={'/'.join(names)}")
    for _ in range(seconds * 20):
        fake.step(50)
    found: dict[str, list[Any]] = {}
    for message in await client.heard():
        found.setdefault(message["stream"], []).append(message["data"])
    return found


@pytest.mark.parametrize(("path", "shapes"), [("stream", SPOT), ("public", PUBLIC), ("market", MARKET)])
async def test_payloads_have_the_documented_keys_in_their_order(
    path: str, shapes: dict[str, str], connect: Connect
) -> None:
    fake = FakeBinance(activity=LIVELY)
    names = {f"btcusdt@{kind}": keys.split() for kind, keys in shapes.items()}
    async with fake.serve() as urls:
        found = await listen(fake, connect, getattr(urls, path), list(names))
    assert set(found) == set(names)
    for name, messages in found.items():
        for data in messages:
            assert list(data) == names[name]
            assert data["s"] == "BTCUSDT"
            if "k" in data:
                assert list(data["k"]) == KLINE.split()


@pytest.mark.parametrize(
    ("path", "other"), [("public", MARKET), ("market", PUBLIC), ("stream", {"markPrice": ""})]
)
async def test_a_stream_of_another_category_is_acknowledged_and_silent(
    path: str, other: dict[str, str], connect: Connect
) -> None:
    fake = FakeBinance(activity=LIVELY)
    names = [f"btcusdt@{kind}" for kind in other]
    async with fake.serve() as urls:
        right: Client = await connect(
            fake, f"{urls.public}?streams={names[0]}"
        )  # somebody may follow it rightly
        client: Client = await connect(fake, getattr(urls, path))
        answer = await client.ask({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert answer == {"result": None, "id": 1}
        for _ in range(100):
            fake.step(100)
        assert await client.heard() == []
        assert right.is_over is False


@pytest.mark.parametrize(
    ("path", "kind", "period_ms"),
    [
        ("stream", "depth", 1_000),
        ("stream", "depth@100ms", 100),
        ("stream", "ticker", 1_000),
        ("public", "depth", 250),
        ("public", "depth@500ms", 500),
        ("public", "depth@100ms", 100),
        ("market", "markPrice", 3_000),
        ("market", "markPrice@1s", 1_000),
        ("market", "miniTicker", 2_000),
    ],
)
async def test_cadences_are_the_documented_ones(
    path: str, kind: str, period_ms: int, connect: Connect
) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        found = await listen(fake, connect, getattr(urls, path), [f"btcusdt@{kind}"], seconds=12)
    times = [data["E"] for data in found[f"btcusdt@{kind}"]]
    assert len(times) >= 3
    assert {after - before for before, after in itertools.pairwise(times)} == {period_ms}
    assert all(time % period_ms == 0 for time in times)


async def test_trades_are_told_once_and_in_order_and_are_the_true_ones(connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    before = fake.truth("BTCUSDT").last_trade.trade_id
    async with fake.serve() as urls:
        found = await listen(fake, connect, urls.stream, ["btcusdt@trade"])
    trades = found["btcusdt@trade"]
    last = fake.truth("BTCUSDT").last_trade
    assert [trade["t"] for trade in trades] == list(range(before + 1, last.trade_id + 1))
    truth = {trade.trade_id: trade for trade in fake.products["spot"].flows["BTCUSDT"].recent_trades}
    for trade in trades:
        true = truth[trade["t"]]
        assert (parse_e8(trade["p"]), parse_e8(trade["q"])) == (true.price_e8, true.size_e8)
        assert (trade["T"], trade["m"]) == (true.time_ms, not true.is_buy)


@pytest.mark.parametrize(("path", "product"), [("stream", "spot"), ("market", "futures")])
async def test_aggregates_add_up_their_trades(path: str, product: str, connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        found = await listen(fake, connect, getattr(urls, path), ["btcusdt@aggTrade"])
    truth = {trade.trade_id: trade for trade in fake.products[product].flows["BTCUSDT"].recent_trades}
    groups = found["btcusdt@aggTrade"]
    assert any(group["l"] > group["f"] for group in groups)
    assert [group["a"] for group in groups] == list(range(groups[0]["a"], groups[0]["a"] + len(groups)))
    for before, after in itertools.pairwise(groups):
        assert after["f"] == before["l"] + 1
    for group in groups:
        trades = [truth[number] for number in range(group["f"], group["l"] + 1)]
        assert sum(trade.size_e8 for trade in trades) == parse_e8(group["q"])
        assert {trade.price_e8 for trade in trades} == {parse_e8(group["p"])}
        assert {not trade.is_buy for trade in trades} == {group["m"]}
        if product == "futures":
            assert group["nq"] == group["q"]
            assert group["E"] % 100 == 0
        else:
            assert len({trade.order for trade in trades}) == 1


async def test_klines_form_and_close_and_are_the_true_bars(connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        found = await listen(
            fake, connect, urls.stream, ["btcusdt@kline_1s", "btcusdt@kline_1m"], seconds=150
        )
    flow = fake.products["spot"].flows["BTCUSDT"]
    for interval in ("1s", "1m"):
        truth = {bar.start_ms: bar for bar in flow.bars[interval].all()}
        closed = [data["k"] for data in found[f"btcusdt@kline_{interval}"] if data["k"]["x"]]
        forming = [data["k"] for data in found[f"btcusdt@kline_{interval}"] if not data["k"]["x"]]
        assert forming
        assert [bar["t"] for bar in closed] == [start for start, bar in truth.items() if bar.is_closed]
        for bar in closed:
            true = truth[bar["t"]]
            told = [parse_e8(bar[name]) for name in "ohlcvV"]
            assert told == [
                true.open_e8,
                true.high_e8,
                true.low_e8,
                true.close_e8,
                true.volume_e8,
                true.taker_buy_volume_e8,
            ]
            assert (bar["n"], bar["f"], bar["L"]) == (true.trades, true.first_id, true.last_id)
            assert bar["T"] == true.end_ms - 1


async def test_a_kline_without_trades_is_flat(connect: Connect) -> None:
    fake = FakeBinance(activity=Activity(trades_per_second=0, jumps_per_minute=0, changes_per_second=0))
    async with fake.serve() as urls:
        found = await listen(fake, connect, urls.stream, ["btcusdt@kline_1s"], seconds=4)
    bar = found["btcusdt@kline_1s"][-1]["k"]
    assert (bar["f"], bar["L"], bar["n"]) == (-1, -1, 0)
    assert bar["o"] == bar["h"] == bar["l"] == bar["c"] == fake.truth("BTCUSDT").last_price
    assert parse_e8(bar["v"]) == 0


async def test_arrays_tell_of_all_markets(connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        market = await listen(
            fake, connect, urls.market, ["!markPrice@arr@1s", "!miniTicker@arr", "!ticker@arr"]
        )
        spot = await listen(fake, connect, urls.stream, ["!miniTicker@arr"])
    symbols = {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    for messages in (*market.values(), *spot.values()):
        assert len(messages) > 3
        assert {data["s"] for message in messages for data in message} == symbols
    assert {data["e"] for data in market["!markPrice@arr@1s"][0]} == {"markPriceUpdate"}


async def test_tickers_count_the_day(connect: Connect) -> None:
    fake = FakeBinance(activity=LIVELY)
    async with fake.serve() as urls:
        found = await listen(fake, connect, urls.stream, ["btcusdt@ticker"])
    last = found["btcusdt@ticker"][-1]
    truth = fake.truth("BTCUSDT")
    assert (last["c"], last["L"]) == (truth.last_price, truth.last_trade.trade_id)
    assert last["n"] == last["L"] - last["F"] + 1
    assert float(last["p"]) == pytest.approx(float(last["c"]) - float(last["o"]))
