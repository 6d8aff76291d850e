"""The prices engine as a whole: bounds, demand, history, determinism, and anything a feed could say."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from hyperstream.engine.prices.demands import Demands
from hyperstream.errors import NoLongerKept, SelectionError
from hyperstream.market.venues import (
    Channel,
    FeedDemand,
    FeedGap,
    FeedItem,
    FeedStatus,
    FeedTopic,
    Quote,
    Ticker,
    TopicRefused,
    VenueBar,
    VenueBook,
    VenueFrame,
    VenueListed,
    VenueMids,
    VenueTrade,
)

from .price_world import SECOND_NS, START_NS, SYMBOL, VENUE, PriceWorld, bars, indicator, prices, read, trade

EVERYTHING = (
    prices(),
    prices(is_every_tick=True),
    bars("1s"),
    bars("1m"),
    indicator("rsi:2"),
    indicator("macd:2,3,2@1s"),
    indicator("atr:2@1m"),
    indicator("spread"),
    indicator("book_imbalance:3"),
)


def test_demand_is_told_when_the_first_comes_and_when_the_last_has_gone() -> None:
    told: list[FeedDemand] = []
    demands = Demands(told.append)
    topic = FeedTopic(VENUE, Channel.TRADES, SYMBOL)
    demands.want([topic])
    demands.want([topic])
    demands.want([topic], is_raw=True)
    demands.release([topic])
    assert told == [FeedDemand(topic, True), FeedDemand(topic, True, is_raw=True)]
    assert demands.is_wanted(topic)
    demands.release([topic])
    demands.release([topic], is_raw=True)
    assert told[2:] == [FeedDemand(topic, False), FeedDemand(topic, False, is_raw=True)]
    assert (len(demands), demands.is_wanted(topic)) == (0, False)


def test_there_are_no_more_markets_than_may_be_whatever_comes() -> None:
    world = PriceWorld(max_markets=10)
    with capture_logs() as logs:
        for number in range(1_000):
            world.trade(100.0, symbol=f"S{number}")
    statistics = world.engine.statistics()
    assert statistics.markets == len(world.engine.latest.markets) == 10
    assert statistics.counts["ticks of too many markets"] == 990
    assert [entry["event"] for entry in logs] == ["too many markets"]


def test_history_is_bounded_whatever_arrives() -> None:
    world = PriceWorld(history_ticks=100, history_bars=5)
    world.follow(bars("1s"))
    for number in range(2_000):
        world.trade(100.0 + number % 7, 0.5)
    (market,) = world.engine.markets.values()
    assert len(market.history) == 100
    assert len(market.groups.bars["1s"].history) == 5


def test_more_series_than_may_be_are_refused_and_leave_nothing_behind() -> None:
    world = PriceWorld(max_series=3)
    world.follow(prices(), bars("1m"))
    with pytest.raises(SelectionError, match=r"prices\.max_series") as refused:
        world.follow(indicator("rsi:3"), indicator("rsi:4"))
    assert refused.value.status_name == "RESOURCE_EXHAUSTED"
    assert world.engine.statistics().series == 3


def test_an_indicator_and_the_bars_it_needs_are_two_series() -> None:
    world = PriceWorld(max_series=2)
    world.follow(indicator("sma:2"))
    with pytest.raises(SelectionError):
        world.follow(indicator("sma:2@1s"))
    assert world.engine.statistics().series == 1
    world.follow(bars("1s"))
    assert world.engine.statistics().series == 2


def test_history_is_kept_of_standing_markets_and_forgotten_of_others() -> None:
    world = PriceWorld(standing=[(VENUE, "ETHUSDT")])
    followers = [world.follow(indicator("sma:3", symbol)) for symbol in ("BTCUSDT", "ETHUSDT")]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for price in (100.0, 101.0, 102.0):
            world.trade(price, symbol=symbol)
    for follower in followers:
        follower.leave()
    world.pass_time(60)
    assert {market.symbol for market in world.engine.markets.values()} == {"ETHUSDT"}
    for symbol, is_warm in (("BTCUSDT", False), ("ETHUSDT", True)):
        (event,) = world.follow(indicator("sma:3", symbol)).take()
        assert event.indicator.warming is not is_warm


def test_what_nobody_wants_any_more_is_not_shown_as_newest() -> None:
    world = PriceWorld()
    others = world.follow(indicator("sma:3"))  # keeps the trades coming
    follower = world.follow(prices())
    world.quote("99.0", "101.0")
    world.trade(100.0)
    follower.leave()
    world.engine.retire()
    world.now_ns += 40 * SECOND_NS
    world.trade(102.0)
    world.engine.retire()
    assert world.wanted == {"bybit/BTCUSDT trades"}
    (event,) = world.follow(prices()).take()
    assert (event.price.last_price, event.price.bid_price) == ("102.00", "")
    assert others.take()


def test_what_was_on_its_way_when_it_was_let_go_is_no_beginning_for_who_comes_later() -> None:
    world = PriceWorld()
    others = world.follow(indicator("spread"))  # keeps the market
    follower = world.follow(indicator("sma:2"), bars("7s"))
    world.trade(100.0)
    follower.leave()
    world.pass_time(60)
    assert world.wanted == {"bybit/BTCUSDT quotes"}
    world.trade(101.0)  # the venue has not heard yet that nobody wants it
    world.now_ns += 600 * SECOND_NS
    events = world.follow(prices(), indicator("sma:2"), bars("7s"), bars("1m")).take()
    assert [event.WhichOneof("event") for event in events] == ["indicator"]
    assert (events[0].indicator.have, events[0].indicator.need) == (0, 2)
    assert others.subscription.cursors


def test_trades_that_came_with_frames_are_no_beginning_once_the_frames_are_let_go() -> None:
    world = PriceWorld()
    others = world.follow(indicator("spread"))  # keeps the market
    topic = FeedTopic(VENUE, Channel.TRADES, SYMBOL)
    world.quote("99.0", "101.0")
    world.engine.want_frames(topic)
    world.trade(100.0)
    (event,) = world.follow(indicator("sma:2")).take()
    assert event.indicator.have == 1
    world.pass_time(60)
    world.engine.release_frames(topic)
    world.now_ns += 600 * SECOND_NS
    follower = world.follow(indicator("sma:3"))
    assert [event.indicator.have for event in follower.take()] == [1]  # the other one keeps them coming
    assert others.subscription.cursors


def test_trades_that_came_with_frames_only_are_forgotten_with_them() -> None:
    world = PriceWorld()
    others = world.follow(indicator("spread"))
    topic = FeedTopic(VENUE, Channel.TRADES, SYMBOL)
    world.quote("99.0", "101.0")
    world.engine.want_frames(topic)
    world.trade(100.0)
    world.engine.release_frames(topic)
    world.now_ns += 600 * SECOND_NS
    assert [event.indicator.have for event in world.follow(indicator("sma:2")).take()] == [0]
    assert others.subscription.cursors


async def test_the_newest_values_are_in_the_latest_value_cache(autojump_clock: MockClock) -> None:
    world = PriceWorld()
    market = world.engine.latest.market(VENUE, SYMBOL)
    got: list[Any] = []

    async def read() -> None:
        got.append(await market.trade.wait_newer(0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        world.trade(100.0)
        world.quote("99.0", "101.0")
    assert (got[0].version, got[0].value.price) == (1, "100.00")
    assert market.price.value is not None
    assert market.price.value.bid == "99.0"
    world.pass_time(60)  # nobody follows, nothing comes
    with pytest.raises(NoLongerKept, match="nobody follows it"):
        await market.trade.wait_newer(1)


async def test_a_market_somebody_waits_for_is_kept(autojump_clock: MockClock) -> None:
    world = PriceWorld()
    world.trade(100.0)
    market = world.engine.latest.market(VENUE, SYMBOL)
    with trio.move_on_after(5) as waiting:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                await market.trade.wait_newer(1)

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            world.pass_time(60)
            assert len(world.engine.markets) == 1
            await trio.sleep_forever()
    assert waiting.cancelled_caught


async def test_run_applies_until_the_channel_ends_and_publishes_the_last_batch(
    autojump_clock: MockClock,
) -> None:
    world = PriceWorld()
    follower = world.follow(prices())
    send, receive = trio.open_memory_channel[list[FeedItem]](4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.engine.run, receive)
        with send:
            for number in range(1, 10):
                await send.send([trade(100.0 + number, START_NS + number, number)])
    message = follower.subscription.take()
    assert message is not None
    assert read(message)[-1].price.last_price == "109.00"


def test_what_waits_in_the_channel_is_published_before_a_goodbye() -> None:
    world = PriceWorld()
    follower = world.follow(prices())
    follower.take()
    send, receive = trio.open_memory_channel[list[FeedItem]](10)
    for number in range(1, 6):
        send.send_nowait([trade(100.0 + number, START_NS + number, number)])
    world.engine.catch_up(receive)
    assert receive.statistics().current_buffer_used == 0
    assert [price.last_price for price in follower.prices()] == ["105.00"]
    receive.close()
    world.engine.catch_up(receive)  # fine once it has been closed


async def test_ticks_of_the_clock_publish_and_retire(autojump_clock: MockClock) -> None:
    world = PriceWorld(flush_seconds=0.25, linger_seconds=0.0)
    follower = world.follow(prices())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.engine.tick)
        world.trade(100.0)
        await trio.sleep(0.3)
        assert follower.subscription.take() is not None
        follower.leave()
        await trio.sleep(2.5)
        assert world.engine.statistics().series == 0
        nursery.cancel_scope.cancel(reason="seen enough")


def test_frames_of_the_venue_are_passed_on_untouched() -> None:
    world = PriceWorld()
    frames: list[VenueFrame] = []
    world.engine.on_frame = frames.append
    frame = VenueFrame(VENUE, "orderbook.50.BTCUSDT", b"{}", True, 1, 1)
    world.engine.apply([frame])
    assert frames == [frame]


# --- anything a feed could say ---

TEXTS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "1e5", "nan", "inf", "99.5", "100", "0.00000001", "1" * 30, "x"]),
    st.decimals(0, 10**6, places=3).map(str),
    st.text(max_size=5),
)
TIMES = st.one_of(
    st.integers(START_NS - 10 * SECOND_NS, START_NS + 100 * SECOND_NS), st.sampled_from([0, 2**62])
)
CHANNELS = st.sampled_from(Channel)
TOPICS = st.builds(
    FeedTopic, st.just(VENUE), CHANNELS, st.sampled_from([SYMBOL, "X"]), st.sampled_from(["", "1m", "50"])
)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4)
HEAD = {"venue": st.just(VENUE), "symbol": st.sampled_from([SYMBOL, SYMBOL, SYMBOL, "X"])}
STEPS = st.sampled_from(["1m", "1s", "", "1M"])
ITEMS: st.SearchStrategy[FeedItem] = st.one_of(
    st.builds(VenueTrade, **HEAD, trade_id=TEXTS, price=TEXTS, size=TEXTS, is_buyer_taker=st.booleans(),
              trade_time_ns=TIMES, receive_time_ns=TIMES),
    st.builds(Quote, **HEAD, bid=TEXTS, bid_size=TEXTS, ask=TEXTS, ask_size=TEXTS, event_time_ns=TIMES,
              receive_time_ns=TIMES, update_id=st.just(1)),
    st.builds(VenueBook, **HEAD, bids=PAIRS, asks=PAIRS, update_id=st.just(1), event_time_ns=TIMES,
              receive_time_ns=TIMES, detail=st.sampled_from(["", "50", "200"])),
    st.builds(VenueBar, **HEAD, interval=STEPS, start_time_ns=TIMES, end_time_ns=TIMES, open=TEXTS,
              high=TEXTS, low=TEXTS, close=TEXTS, volume=TEXTS, turnover=TEXTS, trade_count=st.integers(0, 5),
              is_closed=st.booleans(), receive_time_ns=TIMES),
    st.builds(Ticker, **HEAD, last_price=TEXTS, mark_price=TEXTS, index_price=TEXTS, funding_rate=TEXTS,
              open_interest=TEXTS, event_time_ns=TIMES, receive_time_ns=TIMES),
    st.builds(FeedGap, venue=st.just(VENUE), topics=st.lists(TOPICS, max_size=3).map(tuple),
              since_time_ns=TIMES, reason=st.just("r"), detail=st.just("d")),
    st.builds(TopicRefused, TOPICS, st.just("refused")),
    st.builds(FeedStatus, venue=st.sampled_from([VENUE, "x"]), state=st.just("down"), detail=st.just(""),
              time_ns=TIMES),
    st.just(VenueListed("x", ())),
    st.just(VenueMids(VENUE, "", {}, 0)),
)  # fmt: skip


def play(script: list[FeedItem | float | None], **options: Any) -> list[bytes]:
    """Everything a prompt follower and a slow one of everything are sent; None publishes, a number waits."""
    world = PriceWorld(**options)
    prompt, slow = world.follow(*EVERYTHING), world.follow(*EVERYTHING)
    prompt.be_prompt()
    for step in script:
        if step is None:
            world.engine.flush()
        elif isinstance(step, float):
            world.now_ns += int(step * SECOND_NS)
        else:
            world.engine.apply([step])
    world.engine.flush()
    while (message := slow.subscription.take()) is not None:
        slow.messages.append(message)
    return [*prompt.messages, b"---", *slow.messages]


SCRIPTS = st.lists(st.one_of(ITEMS, ITEMS, ITEMS, st.none(), st.floats(0, 70)), max_size=30)


@given(script=SCRIPTS, flush_seconds=st.sampled_from([0.0, 0.1]))
def test_the_same_input_gives_the_same_output_and_nothing_a_feed_says_ends_the_engine(
    script: list[FeedItem | float | None], flush_seconds: float
) -> None:
    assert play(script, flush_seconds=flush_seconds) == play(script, flush_seconds=flush_seconds)


@given(
    changes=st.lists(st.floats(-2, 2), min_size=1, max_size=60),
    pauses=st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5]), min_size=60, max_size=60),
)
def test_replaying_a_market_gives_the_same_output(changes: list[float], pauses: list[float]) -> None:
    script: list[FeedItem | float | None] = []
    price, time_ns = 100.0, START_NS
    for number, (change, pause) in enumerate(zip(changes, pauses, strict=False)):
        price, time_ns = max(1.0, price + change), time_ns + int(pause * SECOND_NS)
        script += [pause, trade(price, time_ns, number), None]
    assert play(script) == play(script)
