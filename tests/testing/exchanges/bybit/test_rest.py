"""Bybit's market REST, as far as the fake has it."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from hyperstream.testing.exchanges import FakeBybit
from hyperstream.testing.exchanges.bybit import LIMITS
from tests.testing.exchanges.client import asking


@pytest.mark.parametrize(("category", "limit"), [("linear", 25), ("spot", 1)])
async def test_a_book_is_the_true_one(category: str, limit: int) -> None:
    fake = FakeBybit()
    fake.step(500)
    async with fake.serve(), asking(fake) as http:
        answer = (await http.get(f"/v5/market/orderbook?category={category}&symbol=BTCUSDT")).json()
    assert list(answer) == ["retCode", "retMsg", "result", "retExtInfo", "time"]
    told, truth = answer["result"], fake.truth("BTCUSDT", category, depth=limit)
    assert list(told) == ["s", "b", "a", "ts", "u", "seq", "cts"]
    assert tuple(map(tuple, told["b"])) == truth.bids
    assert tuple(map(tuple, told["a"])) == truth.asks
    assert told["seq"] == truth.update_id


async def test_the_listing_has_ticks_and_lots() -> None:
    fake = FakeBybit(symbols=("BTCUSDT", "DOGEUSDT"), spot_symbols=("ETHUSDT",))
    async with fake.serve(), asking(fake) as http:
        linear = (await http.get("/v5/market/instruments-info?category=linear")).json()["result"]
        spot = (await http.get("/v5/market/instruments-info?category=spot&symbol=ETHUSDT")).json()["result"]
    assert [entry["symbol"] for entry in linear["list"]] == ["BTCUSDT", "DOGEUSDT"]
    for entry in linear["list"]:
        instrument = fake.markets["linear"][entry["symbol"]].instrument
        assert entry["priceFilter"]["tickSize"] == instrument.price(instrument.tick_e8)
        assert entry["lotSizeFilter"]["qtyStep"] == instrument.size(instrument.lot_e8)
        assert entry["status"] == "Trading"
    assert [entry["symbol"] for entry in spot["list"]] == ["ETHUSDT"]


async def test_klines_are_the_true_bars_newest_first() -> None:
    fake = FakeBybit()
    for _ in range(300):
        fake.step(1_000)
    async with fake.serve(), asking(fake) as http:
        answer = await http.get("/v5/market/kline?symbol=BTCUSDT&interval=1&limit=3")
    bars = fake.truth("BTCUSDT").bars
    rows = answer.json()["result"]["list"]
    assert [row[0] for row in rows] == [str(bar.start_ms) for bar in reversed(bars[-3:])]
    assert rows[0][4] == fake.truth("BTCUSDT").last_price


@pytest.mark.parametrize(
    "query",
    [
        "orderbook?category=option&symbol=BTCUSDT",
        "orderbook?symbol=BTCUSDT",
        "orderbook?category=linear&symbol=NOPE",
        "orderbook?category=linear&symbol=BTCUSDT&limit=501",
        "kline?symbol=BTCUSDT&interval=7",
        "instruments-info?category=linear&symbol=NOPE",
    ],
)
async def test_a_wrong_request_gets_a_code(query: str) -> None:
    fake = FakeBybit()
    async with fake.serve(), asking(fake) as http:
        answer = await http.get(f"/v5/market/{query}")
    assert (answer.status_code, answer.json()["retCode"]) == (200, 10_001)


async def test_what_is_not_there_is_not_found() -> None:
    fake = FakeBybit()
    async with fake.serve(), asking(fake) as http:
        assert (await http.get("/v5/market/nothing")).status_code == 404
        assert (await http.post("/v5/market/time")).status_code == 404
        seconds = (await http.get("/v5/market/time")).json()["result"]["timeSecond"]
    assert seconds == str(fake.now_ms // 1_000)


async def test_an_address_that_asks_too_often_is_banned(autojump_clock: MockClock) -> None:
    fake = FakeBybit(limits=evolve(LIMITS, requests=5))
    async with fake.serve(), asking(fake) as http:
        answers = [await http.get("/v5/market/time") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [403]
        assert "access too frequent" in answers[-1].text
        await trio.sleep(599)
        assert (await http.get("/v5/market/time")).status_code == 403
        await trio.sleep(2)
        assert (await http.get("/v5/market/time")).status_code == 200
