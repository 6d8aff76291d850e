"""Names that there are not, and books that are not there yet: an error that says so costs others nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.servers.websocket.hyperliquid.streams import nearest
from hyperstream.testing.listings import choose_markets

from .serving import client, serving


@pytest.mark.parametrize(
    ("dex", "words"),
    [
        ("xy", "no dex with markets is called 'xy'; did you mean 'xyz'?"),
        ("XYZ", "did you mean 'xyz'?"),
        ("nothing", "the info request perpDexs lists what there is"),
        ("x" * 5000, "is called '" + "x" * 40 + "'"),
    ],
)
async def test_mids_of_an_unknown_dex_are_refused_naming_the_nearest(
    tmp_path: Path, dex: str, words: str
) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        answer = await peer.subscribe(type="allMids", dex=dex)
        assert answer["channel"] == "error"
        assert words in answer["data"]
        assert not served.content._mids._topics, "nothing is looked up again and again for it"
        assert (await peer.subscribe(type="allMids", dex="xyz"))["channel"] == "subscriptionResponse"


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "allMids"},
        {"type": "l2Book", "coin": "BTC"},
        {
            "type": "candleSnapshot",
            "req": {"coin": "BTC", "interval": "1m", "startTime": 1, "endTime": 2},
        },
    ],
)
async def test_before_the_books_are_loaded_questions_about_them_are_put_off(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    async with serving(tmp_path, load=False) as served, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"http://127.0.0.1:{served.port}/info", json=asked)
        assert (answer.status_code, "still being loaded" in answer.text) == (503, True)


async def test_a_new_market_without_candles_harms_nobody_who_follows_those_of_every_one(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, load=False, candle_minutes=0) as served:
        served.engine.is_ready = True
        async with client(served.port) as peer:
            answer = await peer.subscribe(type="candle", coins="*", interval="1m")
            assert answer["channel"] == "subscriptionResponse"
            assert served.engine.market("NEW") is not None
            assert await peer.ask({"method": "ping"}) == {"channel": "pong"}


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("btc", "BTC"),
        ("BTX", "BTC"),
        ("XYZ100", "xyz:XYZ100"),
        ("XYZ:xyz100", "xyz:XYZ100"),
        ("purr/usd", "PURR/USDC"),
        ("BTC-USDT", "BTC"),
        ("BTCUSDC", "BTC"),
        ("¤¤¤¤", ""),
        ("x" * 5000, ""),
    ],
)
def test_of_six_hundred_names_the_nearest_is_found(name: str, close: str) -> None:
    names = [spec.symbol for spec in choose_markets(600)]
    assert nearest(name, [*names, "xyz:XYZ100", "PURR/USDC"]) == close
    assert nearest(name, []) == ""


@given(st.text(min_size=1), st.lists(st.text(min_size=1)))
def test_the_nearest_name_is_one_there_is(name: str, names: list[str]) -> None:
    assert nearest(name, names) in ["", *names]
