"""Books from ``/info``: as they stand, and nothing is kept up for who has gone."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from hyperstream.engine.live_market import LINGER_NS
from hyperstream.servers.websocket.mids import ASKED_AGAIN_NS
from hyperstream.testing import BUSY

from .serving import Served, client, serving

VARIANTS = [
    {"nSigFigs": figures, "mantissa": mantissa}
    for figures, mantissa in ((None, None), (2, None), (3, None), (4, None), (5, None), (5, 2), (5, 5))
]


async def book(http: httpx.AsyncClient, served: Served, **asked: Any) -> Any:
    body = {"type": "l2Book", "coin": "BTC", **asked}
    answer = await http.post(f"http://127.0.0.1:{served.port}/info", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_book_asked_once_is_the_one_that_followers_are_sent(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, busy=BUSY) as served,
        client(served.port) as peer,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        for variant, levels in itertools.product(VARIANTS, (1, 20, 100)):
            served.step()
            alone = await book(http, served, **variant, nLevels=levels)
            await peer.subscribe(type="l2Book", coin="BTC", **variant, nLevels=levels)
            assert (await peer.receive())["data"] == alone
            assert await book(http, served, **variant, nLevels=levels) == alone, "with followers as well"
            await peer.unsubscribe(type="l2Book", coin="BTC", **variant, nLevels=levels)


async def test_books_asked_once_leave_nothing_to_publish(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served, httpx.AsyncClient(trust_env=False) as http:
        served.step()
        for variant, levels in itertools.product(VARIANTS, (1, 50)):
            await book(http, served, **variant, nLevels=levels)
        market = served.engine.find_symbol("BTC")
        assert market is not None
        assert not list(market.topics())
        assert not market.buckets
        watched = []
        for later_ns in (0, LINGER_NS // 2, LINGER_NS):
            served.engine._markets.retire_topics(time.time_ns() + later_ns)
            watched.append((market.book.is_watched, market.has_topics))
        assert watched == [(True, True), (True, True), (False, False)], "who asks once often asks again"


async def test_mids_are_looked_at_once_for_all_who_ask_after_a_block(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        board = served.content._mids
        board.now_ns = lambda: 1
        told = []
        for _ in range(30):
            served.step()
            told.append(board.mids())
            assert board.mids() is told[-1]
            best = served.node.truth("BTC", 1)
            (bid, *_), (ask, *_) = best.bids[0], best.asks[0]
            assert Decimal(told[-1]["BTC"]) == (Decimal(bid) + Decimal(ask)) / 2
        board.now_ns = lambda: ASKED_AGAIN_NS
        assert board.mids() is not told[-1], "a book may change without a block, when it is repaired"
        assert board.mids("made up") == {}
        assert list(board._asked) == [""]
