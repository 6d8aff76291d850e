"""Keeping a venue's list current: what is odd in it is left out and said, and takes nothing else with it."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from hyperstream.sources.exchanges.list_keeper import ListKeeper
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.timing import FeedTiming
from tests.sources.exchanges.world import make_venue

TIMING = FeedTiming(listing=3600.0)
META = {"universe": [{"name": "BTC", "szDecimals": 5, "isDelisted": None}], "collateralToken": 0}
ANSWERS: dict[tuple[str, str], Any] = {
    ("meta", ""): META,
    ("perpDexs", ""): [None, {"name": "km"}],
    ("meta", "km"): {"universe": [{"name": "km:US500", "szDecimals": 3}], "collateralToken": 360},
    ("spotMeta", ""): {
        "tokens": [
            {"name": "USDC", "index": 0, "szDecimals": 8},
            {"name": "USDH", "index": 360, "szDecimals": 2},
        ],
        "universe": [{"index": 1, "tokens": [360, 0]}, {"index": 2, "tokens": [9, 0]}],
    },
}


async def test_an_odd_member_is_left_out_and_said_and_the_others_are_listed(
    autojump_clock: MockClock,
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content)
        return httpx.Response(200, json=ANSWERS[asked["type"], asked.get("dex", "")])

    venue = make_venue("hyperliquid", TIMING)
    listing = Listing(venue.name)
    news: list[int] = []
    rest = RestClient(venue.rest_url, 1.0, 1.0, httpx.MockTransport(answer))
    keeper = ListKeeper(venue, listing, rest, lambda: news.append(len(listing.instruments)), lambda: None)
    with capture_logs() as logs:
        async with rest, trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            await trio.sleep(2 * 3600)
            nursery.cancel_scope.cancel(reason="the test is over")
    assert news == [3]
    quotes = {symbol: instrument.quote for symbol, instrument in listing.instruments.items()}
    assert quotes == {"BTC": "USDC", "km:US500": "USDH", "@1": "USDC"}
    said = [entry for entry in logs if "left out" in entry["event"]]
    assert [(entry["venue"], entry["members"]) for entry in said] == [("hyperliquid", 1)] * 2
    assert "KeyError(9)" in said[0]["first"]
