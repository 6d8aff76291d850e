"""A thousand troubles a venue: no subscription lost, every gap told, books true, nothing left behind."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest
from trio.testing import MockClock

from hyperstream.market.venue_decimals import decimals
from tests.sources.exchanges import conftest
from tests.sources.exchanges.chaos import Chaos, task_count, troubled

STRIKES = 1_000
WARM_UP = 200
MAX_GROWTH_BYTES = 1_000_000
quiet = conftest.quiet


def held_bytes(chaos: Chaos) -> int:
    """What the feed's own files hold, without what the test and the fake exchange remember.

    Nor the cache of decimals: it is bounded, and fills for as long as prices are new.
    """
    chaos.here.items.clear()
    assert len(decimals) <= decimals.limit
    decimals.clear()
    gc.collect()
    kept = tracemalloc.take_snapshot().filter_traces(
        [
            tracemalloc.Filter(True, f"*/hyperstream/{room}/*")
            for room in ("sources", "sockets", "market", "wire")
        ]
    )
    return sum(statistic.size for statistic in kept.statistics("filename"))


@pytest.mark.soak
@pytest.mark.parametrize("venue", ["binance", "binance_futures", "hyperliquid", "bybit"])
async def test_a_thousand_troubles_leave_nothing_behind(autojump_clock: MockClock, venue: str) -> None:
    began = time.monotonic()
    tracemalloc.start()
    try:
        async with troubled(venue, seed=7) as chaos:
            for _ in range(WARM_UP):
                await chaos.strike()
            before, tasks = held_bytes(chaos), task_count()
            for _ in range(STRIKES - WARM_UP):
                await chaos.strike()
            growth = held_bytes(chaos) - before
            chaos.check_nothing_is_left()
            assert task_count() <= tasks + 2
            assert growth < MAX_GROWTH_BYTES
            statistics = chaos.here.feed.statistics()
    finally:
        tracemalloc.stop()
    print(
        f"\n{venue}: {sum(chaos.strikes.values())} troubles in {time.monotonic() - began:.0f} s, "
        f"{chaos.gaps_told} gaps told, {len(chaos.here.endpoints)} connections, "
        f"{statistics.snapshots} snapshots, "
        f"{growth:+} bytes; {dict(chaos.strikes)}"
    )
