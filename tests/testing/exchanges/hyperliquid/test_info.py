"""Hyperliquid's POST /info."""

from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from hyperstream.testing.exchanges import FakeHyperliquid
from hyperstream.testing.exchanges.hyperliquid import LIMITS
from tests.testing.exchanges.client import asking

COINS = ("BTC", "ETH", "@107", "PURR/USDC", "xyz:AAPL", "flx:BTC", "xyz:GOLD")


async def ask(http: httpx.AsyncClient, question: object) -> Any:
    answer = await http.post("/info", json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_listings_name_every_market_where_it_belongs() -> None:
    fake = FakeHyperliquid(symbols=COINS)
    async with fake.serve(), asking(fake) as http:
        main = await ask(http, {"type": "meta"})
        dexes = await ask(http, {"type": "perpDexs"})
        xyz = await ask(http, {"type": "meta", "dex": "xyz"})
        spot = await ask(http, {"type": "spotMeta"})
    live = [coin["name"] for coin in main["universe"] if not coin.get("isDelisted")]
    assert live == ["BTC", "ETH"]
    assert [coin["name"] for coin in main["universe"] if coin.get("isDelisted")] == ["MATIC"]
    assert dexes[0] is None
    assert [dex["name"] for dex in dexes[1:]] == ["xyz", "flx"]
    assert [coin["name"] for coin in xyz["universe"]] == ["xyz:AAPL", "xyz:GOLD"]
    assert {pair["name"] for pair in spot["universe"]} == {"@107", "PURR/USDC"}


async def test_contexts_stand_in_the_order_of_the_universe() -> None:
    fake = FakeHyperliquid(symbols=COINS)
    fake.step(1_000)
    async with fake.serve(), asking(fake) as http:
        meta, contexts = await ask(http, {"type": "metaAndAssetCtxs"})
        mids = await ask(http, {"type": "allMids"})
        spot = await ask(http, {"type": "spotMetaAndAssetCtxs"})
    names = [coin["name"] for coin in meta["universe"]]
    assert len(contexts) == len(names)
    assert {name: context["midPx"] for name, context in zip(names, contexts, strict=True)} == {
        "BTC": mids["BTC"],
        "ETH": mids["ETH"],
        "MATIC": None,
    }
    assert set(mids) == {"BTC", "ETH", "@107", "PURR/USDC"}
    assert [context["coin"] for context in spot[1]] == ["@107", "PURR/USDC"]


async def test_a_book_is_the_true_one() -> None:
    fake = FakeHyperliquid()
    fake.step(1_000)
    async with fake.serve(), asking(fake) as http:
        book = await ask(http, {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None})
        dead = await ask(http, {"type": "l2Book", "coin": "MATIC"})
    truth = fake.truth("BTC", depth=20)
    assert tuple((level["px"], level["sz"]) for level in book["levels"][0]) == truth.bids
    assert tuple((level["px"], level["sz"]) for level in book["levels"][1]) == truth.asks
    assert dead == {"coin": "MATIC", "time": fake.now_ms, "levels": [[], []]}


async def test_candles_of_a_stretch_oldest_first() -> None:
    fake = FakeHyperliquid(symbols=("BTC",))
    for _ in range(400):
        fake.step(1_000)
    bars = fake.truth("BTC").bars
    wanted = {"coin": "BTC", "interval": "1m", "startTime": bars[1].start_ms, "endTime": bars[4].start_ms}
    async with fake.serve(), asking(fake) as http:
        candles = await ask(http, {"type": "candleSnapshot", "req": wanted})
        trades = await ask(http, {"type": "recentTrades", "coin": "BTC"})
        status = await ask(http, {"type": "exchangeStatus"})
    assert [candle["t"] for candle in candles] == [bar.start_ms for bar in bars[1:5]]
    assert [candle["n"] for candle in candles] == [bar.trades for bar in bars[1:5]]
    assert trades[0]["px"] == fake.truth("BTC").last_price
    assert status == {"time": fake.now_ms, "specialStatuses": None}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"type":"nothing"}', 422),
        (b'{"kind":"meta"}', 422),
        (b"[]", 422),
        (b"nonsense", 422),
        (b'{"type":"meta","dex":"nope"}', 422),
        (b'{"type":"l2Book","coin":"BTC","nSigFigs":"5"}', 422),
        (b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"7m","startTime":0}}', 422),
        (b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m","startTime":"x"}}', 422),
        (b'{"type":"l2Book","coin":"NOPE"}', 500),
        (b'{"type":"recentTrades","coin":"NOPE"}', 500),
        (b'{"type":"candleSnapshot","req":{"coin":"NOPE","interval":"1m","startTime":0}}', 500),
    ],
)
async def test_a_wrong_question_gets_a_status(content: bytes, status: int) -> None:
    fake = FakeHyperliquid()
    async with fake.serve(), asking(fake) as http:
        answer = await http.post("/info", content=content)
    assert answer.status_code == status
    if status == 500:
        assert answer.content == b"null"


async def test_only_info_and_only_by_post() -> None:
    fake = FakeHyperliquid()
    async with fake.serve(), asking(fake) as http:
        assert (await http.get("/info")).status_code == 405
        assert (await http.post("/other", json={})).status_code == 404


async def test_an_address_has_a_budget_of_weight(autojump_clock: MockClock) -> None:
    fake = FakeHyperliquid(limits=evolve(LIMITS, weight_per_minute=44))
    async with fake.serve(), asking(fake) as http:
        kinds = ("meta", "allMids", "meta", "allMids", "allMids")
        answers = [await http.post("/info", json={"type": kind}) for kind in kinds]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
        await trio.sleep(61)
        assert (await http.post("/info", json={"type": "meta"})).status_code == 200
