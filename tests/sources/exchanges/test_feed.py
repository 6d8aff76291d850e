"""A venue's feed against its fake exchange: what is common to all venues."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from hyperstream.market.venues import Channel
from tests.sources.exchanges.world import world

BOOKS = {"binance": 50, "binance_futures": 50, "hyperliquid": 20, "bybit": 50}
SYMBOL = {"binance": "BTCUSDT", "binance_futures": "BTCUSDT", "hyperliquid": "BTC", "bybit": "BTCUSDT"}


@pytest.mark.parametrize("venue", BOOKS)
async def test_a_book_is_the_exchanges_own(venue: str, autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock
    async with world(venue) as here:
        here.want(Channel.BOOK, SYMBOL[venue])
        here.nursery.start_soon(here.fake.run)
        await here.until(lambda: here.book(SYMBOL[venue]), "a book")
        await trio.sleep(30)
        assert here.feed.statistics().books[0].breaks == 0
        here.fake.settle()
        await here.until(lambda: here.has_truth(SYMBOL[venue], BOOKS[venue]), "the truth")
