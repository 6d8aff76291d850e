"""Snapshots of books: paced, never all at once, and asked for until they fit."""

from __future__ import annotations

from itertools import pairwise

from trio.testing import MockClock

from hyperstream.market.venues import Channel, FeedGap
from tests.sources.exchanges.world import World, world

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")


def depth_times(here: World) -> list[float]:
    return [at for at, path in here.http.asked if "/depth" in path]


async def all_books(here: World) -> None:
    await here.until(lambda: all(book.is_synced for book in here.feed.statistics().books), "every book")


async def test_snapshots_are_at_least_a_second_apart_after_everything_broke_at_once(
    autojump_clock: MockClock,
) -> None:
    async with world("binance", symbols=SYMBOLS) as here:
        for symbol in SYMBOLS:
            here.want(Channel.BOOK, symbol)
        here.nursery.start_soon(here.run_market)
        await here.connected()
        await all_books(here)
        here.fake.trouble.disconnect()
        await here.until(lambda: here.told(FeedGap), "a gap")
        (gap,) = here.told(FeedGap)
        assert len(gap.topics) == len(SYMBOLS), "one gap for all of them"
        await here.connected()
        await all_books(here)
        times = depth_times(here)
        assert len(times) == 2 * len(SYMBOLS)
        assert all(after - before >= 0.999 for before, after in pairwise(times))


async def test_a_snapshot_that_is_too_old_is_asked_for_again(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        here.want(Channel.BOOK, "BTCUSDT")
        here.nursery.start_soon(here.run_market)
        here.fake.trouble.stale_snapshots(2)
        await here.until(lambda: here.book("BTCUSDT"), "a book")
        statistics = here.feed.statistics()
        assert (statistics.snapshots, statistics.snapshots_useless) == (3, 2)
        assert not here.told(FeedGap), "nothing was told yet that could be missed"


async def test_a_snapshot_that_is_not_to_be_had_is_asked_for_politely(autojump_clock: MockClock) -> None:
    async with world("binance_futures") as here:
        here.want(Channel.BOOK, "BTCUSDT")
        await here.until(lambda: here.feed.listing.is_known, "the list")
        here.fake.trouble.fail_requests(429, count=2, retry_after_seconds=20)
        here.fake.trouble.answer_requests_with_html(1)
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book("BTCUSDT"), "a book")
        times = depth_times(here)
        assert len(times) == 4
        assert times[1] - times[0] >= 20
        assert times[2] - times[1] >= 20


async def test_a_book_where_nothing_happens_is_told_all_the_same(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        here.want(Channel.BOOK, "BTCUSDT")
        await here.until(lambda: here.book("BTCUSDT"), "a book")
        assert here.has_truth("BTCUSDT", 50)


async def test_a_book_nobody_wants_any_more_is_not_asked_for(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        topic = here.want(Channel.BOOK, "BTCUSDT")
        await here.until(lambda: here.feed.statistics().snapshots_waiting, "the queue")
        here.leave(topic)
        assert here.feed.statistics().snapshots_waiting == 0
        await here.until(lambda: not here.fake.sessions or not here.fake.sessions[0].topics, "left")
        assert depth_times(here) == []
