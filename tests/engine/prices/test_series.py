"""What the prices engine publishes: each promise of batches, bars and indicators by its name."""

from __future__ import annotations

import numpy as np
import talib
from structlog.testing import capture_logs

from hyperstream.hub.delivery import OutboxLimits
from hyperstream.market.venues import Channel, FeedGap, FeedTopic, Ticker, TopicRefused, VenueBook

from .price_world import SYMBOL, VENUE, PriceWorld, bars, indicator, prices, venue_bar

WALK = [100.0, 101.5, 101.0, 102.25, 99.75, 98.0, 98.5, 103.0, 104.5, 104.0, 101.25, 100.5]


def topic(channel: Channel, detail: str = "") -> FeedTopic:
    return FeedTopic(VENUE, channel, SYMBOL, detail)


def test_prices_hold_the_newest_quote_trade_and_ticker() -> None:
    world = PriceWorld()
    follower = world.follow(prices())
    assert follower.take() == []  # nothing is known: nothing is sent
    world.quote("99.5", "100.5")
    world.trade(100.0)
    world.engine.apply(
        [Ticker(VENUE, SYMBOL, "100.1", "100.2", "100.3", "0.0001", "5000", world.now_ns, world.now_ns)]
    )
    (price,) = follower.prices()
    assert (price.key, price.venue, price.symbol, price.sequence) == ("bybit/BTCUSDT", VENUE, SYMBOL, 1)
    assert (price.bid_price, price.bid_size, price.ask_price, price.ask_size) == ("99.5", "1", "100.5", "2")
    assert (price.last_price, price.last_size, price.last_trade_time_ns) == ("100.00", "1.0", world.now_ns)
    assert (price.mark_price, price.index_price, price.funding_rate) == ("100.2", "100.3", "0.0001")
    assert (price.event_time_ns, price.publish_time_ns) == (world.now_ns, world.now_ns)


def test_a_batch_publishes_each_series_once_however_many_ticks_came() -> None:
    world = PriceWorld()
    follower = world.follow(prices(), indicator("sma:2"))
    follower.take()
    for price in WALK:
        world.trade(price, 0.001)
    events = follower.take()
    assert [event.WhichOneof("event") for event in events] == ["price", "indicator"]
    assert events[0].price.last_price == "100.50"
    assert events[1].indicator.values[0].value == (101.25 + 100.5) / 2
    assert all(event.merged == 0 for event in events)


def test_without_batches_every_tick_is_a_message() -> None:
    world = PriceWorld(flush_seconds=0.0)
    follower = world.follow(prices(), indicator("sma:2"))
    follower.take()
    follower.be_prompt()
    for price in WALK:
        world.trade(price)
    told = follower.prices()
    assert [float(price.last_price) for price in told] == WALK
    assert [price.sequence for price in told] == list(range(1, len(WALK) + 1))


def test_every_tick_is_sent_by_itself_to_who_asks_for_it_and_batches_to_the_others() -> None:
    world = PriceWorld()
    tickwise, batched = world.follow(prices(is_every_tick=True)), world.follow(prices())
    tickwise.be_prompt()
    batched.be_prompt()
    for price in WALK:
        world.trade(price)
    assert [float(price.last_price) for price in tickwise.prices()] == WALK
    assert [float(price.last_price) for price in batched.prices()] == WALK[-1:]


def test_values_are_ta_libs_over_the_same_series_wherever_the_history_ends() -> None:
    expected = talib.RSI(np.array(WALK), timeperiod=3)
    for known in range(len(WALK)):
        world = PriceWorld(standing=[(VENUE, SYMBOL)])
        for price in WALK[:known]:
            world.trade(price)
        follower = world.follow(indicator("rsi:3"))
        told = follower.indicators()
        for price in WALK[known:]:
            world.trade(price)
            told += follower.indicators()
        values = [each.values[0].value for each in told if each.values]
        assert values == [value for value in expected[max(known - 1, 0) :] if not np.isnan(value)]


def test_a_newcomer_gets_the_warm_value_of_the_shared_instance_at_once() -> None:
    world = PriceWorld()
    first = world.follow(indicator("ema:3"))
    for price in WALK:
        world.trade(price)
    (value,) = [each for each in first.indicators() if each.values][-1:]
    second = world.follow(indicator("ema:3"))
    (event,) = second.take()
    assert event.indicator.values == value.values
    assert event.indicator.sequence == value.sequence
    assert list(world.engine.computations().values()) == [len(WALK)]


def test_one_instance_serves_all_and_is_dropped_some_time_after_the_last() -> None:
    world = PriceWorld(linger_seconds=30.0)
    followers = [world.follow(indicator("ema:3"), indicator("rsi:3@1s")) for _ in range(50)]
    for price in WALK:
        world.trade(price, 0.5)
    for follower in followers:
        follower.take()
    # Half a second apart, the last is the first of the seventh second: six have closed, the first not whole.
    assert sorted(world.engine.computations().values()) == [5, len(WALK)]
    assert world.wanted == {"bybit/BTCUSDT trades"}
    for follower in followers[1:]:
        follower.leave()
    world.pass_time(60)
    assert len(world.engine.computations()) == 2
    followers[0].leave()
    world.pass_time(29)
    assert len(world.engine.computations()) == 2
    world.pass_time(2)
    assert (world.engine.computations(), world.wanted) == ({}, set())
    assert world.engine.statistics().series == 0


def test_nothing_is_computed_that_nobody_asked_for() -> None:
    world = PriceWorld(standing=[(VENUE, SYMBOL)])
    for price in WALK:
        world.trade(price)
    world.engine.flush()
    statistics = world.engine.statistics()
    assert (statistics.series, statistics.batches, statistics.items) == (0, 0, len(WALK))
    assert world.hub.epochs_given == 0  # no topic was made


def test_bars_are_told_forming_and_closed_apart() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1s"))
    world.trade(100.0, 0.2, size="2.0")
    world.trade(103.0, 0.2)
    (forming,) = follower.bars()
    assert (forming.open, forming.high, forming.low, forming.close) == (
        "100.00",
        "103.00",
        "100.00",
        "103.00",
    )
    assert (forming.volume, forming.turnover, forming.trade_count) == ("3.0", "303.0", 2)
    assert (forming.closed, forming.incomplete, forming.from_venue) == (False, True, False)
    world.trade(99.0, 1.0)
    closed, following = follower.bars()
    assert (closed.closed, closed.close, closed.start_time_ns) == (True, "103.00", forming.start_time_ns)
    assert (following.closed, following.open, following.incomplete) == (False, "99.00", False)
    assert following.start_time_ns == closed.end_time_ns


def test_a_bar_closes_in_silence_and_flat_ones_follow() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1s"))
    world.trade(100.0)
    follower.take()
    world.now_ns += 3_200_000_000
    told = [bar for bar in follower.bars() if bar.closed]
    assert [(bar.close, bar.trade_count) for bar in told][-1] == ("100.00", 0)


def test_no_closed_bar_takes_the_place_of_another_for_who_keeps_up() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1s"), indicator("sma:1@1s"))
    world.trade(100.0)
    follower.take()
    follower.be_prompt()
    world.now_ns += 10_500_000_000  # ten bars end in one batch
    events = follower.take()
    closed = [event for event in events if event.bar.closed]
    assert [event.bar.sequence for event in closed] == list(range(1, len(closed) + 1))
    assert len(closed) >= 9
    values = [event for event in events if event.HasField("indicator") and not event.indicator.forming]
    assert [event.indicator.bar_start_time_ns for event in values] == [
        event.bar.start_time_ns for event in closed
    ]
    assert all(event.merged == 0 for event in events)


def test_a_slow_reader_gets_the_newest_of_each_series_and_is_told_how_many_it_replaced() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1s"), indicator("sma:1@1s"), limits=OutboxLimits(10, 1_000))
    follower.take()
    for price in WALK:
        world.trade(price, 1.0)
        world.engine.flush()
    events = follower.take()
    kinds = [(event.bar.closed, event.indicator.forming) for event in events if not event.HasField("gap")]
    assert len(kinds) == 4  # closed and forming, of bars and of values: neither took the other's place
    for event in events:
        body = event.bar if event.HasField("bar") else event.indicator
        assert event.merged == body.sequence - 1


def test_an_indicator_on_bars_stands_with_closed_ones_and_peeks_at_the_forming_one() -> None:
    world = PriceWorld()
    follower = world.follow(indicator("ema:3@1s"))
    closes = np.array(WALK)
    told = follower.indicators()
    for price in WALK:
        world.trade(price, 1.0)
        told += follower.indicators()
    standing = [each for each in told if not each.forming and each.values]
    expected = talib.EMA(closes[1:], timeperiod=3)  # the first began before anybody listened
    assert [each.values[0].value for each in standing] == list(expected[2:-1])
    forming = [each for each in told if each.forming and each.values]
    assert [each.values[0].value for each in forming] == list(expected[2:])
    assert all(each.bar_end_time_ns - each.bar_start_time_ns == 1_000_000_000 for each in standing + forming)


def test_bars_begin_with_the_history_of_trades() -> None:
    world = PriceWorld(standing=[(VENUE, SYMBOL)])
    for price in WALK:
        world.trade(price, 0.5)
    follower = world.follow(bars("1s"), indicator("sma:3@1s"))
    events = follower.take()
    assert {event.bar.closed for event in events if event.HasField("bar")} == {True, False}
    values = {event.indicator.forming: event.indicator for event in events if event.HasField("indicator")}
    # The first second is not whole, because nobody listened in its first half; the last is forming.
    assert values[False].values[0].value == (WALK[6] + WALK[8] + WALK[10]) / 3
    assert values[True].values[0].value == (WALK[8] + WALK[10] + WALK[11]) / 3
    assert not values[False].warming


def test_the_venues_own_bars_are_used_where_it_has_them() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1m"), indicator("sma:2@1m"))
    assert world.wanted == {"bybit/BTCUSDT bars 1m"}
    world.engine.apply([venue_bar(0, "104.0", is_closed=False)])
    (forming,) = follower.bars()
    assert (forming.close, forming.volume, forming.from_venue, forming.incomplete) == (
        "104.0",
        "12.5",
        True,
        False,
    )
    world.trade(500.0)  # its trades do not touch them
    world.engine.apply([venue_bar(0, "105.0", is_closed=True), venue_bar(1, "107.0", is_closed=True)])
    events = follower.take()
    assert [event.bar.close for event in events if event.bar.closed] == ["107.0"]
    assert [event.merged for event in events if event.bar.closed] == [1]
    values = [event.indicator for event in events if event.indicator.values and not event.indicator.forming]
    assert values[-1].values[0].value == 106.0


def test_bars_the_venue_refuses_are_built_from_its_trades() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1m"))
    world.engine.apply([TopicRefused(topic(Channel.BARS, "1m"), "no such kline")])
    assert world.wanted == {"bybit/BTCUSDT trades"}
    world.trade(101.0)
    (forming,) = follower.bars()
    assert (forming.close, forming.from_venue) == ("101.00", False)


def test_a_gap_is_told_and_values_go_on() -> None:
    world = PriceWorld()
    follower = world.follow(prices(), bars("1s"), indicator("sma:2"), indicator("sma:2@1s"))
    for price in WALK[:6]:
        world.trade(price, 0.4)
    follower.take()
    topics = (topic(Channel.TRADES), topic(Channel.QUOTES))
    world.engine.apply([FeedGap(VENUE, topics, world.now_ns, "disconnected", "for 3 s")])
    gaps = [event.gap for event in follower.take() if event.HasField("gap")]
    assert {gap.symbol for gap in gaps} == {
        "bybit/BTCUSDT",
        "bybit/BTCUSDT/1s",
        "bybit/BTCUSDT/ticks/sma(timeperiod=2)",
        "bybit/BTCUSDT/1s/sma(timeperiod=2)",
    }
    assert all(gap.detail == "disconnected: for 3 s" for gap in gaps)
    world.trade(WALK[6], 0.1)
    events = follower.take()
    assert [event.bar.incomplete for event in events if event.HasField("bar") and not event.bar.closed] == [
        True
    ]
    assert [
        event.indicator.values[0].value
        for event in events
        if event.indicator.key.endswith("ticks/sma(timeperiod=2)")
    ] == [(WALK[5] + WALK[6]) / 2]


def test_the_venues_bars_that_a_gap_swallowed_are_incomplete() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1m"))
    follower.be_prompt()
    world.engine.apply([venue_bar(0, "101.0", is_closed=True), venue_bar(1, "102.0", is_closed=False)])
    follower.take()
    gap = FeedGap(VENUE, (topic(Channel.BARS, "1m"),), world.now_ns, "connection", "for two minutes")
    world.engine.apply([gap, venue_bar(4, "104.0", is_closed=True)])
    told = [(bar.close, bar.incomplete) for bar in follower.bars() if bar.closed]
    assert told == [("102.0", True), ("102.0", True), ("102.0", True), ("104.0", False)]


def test_a_gap_of_something_else_is_not_told() -> None:
    world = PriceWorld()
    follower = world.follow(indicator("spread"), bars("1s"))
    world.engine.apply([FeedGap(VENUE, (topic(Channel.TICKER),), 0, "disconnected", "")])
    assert not [event for event in follower.take() if event.HasField("gap")]


def test_a_market_the_venue_refuses_ends_for_everybody_who_follows_it() -> None:
    world = PriceWorld()
    first, second = world.follow(prices(), indicator("ema:3@1s")), world.follow(prices())
    world.engine.apply([TopicRefused(topic(Channel.TRADES), "not traded any more")])
    for follower, count in ((first, 3), (second, 1)):
        errors = [event.error for event in follower.take() if event.HasField("error")]
        assert all(error.reason == "not traded any more" for error in errors)
        assert len({error.key for error in errors}) == len(errors) == min(count, 2)
        assert not follower.subscription.cursors
    assert (world.engine.statistics().series, world.wanted) == (0, set())


def test_a_refused_ticker_leaves_the_prices_to_quotes_and_trades() -> None:
    world = PriceWorld()
    follower = world.follow(prices())
    world.engine.apply([TopicRefused(topic(Channel.TICKER), "no ticker")])
    world.trade(100.0)
    assert [price.last_price for price in follower.prices()] == ["100.00"]


def test_book_indicators_look_at_quotes_for_one_level_and_at_the_book_for_more() -> None:
    world = PriceWorld()
    follower = world.follow(indicator("microprice"), indicator("spread"), indicator("book_imbalance:3"))
    assert world.wanted == {"bybit/BTCUSDT quotes", "bybit/BTCUSDT book 50"}
    world.quote("84143.0", "84144.0", "10.25923", "50.66449")
    values = {each.key: each.values[0].value for each in follower.indicators() if each.values}
    assert round(values["bybit/BTCUSDT/ticks/microprice()"], 5) == 84143.16839
    assert values["bybit/BTCUSDT/ticks/spread()"] == 1.0
    levels = [("100", "5"), ("99", "3"), ("98", "2")], [("101", "4"), ("102", "6"), ("103", "10")]
    world.engine.apply([VenueBook(VENUE, SYMBOL, *levels, 1, world.now_ns, world.now_ns, "50")])
    (imbalance,) = [each for each in follower.indicators() if each.values]
    assert round(imbalance.values[0].value, 5) == -0.33333


def test_an_empty_side_has_no_value_and_is_not_warming() -> None:
    world = PriceWorld()
    follower = world.follow(indicator("spread"))
    world.quote("99.0", "101.0")
    assert [each.values[0].value for each in follower.indicators() if each.values] == [2.0]
    world.quote("99.0", "", ask_size="")
    (told,) = follower.indicators()
    assert (list(told.values), told.warming) == ([], False)


def test_an_error_in_one_indicator_is_logged_once_and_harms_no_other() -> None:
    world = PriceWorld()
    # Bybit's bars do not say what takers bought.
    follower = world.follow(indicator("trade_imbalance@1m"), indicator("sma:2@1m"))
    with capture_logs() as logs:
        for number in range(4):
            world.engine.apply([venue_bar(number, f"{100 + number}.0", is_closed=True)])
    values = {
        each.key.split("/")[-1]: [value.value for value in each.values]
        for each in follower.indicators()
        if not each.forming
    }
    assert values["sma(timeperiod=2)"] == [102.5]
    assert values[next(key for key in values if key.startswith("trade_imbalance"))] == []
    assert [entry["event"] for entry in logs] == ["an indicator skips an input"]
    assert world.engine.statistics().counts["indicator faults"] >= 4
