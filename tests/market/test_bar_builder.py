"""Bars from trades and from the venue: against a naive recomputation, and each rule by its name."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.bar_builder import EARLY_NS, FLAT_BARS, BarBuilder
from hyperstream.market.bars import Bar
from hyperstream.market.history import PriceHistory
from hyperstream.market.intervals import Interval
from hyperstream.market.venue_decimals import format_e12, parse_e12
from tests.market.bars import MINUTE, SECOND, T0, Trade, add, at, fed, venue_bar


def naive(trades: Sequence[Trade], interval: Interval) -> list[Bar]:
    """Every bar from the first trade's to the last's, from the definition."""
    by_start: dict[int, list[Trade]] = {}
    for trade in trades:
        by_start.setdefault(trade.time_ns // interval.duration_ns * interval.duration_ns, []).append(trade)
    bars: list[Bar] = []
    for start in range(min(by_start), max(by_start) + 1, interval.duration_ns):
        inside = sorted(by_start.get(start, []), key=lambda trade: trade.time_ns)
        end = start + interval.duration_ns
        if inside:
            # Of equal prices the first to arrive is spelled; of equal times too for open, the last for close.
            arrived = by_start[start]
            bar = Bar(
                start,
                end,
                open=inside[0].price,
                high=max(arrived, key=lambda trade: Decimal(trade.price)).price,
                low=min(arrived, key=lambda trade: Decimal(trade.price)).price,
                close=inside[-1].price,
                volume_e12=int(sum(Fraction(trade.size) for trade in inside) * 10**12),
                turnover_e24=int(sum(Fraction(t.price) * Fraction(t.size) for t in inside) * 10**24),
                taker_buy_volume_e12=int(sum(Fraction(t.size) for t in inside if t.is_buy) * 10**12),
                trade_count=len(inside),
            )
        else:
            close = bars[-1].close
            bar = Bar(start, end, close, close, close, close, 0, 0, 0, 0)
        bars.append(evolve(bar, is_closed=True, is_partial=not bars))
    bars[-1] = evolve(bars[-1], is_closed=False)
    return bars


PRICES = st.sampled_from(["10", "10.0", "9.99", "10.01", "84143.5", "0.00000001", "0.0000006321", "10.010"])
SIZES = st.sampled_from(["1", "0.00000001", "0.0000000005", "0.3", "12345.678", "0.10"])


@st.composite
def trades_in_order(draw: st.DrawFn) -> list[Trade]:
    """Trades that are out of order within a bar, never across bars."""
    time_ns = T0
    trades: list[Trade] = []
    for _ in range(draw(st.integers(1, 30))):
        time_ns += draw(st.integers(0, 100)) * SECOND
        start = MINUTE.start_of(time_ns)
        inside = start + draw(st.integers(0, 59)) * SECOND
        time_ns = max(time_ns, inside)
        trades.append(Trade(inside, draw(PRICES), draw(SIZES), draw(st.booleans())))
    return trades


@given(trades_in_order())
def test_bars_from_trades_equal_a_naive_recomputation(trades: list[Trade]) -> None:
    builder, closed = fed(*trades)
    assert builder.forming is not None
    assert [*closed, builder.forming] == naive(trades, MINUTE)
    assert builder.statistics().late_trades == 0


@given(trades_in_order(), st.lists(st.integers(0, 5), min_size=30, max_size=30))
def test_a_clock_between_the_trades_changes_when_bars_close_and_not_what_they_hold(
    trades: list[Trade], steps: list[int]
) -> None:
    builder = BarBuilder(MINUTE)
    closed: list[Bar] = []
    for trade, step in zip(trades, steps, strict=False):
        closed += builder.advance(MINUTE.start_of(trade.time_ns) + step * SECOND // 5)
        closed += add(builder, trade)
    assert builder.forming is not None
    assert [*closed, builder.forming] == naive(trades, MINUTE)


def test_the_bar_as_it_forms_is_told_when_it_has_changed() -> None:
    builder = BarBuilder(MINUTE)
    assert builder.take_forming() is None
    add(builder, at(1))
    first = builder.take_forming()
    assert first is not None
    assert (first.close, first.is_closed) == ("10", False)
    assert builder.take_forming() is None
    assert builder.forming == first
    add(builder, at(2, "11"))
    second = builder.take_forming()
    assert second is not None
    assert (second.open, second.high, second.low, second.close) == ("10", "11", "10", "11")


def test_a_trade_of_the_next_bar_closes_this_one() -> None:
    builder, closed = fed(at(59.9), at(60))
    assert [(bar.start_ns, bar.is_closed, bar.trade_count) for bar in closed] == [(T0, True, 1)]
    assert builder.forming is not None
    assert builder.forming.start_ns == T0 + 60 * SECOND


def test_a_bar_without_further_trades_closes_when_its_grace_is_over() -> None:
    builder, _ = fed(at(5))
    assert list(builder.advance(T0 + 60 * SECOND)) == []
    assert list(builder.advance(T0 + 61 * SECOND - 1)) == []
    assert add(builder, at(59.99, "12")) == []
    (closed,) = builder.advance(T0 + 61 * SECOND)
    assert (closed.close, closed.trade_count) == ("12", 2)
    assert list(builder.advance(T0 + 61 * SECOND)) == []


def test_missing_bars_are_flat() -> None:
    """The close before, four times, without volume."""
    builder, closed = fed(at(5, "10"), at(10, "11"), at(245, "12"))
    flat = closed[1:]
    assert [bar.start_ns for bar in flat] == [T0 + 60 * SECOND * n for n in (1, 2, 3)]
    for bar in flat:
        assert (bar.open, bar.high, bar.low, bar.close) == ("11", "11", "11", "11")
        assert (bar.volume_e12, bar.turnover_e24, bar.taker_buy_volume_e12, bar.trade_count) == (0, 0, 0, 0)
        assert not bar.is_partial
    assert builder.forming is not None
    assert builder.forming.open == "12"


def test_a_flat_forming_bar_opens_with_its_first_trade() -> None:
    builder, _ = fed(at(5, "10"))
    builder.advance(T0 + 70 * SECOND)
    assert builder.forming is not None
    assert (builder.forming.open, builder.forming.trade_count) == ("10", 0)
    add(builder, at(75, "12"))
    assert builder.forming is not None
    assert (builder.forming.open, builder.forming.low) == ("12", "12")


def test_a_late_trade_is_counted_and_not_applied() -> None:
    builder, _ = fed(at(5), at(65))
    before = builder.forming
    assert add(builder, at(59.9, "99")) == []
    assert builder.forming == before
    assert builder.statistics().late_trades == 1


def test_a_trade_far_ahead_of_the_time_is_counted_and_not_applied() -> None:
    """One wrong timestamp must not make all later trades late."""
    builder, _ = fed(at(5))
    builder.advance(T0 + 6 * SECOND)
    assert add(builder, Trade(T0 + 6 * SECOND + EARLY_NS + 1, "99", "1", True)) == []
    assert builder.statistics().early_trades == 1
    assert add(builder, at(7, "11")) == []
    assert builder.forming is not None
    assert (builder.forming.start_ns, builder.forming.close) == (T0, "11")


def test_no_more_than_a_thousand_flat_bars_are_made_up_at_once() -> None:
    builder, _ = fed(at(5, "10"))
    closed = add(builder, at(60 * 5_000 + 1, "11"))
    assert len(closed) == 1 + FLAT_BARS
    assert builder.statistics().skipped_bars == 4_999 - FLAT_BARS
    assert closed[-1].end_ns == T0 + 60 * 5_000 * SECOND
    assert closed[-1].close == "10"
    starts = [bar.start_ns for bar in closed[1:]]
    assert starts == list(range(starts[0], starts[-1] + 1, MINUTE.duration_ns))


def test_the_first_bar_is_partial_because_it_began_before_we_listened() -> None:
    _, closed = fed(at(30), at(90), at(150))
    assert [bar.is_partial for bar in closed] == [True, False]


def test_a_gap_makes_the_bars_it_touches_partial() -> None:
    builder, _ = fed(at(0), at(60))
    builder.mark_gap()
    closed = [*add(builder, at(250)), *add(builder, at(300)), *add(builder, at(360))]
    assert [(bar.start_ns - T0) // (60 * SECOND) for bar in closed] == [1, 2, 3, 4, 5]
    assert [bar.is_partial for bar in closed] == [True, True, True, True, False]


def test_a_bar_of_another_interval_is_refused() -> None:
    builder = BarBuilder(MINUTE)
    with pytest.raises(ValueError, match="not a bar of 1m"):
        builder.put(evolve(venue_bar(0), start_ns=T0 + SECOND))
    with pytest.raises(ValueError, match="not a bar of 1m"):
        builder.put(evolve(venue_bar(0), end_ns=T0 + SECOND))


def history_of(trades: Sequence[Trade], capacity: int = 1000) -> PriceHistory:
    history = PriceHistory(capacity)
    for trade in trades:
        size = float(trade.size)
        history.append(trade.time_ns, float(trade.price), size if trade.is_buy else -size)
    return history


@given(trades_in_order())
def test_remembered_ticks_make_the_bars_that_their_trades_made(trades: list[Trade]) -> None:
    trades = [evolve(trade, price=format_e12(parse_e12(trade.price))) for trade in trades]
    builder = BarBuilder(MINUTE)
    closed = builder.replay(history_of(trades))
    assert builder.forming is not None
    assert [*closed, builder.forming] == naive(trades, MINUTE)


def test_a_history_that_reaches_back_before_a_bar_makes_it_whole() -> None:
    quote = PriceHistory(10)
    quote.append(T0 - 1, 9.0)  # a price that is no trade
    quote.append(T0 + SECOND, 10.0, 1.0)
    builder = BarBuilder(MINUTE)
    builder.replay(quote)
    assert builder.forming is not None
    assert (builder.forming.is_partial, builder.forming.open) == (False, "10.0")


def test_a_weekly_bar_begins_on_monday() -> None:
    week = Interval.parse("1w")
    builder, _ = fed(at(0), interval=week)
    assert builder.forming is not None
    assert (builder.forming.start_ns // SECOND // 86_400 - 4) % 7 == 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(-200, 5000)),
            st.tuples(st.just("put"), st.integers(-3, 80)),
            st.tuples(st.just("close"), st.integers(-3, 80)),
            st.tuples(st.just("advance"), st.integers(-200, 5000)),
            st.tuples(st.just("gap"), st.just(0)),
            st.tuples(st.just("leave"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_whatever_comes_bars_close_once_in_order_without_a_hole(steps: list[tuple[str, int]]) -> None:
    """And each trade is in a bar or in a counter."""
    builder, given_trades = BarBuilder(MINUTE), 0
    closed: list[Bar] = []
    for step, number in steps:
        if step == "add":
            closed += add(builder, at(number))
            given_trades += 1
        elif step in ("put", "close"):
            closed += builder.put(venue_bar(number, is_closed=step == "close", volume="0"))
        elif step == "advance":
            closed += builder.advance(T0 + number * SECOND)
        elif step == "gap":
            builder.mark_gap()
        else:
            builder.leave_venue()
        forming = builder.forming
        assert (forming is None) == (builder._start_ns < 0)
        if forming is not None and closed:
            assert closed[-1].end_ns == forming.start_ns
    assert all(bar.is_closed for bar in closed)
    assert all(one.end_ns == other.start_ns for one, other in pairwise(closed))
    for bar in closed:
        high, low = Decimal(bar.high), Decimal(bar.low)
        assert high >= max(Decimal(bar.open), Decimal(bar.close))
        assert low <= min(Decimal(bar.open), Decimal(bar.close))
    if not any(step in ("put", "close") for step, _ in steps):
        told = builder.statistics()
        held = sum(bar.trade_count or 0 for bar in closed)
        held += (builder.forming.trade_count or 0) if builder.forming else 0
        assert held + told.late_trades + told.early_trades == given_trades
