"""Fifty troubles in a row: no subscription is lost, gaps are told, books are the exchange's own."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.sources.exchanges.chaos import task_count, troubled


@pytest.mark.parametrize("venue", ["binance", "binance_futures", "hyperliquid", "bybit"])
async def test_after_fifty_troubles_everything_is_as_it_was(autojump_clock: MockClock, venue: str) -> None:
    async with troubled(venue) as chaos:
        await chaos.strike("repeat")
        before = task_count()
        for _ in range(50):
            await chaos.strike()
        chaos.check_nothing_is_left()
        assert task_count() <= before + 2, "one more request and its session may be under way"
