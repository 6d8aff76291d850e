"""Prices of more places than most: counted in exactly as far as decimals go, and told where they end."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from hyperstream.market.venues import Quote, VenueBook, VenueTrade

from .price_world import SYMBOL, VENUE, Follower, PriceWorld, bars, indicator, prices, venue_bar

WALK = ["0.0000006321", "0.0000006330", "0.0000006319", "0.0000006325"]
SIZE = "12500000.000000001"
TOO_SMALL = "0.0000000000001"


def tell_trade(world: PriceWorld, price: str, seconds: float = 0.1, size: str = SIZE) -> None:
    world.now_ns += int(seconds * 1_000_000_000)
    world.engine.apply([VenueTrade(VENUE, SYMBOL, "1", price, size, True, world.now_ns, world.now_ns)])


def closed_bars(events: list[Any]) -> list[tuple[str, ...]]:
    return [(bar.open, bar.high, bar.low, bar.close) for bar in (e.bar for e in events) if bar.closed]


def gaps(follower: Follower) -> dict[str, str]:
    return {event.gap.symbol: event.gap.detail for event in follower.take() if event.HasField("gap")}


@pytest.mark.parametrize("is_there_from_the_start", [True, False])
def test_bars_and_indicators_are_made_of_prices_with_ten_places(*, is_there_from_the_start: bool) -> None:
    world = PriceWorld(standing=[(VENUE, SYMBOL)])
    names = bars("2s"), indicator("sma:2@2s"), indicator("sma:2")
    follower = world.follow(*names) if is_there_from_the_start else None
    tell_trade(world, WALK[0])
    for price in (*WALK, WALK[0], WALK[0]):
        tell_trade(world, price, 1.0)
    follower = follower or world.follow(*names)
    events = follower.take()
    ((open_, high, low, close),) = closed_bars(events)
    assert [float(each) for each in (open_, high, low, close)] == [6.325e-07, 6.325e-07, 6.321e-07, 6.321e-07]
    (bar,) = [event.bar for event in events if event.bar.closed]
    assert float(bar.volume) == 2 * float(SIZE)
    values = {
        event.indicator.key: event.indicator.values[0].value
        for event in events
        if event.indicator.values and not event.indicator.forming
    }
    assert values["bybit/BTCUSDT/2s/sma(timeperiod=2)"] == pytest.approx(6.320e-07)
    assert values["bybit/BTCUSDT/ticks/sma(timeperiod=2)"] == pytest.approx(6.321e-07)
    assert not world.engine.statistics().counts


def test_the_venues_bars_and_books_with_ten_places_are_used() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1m"), indicator("microprice"), indicator("book_imbalance:2"))
    small = evolve(venue_bar(0, WALK[3], is_closed=True), open=WALK[0], high=WALK[1], low=WALK[2])
    book = VenueBook(VENUE, SYMBOL, [(WALK[0], "3")], [(WALK[1], "1")], 1, 1, 1, "50")
    world.engine.apply([small, Quote(VENUE, SYMBOL, WALK[0], "3", WALK[1], "1", 1, 1), book])
    events = follower.take()
    assert closed_bars(events) == [(WALK[0], WALK[1], WALK[2], WALK[3])]
    values = [event.indicator.values[0].value for event in events if event.indicator.values]
    assert values == [6.32775e-07, 0.5]


def test_what_cannot_be_read_is_counted_and_logged_once_and_told_once_a_minute() -> None:
    world = PriceWorld()
    trades, own_bars = world.follow(prices(), bars("1s"), indicator("sma:2")), world.follow(bars("1m"))
    book = world.follow(indicator("spread"))
    with capture_logs() as logs:
        for _ in range(3):
            tell_trade(world, TOO_SMALL)
            world.quote(TOO_SMALL, "1.0")
            world.engine.apply([venue_bar(0, TOO_SMALL, is_closed=False)])
    detail = f"cannot be read: not a plain decimal of at most 12 places: '{TOO_SMALL}'"
    assert gaps(trades) == dict.fromkeys(
        ("bybit/BTCUSDT", "bybit/BTCUSDT/1s", "bybit/BTCUSDT/ticks/sma(timeperiod=2)"), detail
    )
    assert gaps(own_bars) == {"bybit/BTCUSDT/1m": detail}
    assert gaps(book) == {"bybit/BTCUSDT/ticks/spread()": detail}
    assert [(entry["event"], entry["of"]) for entry in logs] == [
        ("a venue tells what cannot be read", of) for of in ("trades", "quotes", "bars")
    ]
    assert world.engine.statistics().counts == {
        "unreadable trades": 3, "unreadable quotes": 3, "unreadable bars": 3
    }  # fmt: skip
    tell_trade(world, TOO_SMALL, 59.0)
    assert gaps(trades) == {}
    tell_trade(world, TOO_SMALL, 1.0)
    assert set(gaps(trades)) == {"bybit/BTCUSDT", "bybit/BTCUSDT/1s", "bybit/BTCUSDT/ticks/sma(timeperiod=2)"}


def test_a_bar_that_lacks_a_trade_nobody_could_read_is_incomplete() -> None:
    world = PriceWorld()
    follower = world.follow(bars("1s"))
    follower.be_prompt()
    for price in ("1.5", "1.6", TOO_SMALL, "1.7", "1.8", "1.9", "2.0", "2.1"):
        tell_trade(world, price, 0.5)
    told = [(bar.close, bar.incomplete) for bar in follower.bars() if bar.closed]
    assert told == [("1.5", True), ("1.6", True), ("1.8", True), ("2.0", False)]
