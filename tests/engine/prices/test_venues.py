"""Which market a selection means, and what is said when there is none."""

from __future__ import annotations

import pytest

from hyperstream.engine.prices.venues import Venues
from hyperstream.errors import SelectionError
from hyperstream.market.venues import FeedStatus, VenueInstrument, VenueListed


def venues(*enabled: str, **listed: tuple[str, ...]) -> Venues:
    made = Venues(enabled or tuple(listed), None, 5)
    for venue, symbols in listed.items():
        made.on_listed(VenueListed(venue, tuple(map(VenueInstrument, symbols))))
    return made


def refusal(made: Venues, venue: str, symbol: str) -> tuple[str, str, str]:
    with pytest.raises(SelectionError) as refused:
        made.locate(venue, symbol)
    return refused.value.status_name, refused.value.field, refused.value.reason


def test_a_venue_that_is_named_is_meant() -> None:
    made = venues(binance=("BTCUSDT",), bybit=("BTCUSDT",))
    assert made.locate("bybit", "BTCUSDT") == "bybit"


def test_without_a_name_the_first_that_has_the_symbol_is_meant() -> None:
    made = venues(bybit=("BTCUSDT", "XUSDT"), binance=("BTCUSDT",), hyperliquid=("BTC",))
    assert [made.locate("", symbol) for symbol in ("BTC", "BTCUSDT", "XUSDT")] == [
        "hyperliquid",
        "binance",
        "bybit",
    ]


@pytest.mark.parametrize(
    ("venue", "symbol", "code", "field", "hint"),
    [
        ("", "", "INVALID_ARGUMENT", "symbol", "name a market"),
        ("binance", "", "INVALID_ARGUMENT", "symbol", "name a market"),
        ("binance", "B" * 101, "INVALID_ARGUMENT", "symbol", "more than 100 characters"),
        (
            "binance",
            "btcusdt",
            "NOT_FOUND",
            "symbol",
            "binance has no market 'btcusdt'; did you mean 'BTCUSDT'?",
        ),
        ("binance", "BTCUSDTT", "NOT_FOUND", "symbol", "did you mean 'BTCUSDT'?"),
        ("binance", "?", "NOT_FOUND", "symbol", "GetInstruments lists"),
        ("binanse", "BTCUSDT", "NOT_FOUND", "venue", "did you mean 'binance'?"),
        ("nasdaq", "BTCUSDT", "NOT_FOUND", "venue", "there are node, hyperliquid"),
        ("hyperliquid", "BTC", "UNAVAILABLE", "venue", "feeds.hyperliquid.enabled"),
        ("node", "BTC", "UNAVAILABLE", "venue", "node.enabled"),
        ("", "BTCUSD", "NOT_FOUND", "symbol", "did you mean 'BTCUSDT' of binance?"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_to_do(
    venue: str, symbol: str, code: str, field: str, hint: str
) -> None:
    told = refusal(venues(binance=("BTCUSDT", "ETHUSDT"), bybit=("BTCUSDT",)), venue, symbol)
    assert told[:2] == (code, field)
    assert hint in told[2]


def test_a_named_venue_that_has_not_listed_yet_takes_any_symbol() -> None:
    assert venues("binance").locate("binance", "ANYTHING") == "binance"


def test_without_a_name_and_without_lists_one_is_asked_to_wait() -> None:
    code, _, reason = refusal(venues("binance", "bybit", bybit=("X",)), "", "BTCUSDT")
    assert code == "UNAVAILABLE"
    assert "binance have not listed theirs yet" in reason


def test_looking_for_the_nearest_of_many_names_is_bounded() -> None:
    many = tuple(f"B{number:06d}USDT" for number in range(20_000))
    assert refusal(venues(binance=many), "binance", "B000001USD")[0] == "NOT_FOUND"


def test_reports_tell_state_and_list() -> None:
    made = venues("binance", "bybit", bybit=("BTCUSDT",))
    made.on_status(FeedStatus("binance", "down", "no route to host", 9))
    made.on_status(FeedStatus("nasdaq", "down", "", 9))
    reports = {report.name: report for report in made.reports()}
    assert (reports["binance"].state, reports["binance"].detail) == ("down", "no route to host")
    assert (reports["binance"].state_time_ns, reports["binance"].is_listed) == (9, False)
    assert [each.symbol for each in reports["bybit"].instruments] == ["BTCUSDT"]
    assert reports["hyperliquid"].state == "off"
