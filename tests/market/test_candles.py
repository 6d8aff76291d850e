"""Candles are what the trades of their interval amount to, in the venue's intervals, within bounds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.candles import INTERVALS, MINUTE_MS, Candle, MinuteTape, span
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.market.trades import Trade

DAY_MS = 86_400_000
START_MS = int(datetime(2026, 5, 5, 21, 59, tzinfo=UTC).timestamp() * 1000)


def trade(time_ms: int, price: str = "10.0", size: str = "1.0") -> Trade:
    return Trade("BTC", 1, price, size, "B", time_ms, "0x", "0xb", "0xs", 1, 2, False)


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("interval", "time_ms", "start_ms", "end_ms"),
    [
        ("1m", utc(2026, 5, 5, 21, 59, 59), utc(2026, 5, 5, 21, 59), utc(2026, 5, 5, 22)),
        ("3m", utc(2026, 5, 5, 21, 59), utc(2026, 5, 5, 21, 57), utc(2026, 5, 5, 22)),
        ("8h", utc(2026, 5, 5, 21, 59), utc(2026, 5, 5, 16), utc(2026, 5, 6)),
        ("1d", utc(2026, 5, 5), utc(2026, 5, 5), utc(2026, 5, 6)),
        ("1w", utc(2026, 5, 5), utc(2026, 5, 4), utc(2026, 5, 11)),
        ("1w", utc(2026, 5, 4), utc(2026, 5, 4), utc(2026, 5, 11)),
        ("1M", utc(2026, 12, 31, 23, 59), utc(2026, 12, 1), utc(2027, 1, 1)),
        ("1M", utc(2024, 2, 29), utc(2024, 2, 1), utc(2024, 3, 1)),
    ],
)
def test_an_interval_begins_where_the_venues_does(
    interval: str, time_ms: int, start_ms: int, end_ms: int
) -> None:
    assert span(interval, time_ms) == (start_ms, end_ms)


@given(st.sampled_from(INTERVALS), st.integers(0, 4 * 10**12))
def test_intervals_tile_time(interval: str, time_ms: int) -> None:
    start_ms, end_ms = span(interval, time_ms)
    assert start_ms <= time_ms < end_ms
    assert span(interval, end_ms)[0] == end_ms
    assert span(interval, end_ms - 1) == (start_ms, end_ms)
    assert start_ms % MINUTE_MS == 0


def naive(trades: list[Trade], interval: str, first_ms: int, last_ms: int) -> list[tuple[object, ...]]:
    """The candles by the plainest way."""
    groups: dict[int, list[Trade]] = {}
    for each in trades:
        groups.setdefault(span(interval, each.time_ms)[0], []).append(each)
    first, last = span(interval, first_ms)[0], span(interval, last_ms)[0]
    return [
        (
            start,
            span(interval, start)[1],
            parse_e8(group[0].price),
            max(parse_e8(each.price) for each in group),
            min(parse_e8(each.price) for each in group),
            parse_e8(group[-1].price),
            sum(parse_e8(each.size) for each in group),
            len(group),
        )
        for start, group in sorted(groups.items())
        if first <= start <= last
    ]


def plain(candle: Candle) -> tuple[object, ...]:
    return (
        *(candle.start_ms, candle.end_ms, candle.open_e8, candle.high_e8, candle.low_e8),
        *(candle.close_e8, candle.volume_e8, candle.trade_count),
    )


STEPS = st.lists(
    st.tuples(st.integers(0, 3 * 3_600_000), st.integers(1, 10**10), st.integers(1, 10**9)), max_size=40
)


@given(STEPS, st.sampled_from(INTERVALS), st.integers(0, 5), st.integers(0, 5))
def test_candles_of_any_span_are_what_the_trades_amount_to(
    steps: list[tuple[int, int, int]], interval: str, before: int, after: int
) -> None:
    tape = MinuteTape(100_000)
    trades: list[Trade] = []
    time_ms = START_MS
    for wait_ms, price_e8, size_e8 in steps:
        time_ms += wait_ms
        trades.append(trade(time_ms, format_e8(price_e8), format_e8(size_e8)))
    tape.add(trades)
    first_ms, last_ms = START_MS + before * DAY_MS // 4, START_MS + after * DAY_MS // 4
    if first_ms <= last_ms:
        told = [plain(candle) for candle in tape.candles(interval, first_ms, last_ms)]
        assert told == naive(trades, interval, first_ms, last_ms)
    if trades:
        assert tape.last_price_e8 == parse_e8(trades[-1].price)


def test_the_candle_of_a_time_without_trades_does_not_exist() -> None:
    tape = MinuteTape(10)
    assert tape.candle_at("1h", START_MS) is None
    assert tape.last_price_e8 is None
    tape.add([trade(START_MS)])
    assert tape.candle_at("1h", START_MS + 3_600_000) is None
    candle = tape.candle_at("1h", START_MS)
    assert candle is not None
    assert candle.trade_count == 1


def test_only_so_many_minutes_are_kept() -> None:
    tape = MinuteTape(10)
    tape.add([trade(START_MS + minute * MINUTE_MS) for minute in range(1000)])
    kept = list(tape.candles("1m", START_MS, START_MS + DAY_MS))
    assert 10 <= len(kept) <= 20
    assert kept[-1].start_ms == START_MS + 999 * MINUTE_MS


def test_a_trade_of_an_earlier_minute_joins_the_last_one_and_is_counted() -> None:
    tape = MinuteTape(10)
    tape.add([trade(START_MS + MINUTE_MS), trade(START_MS)])
    assert tape.late == 1
    assert [candle.trade_count for candle in tape.candles("1m", START_MS, START_MS + DAY_MS)] == [2]
