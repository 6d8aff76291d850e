"""A venue's feed against its fake exchange: what is common to all venues."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from hyperstream.log_once import REPEAT_SECONDS
from hyperstream.market.venues import (
    Channel,
    FeedGap,
    FeedItem,
    FeedTopic,
    Quote,
    Ticker,
    TopicRefused,
    VenueBar,
    VenueBook,
    VenueListed,
    VenueMids,
    VenueTrade,
)
from hyperstream.sources.exchanges.feed import REVIEWED_AT_ONCE
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.testing.exchanges import Garbage, How
from tests.sources.exchanges.world import World, world

VENUES = ("binance", "binance_futures", "hyperliquid", "bybit")
DEPTHS = {"binance": 50, "binance_futures": 50, "hyperliquid": 20, "bybit": 50}
BTC = {"binance": "BTCUSDT", "binance_futures": "BTCUSDT", "hyperliquid": "BTC", "bybit": "BTCUSDT"}
ETH = {"binance": "ETHUSDT", "binance_futures": "ETHUSDT", "hyperliquid": "ETH", "bybit": "ETHUSDT"}
BOARD = {
    "binance": "spot btcusdt@depth@100ms",
    "binance_futures": "futures btcusdt@depth@100ms",
    "bybit": "linear orderbook.50.BTCUSDT",
}


async def has_truth(here: World, *symbols: str) -> None:
    """Stop the market, and wait until the books are the exchange's own."""
    venue = here.feed.venue.name
    for symbol in symbols or (BTC[venue],):
        await here.until(lambda: here.book(symbol), f"a book of {symbol}")  # noqa: B023 - awaited here
    here.fake.settle()
    for symbol in symbols or (BTC[venue],):
        await here.until(lambda: here.has_truth(symbol, DEPTHS[venue]), f"the truth of {symbol}", 60)  # noqa: B023


@pytest.mark.parametrize("venue", VENUES)
async def test_a_book_is_the_exchanges_own(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        here.want(Channel.BOOK, BTC[venue])
        await here.run_market(30)
        assert here.feed.statistics().books[0].breaks == 0
        assert not here.told(FeedGap)
        await has_truth(here)


@pytest.mark.parametrize(
    ("venue", "channel", "detail", "kind"),
    [
        *((venue, Channel.QUOTES, "", Quote) for venue in VENUES),
        *((venue, Channel.TRADES, "", VenueTrade) for venue in VENUES),
        *((venue, Channel.BARS, "1m", VenueBar) for venue in VENUES),
        *((venue, Channel.TICKER, "", Ticker) for venue in VENUES),
        ("hyperliquid", Channel.BOOK, "5", VenueBook),
        ("hyperliquid", Channel.MIDS, "", VenueMids),
        ("bybit", Channel.BOOK, "1", VenueBook),
        ("bybit", Channel.BOOK, "200", VenueBook),
    ],
)
async def test_every_topic_there_is_tells_something(
    autojump_clock: MockClock, venue: str, channel: Channel, detail: str, kind: type[FeedItem]
) -> None:
    async with world(venue) as here:
        here.want(channel, "" if channel is Channel.MIDS else BTC[venue], detail)
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(kind), "an item")
        (statistics,) = here.feed.statistics().connections
        assert statistics.router.undecodable == 0
        assert not here.told(TopicRefused)


@pytest.mark.parametrize("venue", ["binance", "binance_futures", "bybit", "hyperliquid"])
async def test_bars_are_closed_when_the_next_begins(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        here.want(Channel.BARS, BTC[venue], "1m")
        await here.connected()
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: [bar for bar in here.told(VenueBar) if bar.is_closed], "a closed bar", 200)
        bars = here.told(VenueBar)
        closed = next(bar for bar in bars if bar.is_closed)
        assert closed.end_time_ns - closed.start_time_ns == 60_000_000_000
        assert bars[-1].start_time_ns >= closed.start_time_ns


async def test_a_ticker_is_merged_from_two_streams(autojump_clock: MockClock) -> None:
    async with world("binance_futures") as here:
        here.want(Channel.TICKER, "BTCUSDT")
        here.nursery.start_soon(here.run_market)
        await here.until(
            lambda: any(
                item.last_price and item.mark_price and item.index_price for item in here.told(Ticker)
            ),
            "a whole ticker",
        )


async def test_a_tickers_deltas_are_merged(autojump_clock: MockClock) -> None:
    async with world("bybit") as here:
        here.want(Channel.TICKER, "BTCUSDT")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: len(here.told(Ticker)) > 20, "tickers")
        assert all(item.last_price and item.mark_price and item.funding_rate for item in here.told(Ticker))


# -- demand -----------------------------------------------------------------------------------


async def test_configured_symbols_are_followed_from_the_start(autojump_clock: MockClock) -> None:
    always = [(Channel.QUOTES, "BTCUSDT"), (Channel.TRADES, "BTCUSDT")]
    async with world("binance", always=always) as here:
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(Quote) and here.told(VenueTrade), "quotes and trades")
        topic = here.want(Channel.QUOTES, "BTCUSDT")
        here.leave(topic)
        assert here.feed.statistics().streams == 2, "they are wanted always"


async def test_nothing_is_connected_until_somebody_wants_something(autojump_clock: MockClock) -> None:
    async with world("bybit") as here:
        await here.until(lambda: here.told(VenueListed), "the list")
        await trio.sleep(60)
        assert here.endpoints == []
        assert here.feed.state == "off"
        here.want(Channel.QUOTES, "BTCUSDT")
        await here.connected()
        assert here.states()[-2:] == ["connecting", "connected"]


async def test_the_last_to_leave_ends_the_subscription_and_later_the_connection(
    autojump_clock: MockClock,
) -> None:
    async with world("bybit") as here:
        topic = here.want(Channel.QUOTES, "BTCUSDT")
        here.want(Channel.QUOTES, "BTCUSDT", is_raw=True)
        await here.connected()
        here.leave(topic)
        await trio.sleep(5)
        assert list(here.fake.sessions[0].topics) == ["orderbook.1.BTCUSDT"]
        here.leave(topic, is_raw=True)
        await here.until(lambda: not here.fake.sessions[0].topics, "unsubscribed")
        await here.until(lambda: not here.fake.sessions, "closed", 40)
        assert here.feed.state == "off"
        statistics = here.feed.statistics()
        assert (statistics.streams, statistics.topics, statistics.connections) == (0, 0, ())
        assert not here.told(FeedGap), "nobody missed anything"
        here.want(Channel.TRADES, "BTCUSDT")
        await here.connected()


async def test_a_crowd_of_wrong_symbols_is_refused_a_few_at_a_time(autojump_clock: MockClock) -> None:
    async with world("bybit") as here:
        for number in range(400):
            here.want(Channel.TICKER, f"B{number}USDT")
        refused = [0]
        while refused[-1] < 400:
            await trio.lowlevel.checkpoint()
            refused.append(here.feed.refused_count)
        assert max(after - before for before, after in pairwise(refused)) <= 2 * REVIEWED_AT_ONCE


@pytest.mark.parametrize("venue", VENUES)
async def test_a_symbol_is_checked_before_it_is_asked_for(autojump_clock: MockClock, venue: str) -> None:
    wrong = {"hyperliquid": "btc"}.get(venue, "BTCUSDC")
    async with world(venue) as here:
        topic = here.want(Channel.QUOTES, wrong)
        await here.until(lambda: here.told(TopicRefused), "a refusal")
        (refused,) = here.told(TopicRefused)
        assert refused.topic == topic
        assert f"{venue} does not list {wrong!r}; did you mean {BTC[venue]}?" in refused.detail
        assert here.endpoints == []
        here.want(Channel.QUOTES, wrong)
        await here.until(lambda: len(here.told(TopicRefused)) == 2, "told to whoever asks anew")


async def test_what_the_venue_has_not_is_refused_with_what_it_has(autojump_clock: MockClock) -> None:
    async with world("hyperliquid") as here:
        here.want(Channel.BARS, "BTC", "7m")
        await here.until(lambda: here.told(TopicRefused), "a refusal")
        assert "no bars of '7m'; it has 1m" in here.told(TopicRefused)[0].detail


async def test_a_symbol_that_is_listed_later_is_followed_then(autojump_clock: MockClock) -> None:
    async with world("binance", timing=FeedTiming(listing=60)) as here:
        here.want(Channel.QUOTES, "SOLUSDT")
        await here.until(lambda: here.told(TopicRefused), "a refusal")
        here.feed.listing.instruments.pop("BTCUSDT")
        here.want(Channel.QUOTES, "BTCUSDT")
        await here.until(lambda: len(here.told(TopicRefused)) == 2, "a refusal")
        await here.until(lambda: here.feed.statistics().streams == 1, "listed again")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(Quote), "quotes")
        assert len(here.told(VenueListed)) == 2


async def test_without_a_list_symbols_are_asked_for_unchecked_after_a_while(
    autojump_clock: MockClock,
) -> None:
    async with world("binance") as here:
        here.fake.trouble.fail_requests(503, count=100)
        here.want(Channel.QUOTES, "BTCUSDT")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.feed.detail == "waiting for the list of symbols", "a state")
        await here.until(lambda: here.told(Quote), "quotes")
        assert trio.current_time() >= FeedTiming().unchecked
        assert not here.told(VenueListed)


async def test_without_a_list_no_coin_is_risked(autojump_clock: MockClock) -> None:
    async with world("hyperliquid") as here:
        here.fake.trouble.fail_requests(503, count=8)
        here.want(Channel.QUOTES, "BTC")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: len(here.http.asked) == 8, "the last failure")
        assert here.endpoints == []
        await here.until(lambda: here.told(Quote), "quotes")


async def test_the_deepest_topic_decides_how_many_levels_are_told(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        here.want(Channel.BOOK, "BTCUSDT", "5")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book("BTCUSDT"), "a book")
        deep = here.want(Channel.BOOK, "BTCUSDT", "100")
        here.items.clear()
        await here.until(lambda: here.book("BTCUSDT"), "a deeper book")
        assert [len(book.bids) for book in here.told(VenueBook)] == [100] * len(here.told(VenueBook))
        here.leave(deep)
        await here.until(lambda: len((here.book("BTCUSDT") or here.told(VenueBook)[0]).bids) == 5, "5 levels")
        assert here.feed.statistics().streams == 1


# -- trouble ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", list(How))
@pytest.mark.parametrize("venue", VENUES)
async def test_a_lost_connection_is_a_gap_and_everything_is_restored(
    autojump_clock: MockClock, venue: str, how: How
) -> None:
    async with world(venue, always=[(Channel.TRADES, ETH[venue])]) as here:
        book = here.want(Channel.BOOK, BTC[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]), "a book")
        here.fake.trouble.disconnect(how)
        await here.until(lambda: here.told(FeedGap), "a gap")
        gaps = here.told(FeedGap)
        told = {topic for gap in gaps for topic in gap.topics}
        assert {gap.reason for gap in gaps} == {"connection"}
        assert book in told
        await here.until(lambda: here.book(BTC[venue]), "the book again")
        await here.connected()
        assert FeedTopic(venue, Channel.TRADES, ETH[venue]) in told | {
            topic for gap in here.told(FeedGap) for topic in gap.topics
        }
        here.nursery.cancel_scope.shield = False
        assert "down" in here.states()
        assert here.states()[-1] == "connected"


@pytest.mark.parametrize("venue", ["binance", "binance_futures", "bybit"])
async def test_a_skipped_update_resynchronises_that_book_only(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        book = here.want(Channel.BOOK, BTC[venue])
        here.want(Channel.BOOK, ETH[venue])
        await here.connected()
        await here.run_market(20)
        before = {book.key: book.applied for book in here.feed.statistics().books}
        here.fake.trouble.skip_updates(BOARD[venue])
        await here.run_market(20)
        (gap,) = here.told(FeedGap)
        assert (gap.topics, gap.reason) == ((book,), "sequence")
        by_symbol = {statistics.key: statistics for statistics in here.feed.statistics().books}
        assert sorted(statistics.breaks for statistics in by_symbol.values()) == [0, 1]
        assert all(by_symbol[key].applied > count for key, count in before.items())
        assert len(here.endpoints) == len(here.feed.lines.all), "no connection was lost"
        await has_truth(here, BTC[venue], ETH[venue])


async def test_a_book_whose_time_goes_backward_begins_anew_with_the_next(autojump_clock: MockClock) -> None:
    async with world("hyperliquid") as here:
        here.want(Channel.BOOK, "BTC")
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book("BTC"), "a book")
        (session,) = here.fake.sessions
        session.send(b'{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[],[]]}}')
        await here.until(lambda: here.told(FeedGap), "a gap")
        assert here.told(FeedGap)[0].reason == "sequence"
        await here.until(lambda: here.book("BTC"), "a book")


@pytest.mark.parametrize("venue", ["binance", "binance_futures", "bybit"])
async def test_a_repeated_update_is_ignored(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        here.want(Channel.BOOK, BTC[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]), "a book")
        await trio.sleep(5)
        here.fake.trouble.repeat_update(BOARD[venue])
        await here.until(lambda: here.feed.statistics().books[0].ignored, "an ignored update")
        assert not here.told(FeedGap)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_silent_connection_is_given_up(autojump_clock: MockClock, venue: str) -> None:
    """The fake answers no ping while it is stalled: the heartbeat notices."""
    async with world(venue) as here:
        here.want(Channel.BOOK, BTC[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]), "a book")
        here.fake.trouble.stall(math.inf)
        await here.until(lambda: here.told(FeedGap), "a gap", 100)
        await here.until(lambda: here.book(BTC[venue]), "a book")


@pytest.mark.parametrize("venue", ["binance", "binance_futures", "bybit"])
async def test_a_silent_stream_is_renewed(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        book = here.want(Channel.BOOK, BTC[venue])
        here.want(Channel.BOOK, ETH[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]), "a book")
        here.fake.trouble.stall_topic(BOARD[venue])
        await here.until(lambda: here.told(FeedGap), "a gap", 100)
        (gap,) = here.told(FeedGap)
        assert (gap.topics, gap.reason) == ((book,), "silence")
        await here.until(lambda: here.book(BTC[venue]), "a book")


async def test_a_market_where_nothing_happens_is_renewed_ever_more_seldom(autojump_clock: MockClock) -> None:
    async with world("binance") as here:
        here.want(Channel.QUOTES, "BTCUSDT")
        await here.connected()
        with trio.move_on_after(3600 * 4):
            await trio.sleep_forever()
        gaps = here.told(FeedGap)
        assert 5 <= len(gaps) <= 16
        assert len(here.endpoints) <= 8


@pytest.mark.parametrize("kind", list(Garbage))
@pytest.mark.parametrize("venue", ["binance", "hyperliquid", "bybit"])
async def test_garbage_harms_nothing_for_long(autojump_clock: MockClock, venue: str, kind: Garbage) -> None:
    async with world(venue) as here:
        here.want(Channel.BOOK, BTC[venue])
        here.want(Channel.TRADES, BTC[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]), "a book")
        for _ in range(5):
            here.fake.trouble.send_garbage(kind)
            await trio.sleep(1)
        before = here.feed.statistics().items
        await here.until(lambda: here.feed.statistics().items > before, "items")
        await here.connected()
        await here.until(lambda: here.book(BTC[venue]), "a book")
        assert here.feed.statistics().streams == 2


@pytest.mark.parametrize("venue", ["binance", "hyperliquid", "bybit"])
async def test_lost_and_late_acknowledgements_lose_no_subscription(
    autojump_clock: MockClock, venue: str
) -> None:
    async with world(venue) as here:
        here.fake.trouble.lose_acks(1)
        here.fake.trouble.delay_acks(3, count=2)
        here.want(Channel.BOOK, BTC[venue])
        here.want(Channel.QUOTES, ETH[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]) and here.told(Quote), "both")
        await here.connected()
        assert not here.told(TopicRefused)


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_a_subscription_refused_once_is_asked_for_again(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        here.fake.trouble.refuse_acks(1)
        here.want(Channel.QUOTES, BTC[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(Quote), "quotes", 30)
        assert not here.told(TopicRefused)


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_a_subscription_refused_again_is_told_once_and_asked_for_seldom(
    autojump_clock: MockClock, venue: str
) -> None:
    timing = FeedTiming(refused=10)
    async with world(venue, always=[(Channel.TRADES, ETH[venue])], timing=timing) as here:
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(VenueTrade), "trades")
        here.fake.trouble.refuse_acks(5)
        topic = here.want(Channel.QUOTES, BTC[venue])
        await here.until(lambda: here.told(TopicRefused), "a refusal")
        assert here.told(TopicRefused)[0].topic == topic
        await here.until(lambda: here.told(Quote), "quotes at last", 1000)
        assert len(here.told(TopicRefused)) <= 2


async def test_a_coin_that_closes_the_socket_is_found_and_the_others_go_on(autojump_clock: MockClock) -> None:
    """A coin is listed, yet the venue hangs up when it is asked for."""
    async with world("hyperliquid", always=[(Channel.QUOTES, "BTC"), (Channel.TRADES, "ETH")]) as here:
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.told(Quote) and here.told(VenueTrade), "quotes and trades")
        here.feed.listing.instruments["NOPE"] = here.feed.listing.instruments["BTC"]
        bad = here.want(Channel.QUOTES, "NOPE")
        await here.until(lambda: here.told(TopicRefused), "a refusal")
        (refused,) = here.told(TopicRefused)
        assert refused.topic == bad
        assert "connection was lost" in refused.detail
        await here.connected()
        here.items.clear()
        await trio.sleep(100)
        assert not here.told(FeedGap), "it is not asked for again soon"
        assert here.told(Quote)
        assert here.told(VenueTrade)


# -- handing over -----------------------------------------------------------------------------


async def test_a_full_channel_holds_the_feed_and_loses_nothing(autojump_clock: MockClock) -> None:
    async with world("binance", channel_size=1, reads=False) as here:
        here.want(Channel.TRADES, "BTCUSDT")
        await here.run_market(60)
        held = here.feed.statistics().batches
        assert held <= 3
        (statistics,) = here.feed.statistics().connections
        assert statistics.losses == 0


@pytest.mark.parametrize("venue", VENUES)
async def test_what_one_read_brought_is_one_list(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue) as here:
        here.want(Channel.TRADES, BTC[venue])
        here.want(Channel.QUOTES, BTC[venue])
        await here.connected()
        await here.run_market(20)
        await here.quiet()
        statistics = here.feed.statistics()
        assert here.batches == statistics.batches
        assert len(here.items) == statistics.items
        received = sum(connection.received_messages for connection in statistics.connections)
        assert here.batches <= received + 10


@pytest.mark.parametrize("venue", VENUES)
async def test_nothing_is_left_behind(autojump_clock: MockClock, venue: str) -> None:
    async with world(venue, always=[(Channel.QUOTES, BTC[venue])]) as here:
        here.want(Channel.BOOK, BTC[venue])
        here.nursery.start_soon(here.run_market)
        await here.until(lambda: here.book(BTC[venue]), "a book")
        here.feed_scope.cancel(reason="the test ends it")
        await here.until(lambda: not here.fake.sessions, "goodbye")
        assert here.feed.lines.all == []
        assert here.feed.state == "off"


async def test_trouble_is_logged_once_per_cause(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with world("binance") as here:
            here.fake.trouble.fail_requests(503, count=10)
            here.fake.trouble.refuse_connections(100)
            here.want(Channel.QUOTES, "BTCUSDT")
            here.nursery.start_soon(here.run_market)
            await here.until(lambda: here.told(Quote), "quotes")
            minutes = 1 + trio.current_time() // REPEAT_SECONDS
            assert here.feed.statistics().rest_failures > minutes
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert 1 <= warnings.count("the list of symbols is not to be had, asking again") <= minutes
    assert 1 <= warnings.count("cannot connect") <= minutes
