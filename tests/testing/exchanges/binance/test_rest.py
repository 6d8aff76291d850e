"""Binance's REST, as far as the fake has it."""

import pytest

from hyperstream.testing.exchanges import FakeBinance
from tests.testing.exchanges.client import asking, levels


async def test_a_snapshot_is_the_true_book_with_its_id() -> None:
    fake = FakeBinance()
    fake.step(500)
    async with fake.serve(), asking(fake) as http:
        spot = (await http.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")).json()
        futures = (await http.get("/fapi/v1/depth?symbol=BTCUSDT&limit=20")).json()
    assert list(spot) == ["lastUpdateId", "bids", "asks"]
    assert list(futures) == ["lastUpdateId", "E", "T", "bids", "asks"]
    for told, truth in ((spot, fake.truth("BTCUSDT")), (futures, fake.truth("BTCUSDT", "futures", depth=20))):
        assert told["lastUpdateId"] == truth.update_id
        assert levels(told["bids"]) == dict(truth.bids)
        assert levels(told["asks"]) == dict(truth.asks)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v3/depth", 400, -1102),
        ("/api/v3/depth?symbol=NOPE", 400, -1121),
        ("/api/v3/depth?symbol=btcusdt", 400, -1121),
        ("/api/v3/depth?symbol=BTCUSDT&limit=0", 400, -1100),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, -4021),
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("/api/v3/exchangeInfo?symbol=NOPE", 400, -1121),
    ],
)
async def test_a_wrong_request_gets_a_code(path: str, status: int, code: int) -> None:
    fake = FakeBinance()
    async with fake.serve(), asking(fake) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_only_what_is_there_and_only_by_get() -> None:
    fake = FakeBinance()
    async with fake.serve(), asking(fake) as http:
        assert (await http.get("/api/v3/nothing")).status_code == 404
        assert (await http.post("/api/v3/depth?symbol=BTCUSDT")).status_code == 405
        assert (await http.get("/api/v3/ping")).json() == {}


async def test_the_listing_has_ticks_and_lots_that_prices_keep() -> None:
    fake = FakeBinance(symbols=("BTCUSDT", "DOGEUSDT"), futures_symbols=("ETHUSDT",))
    async with fake.serve(), asking(fake) as http:
        spot = (await http.get("/api/v3/exchangeInfo")).json()
        futures = (await http.get("/fapi/v1/exchangeInfo")).json()
    assert [entry["symbol"] for entry in spot["symbols"]] == ["BTCUSDT", "DOGEUSDT"]
    assert [entry["symbol"] for entry in futures["symbols"]] == ["ETHUSDT"]
    assert futures["symbols"][0]["contractType"] == "PERPETUAL"
    for entry in spot["symbols"]:
        filters = {each["filterType"]: each for each in entry["filters"]}
        instrument = fake.products["spot"].flows[entry["symbol"]].instrument
        assert filters["PRICE_FILTER"]["tickSize"] == instrument.price(instrument.tick_e8)
        assert filters["LOT_SIZE"]["stepSize"] == instrument.size(instrument.lot_e8)
        assert entry["baseAsset"] + entry["quoteAsset"] == entry["symbol"]


async def test_klines_are_the_true_bars_oldest_first() -> None:
    fake = FakeBinance()
    for _ in range(100):
        fake.step(100)
    async with fake.serve(), asking(fake) as http:
        rows = (await http.get("/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=4")).json()
    bars = fake.products["spot"].flows["BTCUSDT"].bars["1s"].all()[-4:]
    price = fake.products["spot"].flows["BTCUSDT"].instrument.price
    assert [(row[0], row[1], row[4], row[6], row[8]) for row in rows] == [
        (bar.start_ms, price(bar.open_e8), price(bar.close_e8), bar.end_ms - 1, bar.trades) for bar in bars
    ]
