"""What a venue lists: nearest names, and refusals."""

from __future__ import annotations

import pytest

from hyperstream.market.venues import BINANCE, Channel, FeedTopic, VenueInstrument
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.refusals import Refusals

LISTED = [VenueInstrument("BTCUSDT"), VenueInstrument("ETHUSDT"), VenueInstrument("OLDUSDT", is_active=False)]
TOPIC = FeedTopic(BINANCE, Channel.QUOTES, "BTCUSDT")


@pytest.mark.parametrize(
    ("symbol", "problem"),
    [
        ("BTCUSDT", ""),
        ("btcusdt", "binance does not list 'btcusdt'; did you mean BTCUSDT?"),
        ("BTCUSD", "binance does not list 'BTCUSD'; did you mean BTCUSDT?"),
        ("ZZZ", "binance does not list 'ZZZ'"),
        ("", "binance does not list ''"),
        ("OLDUSDT", "binance does not trade 'OLDUSDT' at present"),
    ],
)
def test_a_symbol_that_is_not_listed_is_told_with_the_nearest(symbol: str, problem: str) -> None:
    listing = Listing(BINANCE)
    listing.replace(LISTED)
    assert listing.problem(symbol) == problem


def test_the_same_list_is_no_news() -> None:
    listing = Listing(BINANCE)
    assert listing.replace([])
    assert not listing.replace([])
    assert listing.replace(LISTED)
    assert not listing.replace(list(LISTED))


def test_a_refusal_stands_longer_each_time_up_to_a_bound() -> None:
    refusals, now = Refusals(longest_seconds=100), 0.0
    waits = []
    for _ in range(5):
        refusals.refuse(TOPIC, "no", now, 30)
        assert refusals.standing(TOPIC, now) == "no"
        until = next(at / 10 for at in range(int(now * 10), 100_000) if not refusals.standing(TOPIC, at / 10))
        waits.append(until - now)
        assert refusals.due(until) == [TOPIC]
        now = until
    assert waits == pytest.approx([30, 60, 100, 100, 100])
    refusals.forget(TOPIC)
    assert not refusals.is_refused(TOPIC)
    assert len(refusals) == 0


def test_the_same_refusal_is_no_news_and_another_reason_is() -> None:
    refusals = Refusals(longest_seconds=100)
    assert refusals.refuse(TOPIC, "no", 0, 30)
    assert not refusals.refuse(TOPIC, "no", 40, 30)
    assert refusals.refuse(TOPIC, "never", 90)
    assert refusals.due(1e12) == []
    assert refusals.standing(TOPIC, 1e12) == "never"
