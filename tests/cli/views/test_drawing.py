"""Views drawn at several sizes: what is shown, and that nothing spills over the edge."""

import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hyperstream.cli.views.bbo import BboView
from hyperstream.cli.views.books import BooksView
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.marks import MarksView
from hyperstream.cli.views.numbers import MILLISECOND, SECOND
from hyperstream.cli.views.orders import OrdersView
from hyperstream.cli.views.prices import PricesView
from hyperstream.cli.views.showcase import Showcase
from hyperstream.cli.views.stops import StopsView
from hyperstream.cli.views.tape import TapeView
from hyperstream.cli.views.view import View
from hyperstream.v1 import common_pb2, orderbook_pb2, price_pb2, stop_order_pb2

NOW = 1_746_464_340 * SECOND
SIZES = [(80, 24), (120, 40), (200, 60), (46, 14), (30, 10)]


def draw(view: Any, width: int, height: int, now_ns: int = NOW, *, styled: bool = False) -> str:
    """Return the screen as text, or as the terminal gets it; fails when it does not fit."""
    file = io.StringIO()
    console = Console(
        width=width, height=height, record=True, force_terminal=True, color_system="standard", file=file
    )
    console.print(view.render(width, height, now_ns))
    text = console.export_text(styles=False)
    lines = text.splitlines()
    assert len(lines) <= height, f"{len(lines)} lines on a screen of {height}"
    assert max(map(len, lines), default=0) <= width
    return file.getvalue() if styled else text


def feed(view: View, *responses: Any, now_ns: int = NOW) -> None:
    for response in responses:
        for event in response.events:
            view.apply(event, now_ns)


def live_feed() -> Feed:
    found = Feed("127.0.0.1:50051")
    found.on_connected(NOW)
    return found


BIDS = {"81310.0": "0.5", "81309.0": "1.25", "81308.5": "0.00012"}
ASKS = {"81311.0": "0.25", "81312.0": "2.0"}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_ladder_shows_asks_above_the_spread_above_bids(make: Any, width: int, height: int) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot(BIDS, ASKS, mark_price="81310.4"))
    text = draw(view, width, height)
    ask, middle, bid = text.index("81,311.0"), text.index("mid"), text.index("81,310.0")
    assert ask < middle < bid
    assert "81,310.50 mid" in text
    assert "0.25000" in text, "sizes are aligned to the places the market needs"
    if width >= 80:
        assert "mark 81310.4" in text
        assert "spread 1.0 (0.12 bps)" in text
        assert "height 985,000,001" in text


def test_bars_are_proportional_to_sizes(make: Any) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot({"10.0": "1.0", "9.0": "0.5"}, {}))
    rows = [line for line in draw(view, 80, 24).splitlines() if "█" in line]
    assert rows[0].count("█") == pytest.approx(2 * rows[1].count("█"), abs=1)


def test_cumulative_sizes_add_up_from_the_spread(make: Any) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot({"10.0": "1.0", "9.0": "0.5"}, {"11.0": "2.0", "12.0": "3.0"}))
    rows = [line.split() for line in draw(view, 80, 24).splitlines() if line.count(".") >= 2]
    totals = {row[1]: row[4] for row in rows if row[1] in ("10", "9", "11", "12")}
    assert totals == {"10": "1.0", "9": "1.5", "11": "2.0", "12": "5.0"}


def test_a_changed_level_flashes_and_calms_down(make: Any) -> None:
    events = make("BTC")
    view = BooksView(live_feed())
    feed(view, events.snapshot(BIDS, ASKS), now_ns=NOW - SECOND)
    before = draw(view, 80, 24, styled=True)
    feed(view, events.delta({"81309.0": "1.26"}, {}))
    during = draw(view, 80, 24, NOW + 50 * MILLISECOND, styled=True)
    after = draw(view, 80, 24, NOW + SECOND, styled=True)
    flashing = [line for line in during.splitlines() if "81,309.0" in line]
    assert "\x1b[1;32m81,309.0" in flashing[0]
    assert all("\x1b[1;32m81,309.0" not in text for text in (before, after))


def test_a_doubtful_book_says_so_loudly(make: Any) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot(BIDS, ASKS, doubtful=True))
    assert "DOUBTFUL" in draw(view, 80, 24)


def test_a_gap_is_counted_and_the_book_is_old_until_the_snapshot(make: Any) -> None:
    events = make("BTC")
    view = BooksView(live_feed())
    feed(view, events.snapshot(BIDS, ASKS), events.gap())
    text = draw(view, 80, 24)
    assert "OLD: waiting for a snapshot" in text
    assert "missed slow consumer 1, dropped 5" in text
    feed(view, events.snapshot(BIDS, ASKS))
    assert "OLD" not in draw(view, 80, 24)


def test_a_hole_asks_for_a_new_subscription_and_is_shown_as_missed(make: Any) -> None:
    events = make("BTC")
    view = BooksView(live_feed())
    feed(view, events.snapshot(BIDS, ASKS))
    (broken,) = events.delta({}, {}, previous_sequence=7).events
    assert view.apply(broken, NOW) is True
    assert "missed holes 1" in draw(view, 80, 24)


def test_merged_events_are_counted(make: Any) -> None:
    view = BooksView(live_feed())
    (event,) = make("BTC").snapshot(BIDS, ASKS).events
    event.merged = 3
    view.apply(event, NOW)
    assert "missed merged 3" in draw(view, 80, 24)


def test_ages_turn_yellow_then_red_when_the_stream_falls_silent(make: Any) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot(BIDS, ASKS))
    assert [view.feed.age_style(NOW + seconds * SECOND) for seconds in (1, 3, 7)] == [
        "default",
        "yellow",
        "bold red",
    ]
    assert "silent for 7.0 s" in draw(view, 80, 24, NOW + 7 * SECOND)


def test_a_heartbeat_keeps_a_quiet_market_fresh(make: Any) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot(BIDS, ASKS))
    beat = orderbook_pb2.OrderbookEvent(heartbeat=common_pb2.Heartbeat(height=985_000_100))
    view.apply(beat, NOW + 20 * SECOND)
    assert view.feed.age_style(NOW + 21 * SECOND) == "default"


def test_a_lost_connection_says_for_how_long_and_when_it_tries_again(make: Any) -> None:
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot(BIDS, ASKS))
    view.feed.on_lost("no server at 127.0.0.1:50051 (Connection refused)", NOW, NOW + 2 * SECOND)
    view.expect_fresh_start()
    text = draw(view, 140, 24, NOW + SECOND)
    assert "connection lost 1.0 s ago" in text
    assert "trying again in 1.0 s (attempt 1)" in text
    assert "Connection refused" in text
    assert "OLD" in text


def test_columns_do_not_move_when_numbers_shrink(make: Any) -> None:
    events = make("BTC")
    view = BooksView(live_feed())
    feed(view, events.snapshot({"81310.25": "12345.5"}, {}))
    wide = draw(view, 80, 24)
    feed(view, events.delta({"81310.25": "0", "81000.0": "1.0"}, {}))
    narrow = draw(view, 80, 24)
    assert [
        line.index("orders") for text in (wide, narrow) for line in text.splitlines() if "orders" in line
    ] == [wide.splitlines()[2].index("orders")] * 2


@pytest.mark.parametrize(("width", "across"), [(80, 1), (120, 2), (200, 3)])
def test_several_books_stand_side_by_side_while_the_width_allows(make: Any, width: int, across: int) -> None:
    view = BooksView(live_feed())
    for symbol in ("BTC", "ETH", "HYPE"):
        feed(view, make(symbol).snapshot(BIDS, ASKS))
    first = draw(view, width, 40).splitlines()[0]
    assert sum(symbol in first for symbol in ("BTC", "ETH", "HYPE")) == across


def test_books_that_do_not_fit_are_told(make: Any) -> None:
    view = BooksView(live_feed())
    for number in range(9):
        feed(view, make(f"M{number}").snapshot(BIDS, ASKS))
    assert "7 more do not fit" in draw(view, 80, 24)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_bbo_table_has_a_row_per_market(make: Any, width: int, height: int) -> None:
    view = BboView(live_feed())
    feed(
        view, make("BTC").bbo(("81310.0", "0.5"), ("81311.0", "2.0")), make("@107").bbo(None, ("39.4", "1.0"))
    )
    text = draw(view, width, height)
    assert "BTC" in text
    assert "81,310" in text
    if width >= 46:
        assert "none" in text, "an empty side says so"
        assert "0.12" in text


def test_the_bbo_sparkline_follows_the_middle(make: Any) -> None:
    events = make("BTC")
    view = BboView(live_feed())
    for step in range(8):
        feed(
            view,
            events.bbo((f"{100 + step}.0", "1.0"), (f"{102 + step}.0", "1.0")),
            now_ns=NOW + step * SECOND // 2,
        )
    assert "▁▂▃▄▅▆▇█" in draw(view, 120, 24, NOW + 4 * SECOND - 1)


def test_more_markets_than_lines_are_told(make: Any) -> None:
    view = BboView(live_feed())
    for number in range(30):
        feed(view, make(f"M{number}").bbo(("1.0", "1.0"), ("2.0", "1.0")))
    assert "+ 9 more" in draw(view, 80, 24)


def test_a_bbo_after_a_loss_is_marked_old_until_it_is_told_again(make: Any) -> None:
    events = make("BTC")
    view = BboView(live_feed())
    feed(view, events.bbo(("1.0", "1.0"), ("2.0", "1.0")))
    view.expect_fresh_start()
    assert "OLD" in draw(view, 120, 24)
    feed(view, events.bbo(("1.0", "1.0"), ("2.0", "1.0")))
    assert "OLD" not in draw(view, 120, 24)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_tape_shows_the_newest_trade_on_top(make: Any, width: int, height: int) -> None:
    view = TapeView(live_feed())
    feed(view, make("BTC").trades(("81310.0", "0.5", True), ("81309.0", "1.0", False)))
    text = draw(view, width, height)
    assert text.index("81,309") < text.index("81,310")
    assert "2 trades" in text
    if width >= 80:
        assert "volume 122k" in text
        assert "buys 1 (40.7k)" in text
        assert "sells 1 (81.3k)" in text


def order(oid: int, price: str, side: common_pb2.Side, user: str = "0x1234567890") -> orderbook_pb2.Order:
    return orderbook_pb2.Order(
        oid=oid, user=user, side=side, price=price, size="1.5", order_type="Limit", tif="Alo"
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_orders_view_shows_counts_queues_and_changes(make: Any, width: int, height: int) -> None:
    events = make("BTC")
    view = OrdersView(live_feed())
    resting = [order(oid, "10.0", common_pb2.SIDE_BID, f"0x{oid}") for oid in range(1, 4)]
    removed = orderbook_pb2.OrderChange(
        kind=orderbook_pb2.ORDER_CHANGE_KIND_REMOVED, order=resting[0], status="filled"
    )
    feed(view, events.orders(*resting), events.order_changes(removed))
    text = draw(view, width, height)
    assert "2 orders of 2 users" in text
    assert "removed" in text
    if width >= 80:
        assert "filled" in text
        assert "best bid queue" in text


def test_an_orders_hole_asks_for_a_new_subscription(make: Any) -> None:
    events = make("BTC")
    view = OrdersView(live_feed())
    feed(view, events.orders(order(1, "10.0", common_pb2.SIDE_ASK)))
    (broken,) = events.order_changes(previous_sequence=9).events
    assert view.apply(broken, NOW) is True
    assert "holes 1" in draw(view, 120, 24)


def stop(oid: int, trigger_price: str, *, is_above: bool = True, **more: Any) -> stop_order_pb2.StopOrder:
    fields: dict[str, Any] = {
        "oid": oid, "user": "0x1234567890", "side": common_pb2.SIDE_ASK, "size": "1.5",
        "order_type": "Stop Limit", "limit_price": "7.0",
    }  # fmt: skip
    condition = stop_order_pb2.TRIGGER_CONDITION_ABOVE if is_above else stop_order_pb2.TRIGGER_CONDITION_BELOW
    fields |= {"trigger_price": trigger_price, "trigger_condition": condition, **more}
    return stop_order_pb2.StopOrder(**fields)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_stops_view_shows_the_nearest_triggers_of_both_directions_first(
    make: Any, width: int, height: int
) -> None:
    events = make("BTC")
    view = StopsView(live_feed())
    waiting = [
        stop(1, "13.0"),
        stop(2, "11.0", is_position_tpsl=True, size="0.0"),
        stop(3, "7.0", is_above=False),
        stop(4, "9.0", is_above=False, side=common_pb2.SIDE_BID),
        stop(5, "12.0"),
    ]
    removed = stop_order_pb2.StopOrderChange(
        kind=stop_order_pb2.STOP_ORDER_CHANGE_KIND_REMOVED, order=waiting[4], status="triggered"
    )
    feed(view, events.stops(*waiting), events.stop_changes(removed), events.bbo(("9.5", "1"), ("10.5", "1")))
    text = draw(view, width, height)
    assert "4 orders wait" in text
    assert re.search(r"if the price rises: 2 orders", text)
    assert re.search(r"if it falls: 2 orders", text)
    if width >= 80 and height >= 24:
        places = [text.index(f"{away}%") for away in ("+10.000", "+30.000", "-10.000", "-30.000")]
        assert places == sorted(places)
        assert "position" in text
        assert "triggered" in text


def test_the_stops_view_says_when_a_list_is_doubtful_incomplete_or_old(make: Any) -> None:
    view = StopsView(live_feed())
    feed(view, make("BTC").stops(stop(1, "13.0"), doubtful=True, complete=False))
    text = draw(view, 120, 24)
    assert "DOUBTFUL" in text
    assert "1 orders wait, and others from before" in text
    view.expect_fresh_start()
    assert "taking the snapshot" in draw(view, 120, 24)


def test_a_stops_hole_asks_for_a_new_subscription(make: Any) -> None:
    events = make("BTC")
    view = StopsView(live_feed())
    feed(view, events.stops(stop(1, "13.0")))
    (broken,) = events.stop_changes(previous_sequence=9).events
    assert view.apply(broken, NOW) is True
    assert "holes 1" in draw(view, 120, 24)


def price_events() -> list[price_pb2.PriceStreamEvent]:
    """A price, an indicator's value, and only then the acknowledgement that names it."""
    key = "binance/BTCUSDT/ticks/rsi(timeperiod=14)"
    price = price_pb2.PriceUpdate(
        key="binance/BTCUSDT", venue="binance", symbol="BTCUSDT", last_price="81310.42", event_time_ns=NOW
    )
    value = price_pb2.IndicatorUpdate(key=key, event_time_ns=NOW)
    value.values.add(name="real", value=61.5)
    told = price_pb2.Acknowledgement(active_count=2)
    told.selections.add(field="indicators[0]", key=key)
    return [
        price_pb2.PriceStreamEvent(price=price),
        price_pb2.PriceStreamEvent(indicator=value),
        price_pb2.PriceStreamEvent(acknowledgement=told),
    ]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_the_showcase_explains_itself_and_shows_everything(make: Any, width: int, height: int) -> None:
    labels = {"indicators[0]": "rsi:14"}
    view = Showcase("BTC", live_feed(), labels, NOW - 5 * SECOND, NOW + 15 * SECOND, "live")
    for told in price_events():
        view.on_price(told, NOW)
    events = make("BTC")
    for response, take in (
        (events.snapshot(BIDS, ASKS), view.on_book),
        (events.delta({"81309.0": "1.26"}, {}), view.on_book),
        (make("ETH").bbo(("2393.1", "0.5"), ("2393.2", "2.0")), view.on_bbo),
        (make("xyz:XYZ100").trades(("24351.0", "0.5", True)), view.on_trades),
    ):
        for event in response.events:
            take(event, NOW)
    text = draw(view, width, height)
    assert "fake node → files → daemon → gRPC → this view" in text
    assert "15 s left" in text
    for shown in ("81,311", "2,393.1", "24,351", "blocks/s", "events/s", "missed nothing"):
        assert shown in text
    assert "p50" in text
    if height >= 40:
        assert "BTCUSDT binance" in text
        assert "rsi:14 " in text, "named as it was asked for, although its value came first"
        assert "61.5000" in text
    assert "BTCUSDT binance 81310.42" in view.line(NOW)
    assert "BTC 81,310.0 / 81,311.0" in view.line(NOW)


@settings(max_examples=settings().max_examples // 2)
@given(st.integers(20, 220), st.integers(8, 70))
def test_no_size_breaks_a_view(width: int, height: int) -> None:
    for view in (
        BooksView(live_feed()),
        BboView(live_feed()),
        MarksView(live_feed()),
        TapeView(live_feed()),
        OrdersView(live_feed()),
        StopsView(live_feed()),
        PricesView(live_feed()),
        Showcase("BTC", live_feed()),
    ):
        for told in price_events():
            if isinstance(view, Showcase):
                view.on_price(told, NOW)
            elif isinstance(view, PricesView):
                view.apply(told, NOW)
        draw(view, width, height)


def test_without_colour_nothing_is_lost(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    view = BooksView(live_feed())
    feed(view, make("BTC").snapshot(BIDS, ASKS, doubtful=True))
    text = draw(view, 80, 24, styled=True)
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])", text), "no colour"
    assert "DOUBTFUL" in text
