"""Bars closed by those that follow them."""

from __future__ import annotations

from hyperstream.market.venue_candles import BarCloser
from hyperstream.market.venues import VenueBar


def bar(start: int, close: str, receive: int = 0) -> VenueBar:
    return VenueBar(
        "hyperliquid", "BTC", "1m", start, start + 60, "1", "1", "1", close, "0", "", 1, False, receive
    )


def told(bars: list[VenueBar]) -> list[tuple[int, str, bool]]:
    return [(found.start_time_ns, found.close, found.is_closed) for found in bars]


def test_a_bar_is_closed_as_it_was_last_seen_when_the_next_begins() -> None:
    closer = BarCloser()
    assert told(closer.close([bar(0, "1")])) == [(0, "1", False)]
    assert told(closer.close([bar(0, "2")])) == [(0, "2", False)]
    closed, forming = closer.close([bar(60, "3", receive=9)])
    assert told([closed, forming]) == [(0, "2", True), (60, "3", False)]
    assert closed.receive_time_ns == 9


def test_an_older_bar_is_a_repetition() -> None:
    closer = BarCloser()
    closer.close([bar(60, "3")])
    assert closer.close([bar(0, "2")]) == []


def test_a_bar_whose_end_was_not_seen_is_not_closed() -> None:
    closer = BarCloser()
    closer.close([bar(0, "1")])
    closer.reset()
    assert told(closer.close([bar(60, "3")])) == [(60, "3", False)]
