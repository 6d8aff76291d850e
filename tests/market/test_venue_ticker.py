"""Tickers merged from what changed."""

from __future__ import annotations

from hyperstream.market.venue_ticker import MergedTicker, TickerUpdate


def update(*, is_snapshot: bool = False, time_ns: int = 0, **fields: str) -> TickerUpdate:
    return TickerUpdate("BTCUSDT", is_snapshot, fields, time_ns, time_ns + 1)


def test_an_absent_field_is_unchanged_and_an_empty_one_is_a_value() -> None:
    merged = MergedTicker("bybit", "BTCUSDT")
    merged.merge(update(is_snapshot=True, time_ns=5, last_price="1", mark_price="2", funding_rate="-0.1"))
    ticker = merged.merge(update(time_ns=6, mark_price="3", funding_rate=""))
    assert (ticker.last_price, ticker.mark_price, ticker.funding_rate) == ("1", "3", "")
    assert (ticker.venue, ticker.symbol, ticker.event_time_ns, ticker.receive_time_ns) == (
        "bybit",
        "BTCUSDT",
        6,
        7,
    )


def test_a_snapshot_replaces_all_fields() -> None:
    merged = MergedTicker("bybit", "BTCUSDT")
    merged.merge(update(is_snapshot=True, last_price="1", open_interest="9"))
    assert merged.merge(update(is_snapshot=True, last_price="2")).open_interest == ""


def test_an_interrupted_ticker_knows_nothing() -> None:
    merged = MergedTicker("bybit", "BTCUSDT")
    merged.merge(update(is_snapshot=True, last_price="1"))
    merged.reset()
    assert merged.merge(update(mark_price="2")).last_price == ""
