"""Connections: as few as the limits allow, replaced without a hole, given up when they carry nothing."""

from __future__ import annotations

import orjson
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from hyperstream.market.venues import (
    Channel,
    FeedDemand,
    FeedGap,
    FeedTopic,
    Quote,
    Ticker,
    TopicRefused,
    VenueBook,
    VenueFrame,
    VenueTrade,
)
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.testing.exchanges import BinanceLimits, FakeBybit
from tests.sources.exchanges.world import World, world

SECOND = 1_000_000_000


def list_also(here: World, *symbols: str) -> None:
    """Have the venue list more symbols than it has; these stay silent, as any symbol may."""
    known = here.feed.listing.instruments
    known.update({symbol: evolve(next(iter(known.values())), symbol=symbol) for symbol in symbols})


def want_many(here: World, channel: Channel, symbols: list[str]) -> None:
    list_also(here, *symbols)
    for symbol in symbols:
        here.feed.demand(FeedDemand(FeedTopic(here.feed.venue.name, channel, symbol), True))


async def test_binance_has_as_many_connections_as_its_limit_of_streams_asks_for(
    autojump_clock: MockClock,
) -> None:
    async with world("binance", venue_settings={"silence_seconds": 3600.0}) as here:
        await here.until(lambda: here.feed.listing.is_known, "the list")
        want_many(here, Channel.QUOTES, [f"X{number}USDT" for number in range(1_030)])
        await here.connected()
        assert sorted(len(session.topics) for session in here.fake.sessions) == [6, 1_024]
        assert here.fake.statistics.expelled_sessions == 0, "the rate of messages is kept"


async def test_futures_streams_go_to_the_path_that_serves_them(autojump_clock: MockClock) -> None:
    async with world("binance_futures") as here:
        here.want(Channel.QUOTES, "BTCUSDT")
        here.want(Channel.TRADES, "BTCUSDT")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(Quote) and here.told(VenueTrade), "quotes and trades")
        assert sorted(here.endpoints) == [
            "ws://binance_futures.test/market/stream",
            "ws://binance_futures.test/public/stream",
        ]


async def test_fast_books_have_a_connection_of_their_own(autojump_clock: MockClock) -> None:
    async with world("hyperliquid") as here:
        here.want(Channel.BOOK, "BTC")
        here.want(Channel.BOOK, "BTC", "5")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book("BTC", "") and here.book("BTC", "fast"), "both")
        assert len(here.fake.sessions) == 2
        for book in here.told(VenueBook):
            assert len(book.bids) == (5 if book.detail == "fast" else 20)


async def test_hyperliquid_refuses_what_its_limit_does_not_allow(autojump_clock: MockClock) -> None:
    async with world("hyperliquid") as here:
        await here.until(lambda: here.feed.listing.is_known, "the list")
        many = [f"X{number}" for number in range(998)]
        list_also(here, *many)
        here.feed.venue.always = tuple(FeedTopic("hyperliquid", Channel.TRADES, symbol) for symbol in many)
        here.fake.trouble.refuse_connections(1_000)  # the exchange would hang up on coins it has not
        for topic in here.feed.venue.always:
            here.feed.demand(FeedDemand(topic, True))
        for number in range(5):
            here.want(Channel.QUOTES, many[number])
        assert here.feed.statistics().streams == 1_000
        assert here.feed.statistics().refused == 3


async def test_bybit_has_as_many_connections_as_the_length_of_topics_asks_for(
    autojump_clock: MockClock,
) -> None:
    async with world("bybit") as here:
        await here.until(lambda: here.feed.listing.is_known, "the list")
        symbols = [f"{'X' * 90}{number:04}USDT" for number in range(250)]
        list_also(here, *symbols)
        topics = [FeedTopic("bybit", Channel.TRADES, symbol) for symbol in symbols]
        lengths = []
        for topic in topics:
            (key,) = here.feed.venue.streams_of(topic)
            here.feed.demand(FeedDemand(topic, True))
            lengths.append(len(key))
        assert sum(lengths) > 21_000
        assert len(here.feed.lines.all) == 2
        for line in here.feed.lines.all:
            assert sum(map(len, line.streams)) <= 21_000


# -- replacing --------------------------------------------------------------------------------


async def test_a_connection_is_replaced_before_the_venue_cuts_it_and_nothing_is_missed(
    autojump_clock: MockClock,
) -> None:
    timing = FeedTiming(lifetime=100, lifetime_jitter=10)
    limits = BinanceLimits(lifetime_seconds=120)
    async with world("binance", timing=timing, limits=limits) as here:
        for channel in (Channel.TRADES, Channel.QUOTES, Channel.BOOK):
            here.want(channel, "BTCUSDT")
        await here.connected()
        await here.run_market(400)
        statistics = here.feed.statistics()
        assert statistics.replaced_lines >= 3
        assert not here.told(FeedGap)
        assert [state for state in here.states() if state == "down"] == []
        assert len(here.fake.sessions) in (1, 2)
        ids = [int(trade.trade_id) for trade in here.told(VenueTrade)]
        assert ids == list(range(ids[0], ids[0] + len(ids))), "every trade once, in order"
        quotes = [quote.update_id for quote in here.told(Quote)]
        assert quotes == sorted(set(quotes))
        books = [book.update_id for book in here.told(VenueBook)]
        assert books == sorted(set(books))
        (book,) = statistics.books
        assert book.breaks == 0
        assert statistics.snapshots == 1


async def test_a_server_that_goes_away_is_left_in_time(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        here.want(Channel.TRADES, "BTCUSDT")
        here.want(Channel.BOOK, "BTCUSDT")
        await here.connected()
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book("BTCUSDT"), "a book")
        here.fake.announce_shutdown(10)  # type: ignore[attr-defined] # of FakeBinance
        await trio.sleep(30)
        assert here.feed.statistics().replaced_lines == 1
        assert not here.told(FeedGap)
        ids = [int(trade.trade_id) for trade in here.told(VenueTrade)]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_an_old_connection_is_kept_while_no_other_is_to_be_had(autojump_clock: MockClock) -> None:
    timing = FeedTiming(lifetime=50, lifetime_jitter=1, replacement=20)
    async with world("binance", timing=timing) as here:
        here.want(Channel.TRADES, "BTCUSDT")
        await here.connected()
        here.nursery.start_soon(here.run_market)
        here.fake.trouble.refuse_connections(100)
        await trio.sleep(90)
        assert here.feed.statistics().replaced_lines == 0
        assert here.feed.state == "connected"
        assert not here.told(FeedGap)
        await here.until(lambda: here.feed.statistics().replaced_lines == 1, "another attempt")
        assert not here.told(FeedGap)


async def test_what_is_wanted_during_a_replacement_is_not_lost(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        here.want(Channel.TRADES, "BTCUSDT")
        leaving = here.want(Channel.QUOTES, "ETHUSDT")
        await here.connected()
        here.fake.announce_shutdown(10)  # type: ignore[attr-defined] # of FakeBinance
        await here.until(lambda: len(here.feed.lines.all) == 2, "two connections")
        here.want(Channel.QUOTES, "BTCUSDT")
        here.leave(leaving)
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.feed.statistics().replaced_lines, "replaced")
        await here.until(lambda: here.told(Quote) and here.told(VenueTrade), "both")
        await here.connected()
        streams = sorted(key for line in here.feed.lines.in_use for key in line.streams)
        assert streams == ["btcusdt@bookTicker", "btcusdt@trade"]
        assert {quote.symbol for quote in here.told(Quote)} == {"BTCUSDT"}


async def test_a_connection_whose_streams_all_went_quiet_is_made_anew(autojump_clock: MockClock) -> None:
    """The exchange answers pings, and nothing else, once it has refused a request."""
    fake = FakeBybit(symbols=("BTCUSDT",), is_quiet_after_refusal=True)
    async with world("bybit", fake=fake) as here:
        here.want(Channel.TRADES, "BTCUSDT")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(VenueTrade), "trades")
        list_also(here, "NOPEUSDT")
        here.want(Channel.TRADES, "NOPEUSDT")
        await here.until(lambda: here.told(TopicRefused), "a refusal")
        here.items.clear()
        await here.until(lambda: here.told(FeedGap), "a gap", 400)
        await here.until(lambda: here.told(VenueTrade), "trades again")


async def test_a_connection_where_nothing_happens_is_made_anew_ever_more_seldom(
    autojump_clock: MockClock,
) -> None:
    async with world("binance", always=[(Channel.TRADES, "BTCUSDT")]) as here:
        await here.connected()
        await trio.sleep(4 * 3600)
        assert 3 <= len(here.endpoints) <= 9


# -- raw frames -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_late", [False, True])
async def test_raw_frames_are_the_venues_own_from_a_snapshot_on(
    autojump_clock: MockClock, is_late: bool
) -> None:

    async with world("bybit") as here:
        here.nursery.start_soon(here.run_market)
        if is_late:
            here.want(Channel.BOOK, "BTCUSDT", "50")
            await here.until(lambda: here.book("BTCUSDT"), "a book")
        here.items.clear()
        topic = here.want(Channel.BOOK, "BTCUSDT", "50", is_raw=True)
        await here.until(lambda: len(here.told(VenueFrame)) > 50, "frames")
        frames = here.told(VenueFrame)
        first = next(number for number, frame in enumerate(frames) if frame.is_snapshot)
        assert not is_late or [gap.reason for gap in here.told(FeedGap)] == ["renewal"]
        sequences = [frame.sequence for frame in frames[first:]]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
        message = orjson.loads(frames[first].data)
        assert (frames[first].topic, message["topic"]) == ("orderbook.50.BTCUSDT",) * 2
        assert here.told(VenueBook), "decoded as well"
        here.leave(topic, is_raw=True)
        if is_late:
            here.items.clear()
            await here.until(lambda: len(here.told(VenueBook)) > 10, "books")
            assert not here.told(VenueFrame)


@pytest.mark.parametrize("is_late", [False, True])
async def test_frames_that_are_whole_begin_with_any_and_disturb_nobody(
    autojump_clock: MockClock, is_late: bool
) -> None:
    async with world("hyperliquid") as here:
        here.nursery.start_soon(here.run_market)
        if is_late:
            here.want(Channel.TICKER, "BTC")
            await here.until(lambda: here.told(Ticker), "a ticker")
        topic = here.want(Channel.TICKER, "BTC", is_raw=True)
        await here.until(lambda: len(here.told(VenueFrame)) > 3, "frames")
        for frame in here.told(VenueFrame):
            assert frame.topic == "activeAssetCtx:BTC"
            assert orjson.loads(frame.data)["data"]["coin"] == "BTC"
        assert here.told(Ticker), "decoded as well"
        assert not here.told(FeedGap)
        here.leave(topic, is_raw=True)
        if is_late:
            here.items.clear()
            await here.until(lambda: len(here.told(Ticker)) > 3, "tickers")
            assert not here.told(VenueFrame)


async def test_no_trade_is_missed_because_somebody_wants_the_frames_too(autojump_clock: MockClock) -> None:
    async with world("bybit") as here:
        here.want(Channel.TRADES, "BTCUSDT")
        await here.connected()
        here.nursery.start_soon(here.run_market)
        for _ in range(20):
            await trio.sleep(1)
            topic = here.want(Channel.TRADES, "BTCUSDT", is_raw=True)
            await trio.sleep(1)
            here.leave(topic, is_raw=True)
        assert len(here.told(VenueFrame)) > 10
        assert not here.told(FeedGap)


async def test_frames_begin_with_a_snapshot_although_the_first_one_came_before_the_answer(
    autojump_clock: MockClock,
) -> None:
    async with world("bybit") as here:
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.feed.listing.is_known, "the list")
        here.fake.trouble.delay_acks(3)
        here.want(Channel.TICKER, "BTCUSDT")
        await here.until(lambda: here.told(Ticker), "a ticker")
        here.want(Channel.TICKER, "BTCUSDT", is_raw=True)
        await here.until(lambda: any(frame.is_snapshot for frame in here.told(VenueFrame)), "a snapshot", 10)


@pytest.mark.parametrize("channel", [Channel.TICKER, Channel.BOOK])
async def test_a_topic_that_is_left_and_wanted_again_at_once_begins_with_a_snapshot(
    autojump_clock: MockClock, channel: Channel
) -> None:
    async with world("bybit") as here:
        here.nursery.start_soon(here.run_market)
        topic = here.want(channel, "BTCUSDT", is_raw=True)
        await here.until(lambda: len(here.told(VenueFrame)) > 5, "frames")
        here.leave(topic, is_raw=True)
        here.items.clear()
        here.want(channel, "BTCUSDT", is_raw=True)
        await here.until(lambda: any(frame.is_snapshot for frame in here.told(VenueFrame)), "a snapshot", 10)
