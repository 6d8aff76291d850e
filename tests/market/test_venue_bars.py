"""Bars the venue makes itself: they replace ours, close by their own rules, and leave no hole."""

from __future__ import annotations

from attrs import evolve

from hyperstream.market.bar_builder import BarBuilder
from tests.market.bars import MINUTE, SECOND, T0, add, at, fed, venue_bar


def test_the_venues_bar_replaces_ours() -> None:
    builder, _ = fed(at(5))
    assert list(builder.put(venue_bar(0))) == []
    assert builder.forming == venue_bar(0)
    assert builder.take_forming() == venue_bar(0)
    closed = builder.put(venue_bar(0, "19", is_closed=True))
    assert list(closed) == [venue_bar(0, "19", is_closed=True)]


def test_trades_are_not_looked_at_while_the_venues_bars_are_followed() -> None:
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0))
    add(builder, at(30, "99"))
    assert builder.forming == venue_bar(0)
    assert builder.statistics().covered_trades == 1


def test_a_venue_without_a_closing_word_closes_by_the_next_bar() -> None:
    """Hyperliquid's candles have no such flag."""
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0))
    (closed,) = builder.put(venue_bar(1))
    assert closed == evolve(venue_bar(0), is_closed=True)


def test_a_venue_without_a_closing_word_closes_when_its_grace_is_over() -> None:
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0))
    assert list(builder.advance(T0 + 65 * SECOND - 1)) == []
    assert list(builder.advance(T0 + 65 * SECOND)) == [evolve(venue_bar(0), is_closed=True)]


def test_a_minute_the_venue_sends_nothing_for_is_flat() -> None:
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0, "20", is_closed=True))
    (flat,) = builder.put(venue_bar(2))
    assert (flat.open, flat.high, flat.low, flat.close, flat.volume_e12) == ("20", "20", "20", "20", 0)
    assert not flat.is_partial


def test_the_venues_last_word_a_second_time_is_nothing_and_another_word_is_counted() -> None:
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0, is_closed=True))
    builder.put(venue_bar(1))
    assert list(builder.put(venue_bar(0, is_closed=True))) == []
    assert builder.statistics().late_bars == 0
    assert list(builder.put(venue_bar(0, "17", is_closed=True))) == []
    assert builder.statistics().late_bars == 1
    assert builder.forming == venue_bar(1)


def test_a_gap_in_the_venues_bars_makes_the_lost_ones_partial() -> None:
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0))
    builder.mark_gap()
    closed = builder.put(venue_bar(2))
    assert [bar.is_partial for bar in closed] == [True, True]
    assert list(builder.put(venue_bar(3))) == [evolve(venue_bar(2), is_closed=True)]


def test_trades_go_on_where_the_venue_left() -> None:
    builder = BarBuilder(MINUTE)
    builder.put(venue_bar(0))
    builder.leave_venue()
    add(builder, at(30, "25", "2"))
    (closed,) = add(builder, at(60, "26"))
    assert (closed.open, closed.high, closed.low, closed.close) == ("18", "25", "17", "25")
    assert (closed.volume, closed.is_partial, closed.is_venue) == ("9.0", True, False)
    (second,) = add(builder, at(120))
    assert (second.open, second.is_partial) == ("26", False)
