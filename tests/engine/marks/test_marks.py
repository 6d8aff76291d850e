"""Marks of the node's markets: gathered, computed once a second, told with what made them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import BookVariant
from hyperstream.market.updates import ResumePoint
from hyperstream.market.venues import (
    BINANCE_FUTURES,
    BYBIT,
    HYPERLIQUID,
    Channel,
    FeedTopic,
    Quote,
    Ticker,
    TopicRefused,
    VenueInstrument,
    VenueListed,
)
from hyperstream.v1 import common_pb2, orderbook_pb2
from tests.engine.handmade import diffs, fills, new, remove
from tests.engine.world import SECOND_NS

from .mark_world import MarkWorld, absent, best, inputs, parts

EVERYTHING = {"hyperliquid/BTC ticker", "binance_futures/BTCUSDT quotes", "bybit/BTCUSDT quotes"}


def known_world(**settings: Any) -> MarkWorld:
    """One where every source of BTC's mark has told something, once it is asked."""
    world = MarkWorld(**settings)
    world.list_markets()
    return world


def tell_all(world: MarkWorld) -> None:
    world.context(oracle="100.0", mark="100.9")
    world.quote(BINANCE_FUTURES, "102.0", "103.0")
    world.quote(BYBIT, "98.0", "99.0")


def test_a_mark_says_what_made_it_and_how_far_the_venues_own_is() -> None:
    world = known_world()
    world.apply(fills(2, 7))
    follower = world.follow_marks("BTC")
    tell_all(world)
    world.apply(fills(3, 8))
    world.look()
    mark = follower.mark()
    assert inputs(mark) == {"ORACLE": "100.5", "LOCAL": "100.0", "EXTERNAL": "102.5"}
    assert parts(mark) == {
        "oracle": "100.0",
        "average_premium": "0.5",
        "bid": "100.0",
        "ask": "101.0",
        "last_trade": "100.0",
        "binance_futures/BTCUSDT": "102.5",
        "bybit/BTCUSDT": "98.5",
    }
    weights = {part.name: part.weight for each in mark.inputs for part in each.parts if part.weight}
    assert weights == {"binance_futures/BTCUSDT": 3, "bybit/BTCUSDT": 2}
    assert (mark.price, mark.venue_price) == ("100.5", "100.9")
    assert mark.difference_basis_points == pytest.approx(-39.643, abs=0.001)
    assert (mark.symbol, mark.market_id, mark.sequence) == ("BTC", 0, 1)
    assert mark.height == 1
    assert mark.publish_time_ns == mark.averaging_since_time_ns == world.time_ns
    assert not mark.absent
    assert not mark.doubtful


def test_a_mark_comes_every_second_and_never_more_often() -> None:
    world = known_world(venues=())
    follower = world.follow_marks("BTC")
    assert follower.mark().sequence == 1
    world.block(new(50, price="100.5"))
    world.look()
    assert not follower.take()
    for sequence in range(2, 6):
        world.block(new(100 * sequence, price="100.5"))
        world.pass_time()
        assert follower.mark().sequence == sequence


def test_what_nobody_follows_is_neither_computed_nor_wanted() -> None:
    world = known_world(symbols=("BTC", "kPEPE"))
    world.pass_time()
    assert (world.marks.computed, world.wanted) == (0, set())
    world.follow_marks("BTC")
    world.pass_time()
    assert world.wanted == EVERYTHING
    assert set(world.marks.marks) == {"BTC"}


def test_the_feeds_topics_are_given_up_again_after_the_last_follower_has_left() -> None:
    world = known_world()
    first, second = world.follow_marks("BTC"), world.follow_marks("BTC")
    world.pass_time()
    first.leave()
    world.pass_time(60)
    assert world.wanted == EVERYTHING
    second.leave()
    world.pass_time(29)
    assert world.wanted == EVERYTHING
    world.pass_time(2)
    assert world.wanted == set()
    assert world.marks.marks == {}
    market = world.engine.markets["BTC"]
    assert market.mark is None
    assert not market.has_tapes
    computed = world.marks.computed
    world.pass_time()
    assert world.marks.computed == computed
    assert world.follow_marks("BTC") is not None
    world.pass_time()
    assert world.wanted == EVERYTHING


def test_prices_are_kept_as_long_as_the_mark_needs_them_however_quiet_their_venue_is() -> None:
    world = known_world()
    follower = world.follow_marks("BTC")
    tell_all(world)
    for _ in range(5):
        world.pass_time()
        world.prices.retire()
    assert "binance_futures/BTCUSDT" in parts(follower.marks()[-1])
    follower.leave()
    world.pass_time(31)
    for _ in range(3):
        world.prices.retire()
    assert not world.prices.markets


def test_a_dead_feed_drops_out_and_the_mark_goes_on_from_the_others() -> None:
    world = known_world()
    follower = world.follow_marks("BTC")
    tell_all(world)
    world.look()
    assert set(inputs(follower.mark())) == {"ORACLE", "LOCAL", "EXTERNAL"}
    world.lose(BINANCE_FUTURES, Channel.QUOTES, "BTCUSDT")
    world.pass_time()
    mark = follower.mark()
    assert "binance_futures/BTCUSDT" not in parts(mark)
    assert parts(mark)["bybit/BTCUSDT"] == "98.5"
    assert absent(mark)[BINANCE_FUTURES] == "nothing current has been told of BTCUSDT"
    world.lose(HYPERLIQUID, Channel.TICKER, "BTC")
    world.pass_time()
    mark = follower.mark()
    assert (mark.venue_price, mark.HasField("difference_basis_points")) == ("", False)
    assert set(inputs(mark)) == {"LOCAL", "EXTERNAL", "LOCAL_AVERAGE"}
    world.lose(BYBIT, Channel.QUOTES, "BTCUSDT")
    world.pass_time()
    mark = follower.mark()
    assert inputs(mark) == {"LOCAL": "100.5"}
    assert (mark.price, set(absent(mark))) == ("100.5", {HYPERLIQUID, BINANCE_FUTURES, BYBIT, "node"})
    tell_all(world)
    world.pass_time()
    assert set(inputs(follower.mark())) == {"ORACLE", "LOCAL", "EXTERNAL"}


def test_what_was_told_too_long_ago_is_left_out_and_quiet_venues_have_longer() -> None:
    world = known_world()
    follower = world.follow_marks("BTC")
    tell_all(world)
    for _ in range(11):
        world.block()
        world.pass_time()
    mark = follower.marks()[-1]
    assert "binance_futures/BTCUSDT" in parts(mark)
    assert absent(mark)[HYPERLIQUID] == "nothing has been told of BTC for 11 s"
    assert absent(mark)[BYBIT] == "nothing has been told of BTCUSDT for 11 s"
    for _ in range(50):
        world.block()
        world.pass_time()
    assert absent(follower.marks()[-1])[BINANCE_FUTURES] == "nothing has been told of BTCUSDT for 61 s"


def test_without_the_nodes_blocks_its_prices_drop_out_and_a_market_has_no_mark_rather_than_zero() -> None:
    world = known_world(venues=())
    follower = world.follow_marks("BTC")
    assert follower.mark().price == "100.5"
    world.pass_time(11)
    mark = follower.mark()
    assert (mark.price, len(mark.inputs)) == ("", 0)
    assert absent(mark)["node"] == "has written no block for 11 s"
    world.block()
    world.pass_time()
    assert follower.mark().price == "100.5"


def test_a_market_without_any_input_has_no_mark_and_says_why() -> None:
    world = known_world(venues=())
    world.block(
        *(
            remove(order["oid"], side=order["side"], price=order["px"])
            for order in best("BTC", "100.0", "101.0")
        )
    )
    mark = world.follow_marks("BTC").mark()
    assert (mark.price, mark.venue_price, len(mark.inputs)) == ("", "", 0)
    reasons = [(each.source, each.reason) for each in mark.absent]
    assert [reason for source, reason in reasons if source == "node"] == [
        "no bid of it is known",
        "no ask of it is known",
        "no trade of it is known",
    ]
    assert dict(reasons)[HYPERLIQUID] == (
        "the feed is switched off here; the setting feeds.hyperliquid.enabled switches it on"
    )


def test_a_first_mark_waits_for_those_who_are_to_tell_something_but_not_for_long() -> None:
    world = MarkWorld()
    follower = world.follow_marks("BTC")
    world.look()
    assert not follower.take()  # nobody has listed anything yet
    world.list_markets()
    world.look()
    assert world.wanted == EVERYTHING
    world.context(oracle="100.0")
    world.quote(BINANCE_FUTURES, "102.0", "103.0")
    world.time_ns += SECOND_NS
    world.look()
    assert not follower.take()
    world.time_ns += SECOND_NS
    world.look()
    mark = follower.mark()
    assert set(inputs(mark)) == {"ORACLE", "LOCAL", "EXTERNAL"}
    assert absent(mark)[BYBIT] == "nothing current has been told of BTCUSDT"


def test_a_refusal_is_told_and_not_waited_for_until_the_venue_serves_it_after_all() -> None:
    world = known_world()
    follower = world.follow_marks("BTC")
    world.context(oracle="100.0")
    world.quote(BINANCE_FUTURES, "102.0", "103.0")
    topic = FeedTopic(BYBIT, Channel.QUOTES, "BTCUSDT")
    world.prices.apply([TopicRefused(topic, "bybit refused it: handler not found")])
    world.look()
    assert absent(follower.mark())[BYBIT] == "bybit refused it: handler not found"
    world.quote(BYBIT, "98.0", "99.0")
    world.pass_time()
    assert parts(follower.mark())["bybit/BTCUSDT"] == "98.5"
    world.lose(BYBIT, Channel.QUOTES, "BTCUSDT")
    world.pass_time()
    assert absent(follower.mark())[BYBIT] == "nothing current has been told of BTCUSDT"


def test_a_multiple_is_found_under_the_venues_name_and_a_delisted_one_is_not() -> None:
    world = known_world(symbols=("kPEPE",))
    follower = world.follow_marks("kPEPE")
    assert world.wanted == {"hyperliquid/kPEPE ticker", "binance_futures/1000PEPEUSDT quotes"}
    world.quote(BINANCE_FUTURES, "0.0044110", "0.0044130", "1000PEPEUSDT")
    world.context(oracle="0.0044", symbol="kPEPE")
    world.look()
    mark = follower.mark()
    assert parts(mark)["binance_futures/1000PEPEUSDT"] == "0.004412"
    assert absent(mark)[BYBIT] == "the venue has no perpetual of this coin in USDT"


def test_a_market_that_is_listed_later_is_wanted_then() -> None:
    world = known_world(symbols=("ETH",))
    follower = world.follow_marks("ETH")
    world.look()
    assert world.wanted == set()
    assert absent(follower.mark())[HYPERLIQUID] == "the venue has no market of this name"
    world.prices.apply([VenueListed(HYPERLIQUID, (VenueInstrument("ETH"),))])
    world.pass_time()
    assert world.wanted == {"hyperliquid/ETH ticker"}


def test_a_builders_market_has_the_local_mark_beside_the_venues() -> None:
    world = known_world(symbols=("xyz:XYZ100",))
    follower = world.follow_marks("xyz:XYZ100")
    assert world.wanted == {"hyperliquid/xyz:XYZ100 ticker"}
    world.context(oracle="90.0", mark="100.0", symbol="xyz:XYZ100")
    world.look()
    mark = follower.mark()
    assert inputs(mark) == {"LOCAL": "100.5"}
    assert (mark.price, mark.venue_price, mark.difference_basis_points) == ("100.5", "100.0", 50.0)
    assert mark.averaging_since_time_ns == 0


def test_a_doubtful_book_makes_a_doubtful_mark() -> None:
    world = known_world(venues=())
    follower = world.follow_marks("BTC")
    follower.take()
    world.apply(diffs(2, remove(999_999, price="100.0")))
    world.pass_time()
    assert follower.mark().doubtful


def test_what_a_venue_tells_that_is_no_price_is_no_input() -> None:
    world = known_world()
    follower = world.follow_marks("BTC")
    world.context(oracle="", mark="")
    world.quote(BINANCE_FUTURES, "", "103.0")
    world.quote(BYBIT, "0.0000000000001", "99.0")
    world.look()
    mark = follower.mark()
    assert inputs(mark) == {"LOCAL": "100.5"}
    assert absent(mark) == {
        "node": "no trade of it is known",
        HYPERLIQUID: "tells no oracle price of it",
        BINANCE_FUTURES: "BTCUSDT has not both a bid and an ask",
        BYBIT: "BTCUSDT has not both a bid and an ask",
    }


TEXTS = st.one_of(
    st.text(max_size=6), st.decimals(allow_nan=True).map(str), st.sampled_from(["", "0.0", "100.1"])
)


@given(st.lists(TEXTS, min_size=6, max_size=6))
def test_whatever_a_venue_tells_there_is_a_mark(texts: list[str]) -> None:
    world = known_world()
    follower = world.follow_marks("BTC")
    oracle, mark, *sides = texts
    now_ns = world.time_ns
    world.prices.apply([Ticker(HYPERLIQUID, "BTC", "", mark, oracle, "", "", 0, now_ns)])
    for venue, (bid, ask) in ((BINANCE_FUTURES, sides[:2]), (BYBIT, sides[2:])):
        world.prices.apply([Quote(venue, "BTCUSDT", bid, "1", ask, "1", now_ns, now_ns)])
    world.look()
    assert float(follower.mark().price) > 0


def test_too_many_markets_are_a_reason_and_no_error() -> None:
    world = known_world(max_markets=1)
    follower = world.follow_marks("BTC")
    world.context(oracle="100.0")
    world.look()
    world.pass_time()
    mark = follower.mark()
    assert "prices.max_markets" in absent(mark)[BYBIT]
    assert set(inputs(mark)) == {"ORACLE", "LOCAL", "LOCAL_AVERAGE"}
    follower.leave()
    world.pass_time(31)
    assert world.wanted == set()


def test_a_slow_reader_gets_the_newest_mark_and_how_many_it_replaced() -> None:
    world = known_world(venues=())
    follower = world.follow_marks("BTC")
    follower.take()
    for _ in range(5):
        world.pass_time()
    (event,) = follower.take()
    assert (event.mark_price.sequence, event.merged) == (6, 4)


def test_a_subscription_resumes_behind_the_last_mark_it_got() -> None:
    world = known_world(venues=())
    follower = world.follow_marks("BTC", contract=Contract.LOSSLESS)
    for _ in range(3):
        world.pass_time()
    last = follower.marks()[-1]
    follower.leave()
    for _ in range(3):
        world.pass_time()
    again = world.follow_marks(contract=Contract.LOSSLESS)
    again.attach("BTC", ResumePoint("BTC", last.epoch, last.sequence))
    assert [mark.sequence for mark in again.marks()] == [last.sequence + number for number in (1, 2, 3)]
    late = world.follow_marks()
    late.attach("BTC", ResumePoint("BTC", last.epoch - 1, 1))
    gap, event = late.take()
    assert gap.gap.reason == common_pb2.GAP_REASON_RESTART
    assert event.mark_price.sequence == last.sequence + 3


def test_a_books_snapshot_carries_the_mark_while_somebody_follows_it() -> None:
    world = known_world(venues=())
    book = world.engine.markets["BTC"].book_stream(BookVariant(5))

    def marked() -> str:
        snapshot = book.snapshot()
        frame = snapshot.frame(0) if snapshot is not None else None
        assert frame is not None
        response = orderbook_pb2.SubscribeOrderbookResponse.FromString(frame)
        return str(response.events[0].snapshot.mark_price)

    assert marked() == ""
    follower = world.follow_marks("BTC")
    assert marked() == "100.5"
    world.block(new(70, price="100.5"))
    world.pass_time()
    assert marked() == "100.75"
    follower.leave()
    world.pass_time(31)
    assert marked() == ""


def test_many_markets_are_computed_some_at_a_step() -> None:
    symbols = tuple(f"C{number}" for number in range(60))
    world = known_world(venues=(), symbols=symbols)
    follower = world.follow_marks(*symbols)
    follower.take()
    world.time_ns += SECOND_NS
    assert len(list(world.marks.strike())) == 3
    assert len(follower.marks()) == 60
