"""``hyperstream watch`` against a scripted server: as a library call and as a process."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.watch.json_lines import event_line
from hyperstream.v1 import common_pb2, orderbook_pb2, stop_order_pb2
from tests.cli.scripts import ASKS, BIDS, script
from tests.processes import PATIENCE_SECONDS, printing, run_on_terminal


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["watch", *arguments])


# -- JSON lines ---------------------------------------------------------------------------


def test_json_prints_every_event_with_the_protos_names(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    scripted_server.scripts = [
        script(
            events.snapshot(BIDS, ASKS), events.delta({"9.5": "0"}, {}), events.gap(), events.snapshot({}, {})
        )
    ]
    result = run("book", "BTC", "--json", "--depth", "7", "--target", scripted_server.target)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["snapshot", "delta", "gap", "snapshot"]
    assert lines[0]["bids"] == [
        {"price": "10.0", "size": "1.0", "order_count": 1},
        {"price": "9.5", "size": "2.0", "order_count": 1},
    ]
    assert lines[0]["block_time_ns"] == 1_746_464_339_070_000_000, "64-bit integers are numbers"
    assert lines[0]["merged"] == 0
    assert (lines[1]["previous_sequence"], lines[1]["sequence"]) == (1, 2)
    assert lines[2]["reason"] == "GAP_REASON_SLOW_CONSUMER"
    assert scripted_server.requests.get_nowait().depth == 7


def test_json_says_null_for_what_is_absent(make: Any) -> None:
    (event,) = make("BTC").bbo(None, ("11.0", "0.5")).events
    event.bbo.ClearField("market_id")
    line = json.loads(event_line(event))
    assert (line["market_id"], line["bid"]) == (None, None)
    assert line["ask"]["price"] == "11.0"


@pytest.mark.parametrize(
    "event",
    [
        orderbook_pb2.OrderbookEvent(snapshot=orderbook_pb2.OrderbookSnapshot()),
        orderbook_pb2.OrderbookEvent(delta=orderbook_pb2.OrderbookDelta()),
        orderbook_pb2.OrderbookEvent(gap=common_pb2.Gap()),
        orderbook_pb2.OrderbookEvent(notice=common_pb2.Notice(resume=[common_pb2.ResumePoint(symbol="BTC")])),
        orderbook_pb2.OrderbookEvent(heartbeat=common_pb2.Heartbeat()),
        orderbook_pb2.BboEvent(bbo=orderbook_pb2.Bbo()),
        orderbook_pb2.TradesEvent(trades=orderbook_pb2.TradeBatch(trades=[orderbook_pb2.Trade()])),
        orderbook_pb2.OrdersEvent(delta=orderbook_pb2.OrdersDelta(changes=[orderbook_pb2.OrderChange()])),
    ],
)
def test_json_holds_every_field_of_every_event(event: Any) -> None:
    line = json.loads(event_line(event))
    kind = event.WhichOneof("event")
    assert line["event"] == kind
    names = {field.name for field in getattr(event, kind).DESCRIPTOR.fields}
    assert names <= line.keys()


def test_full_prints_the_rebuilt_book_at_each_change(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    scripted_server.scripts = [
        script(events.snapshot(BIDS, ASKS), events.delta({"9.5": "0", "10.5": "3.0"}, {"11.0": "0.75"}))
    ]
    result = run("book", "BTC", "--json", "--full", "--target", scripted_server.target)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["book", "book"]
    assert [level["price"] for level in lines[1]["bids"]] == ["10.5", "10.0"]
    assert lines[1]["asks"] == [{"price": "11.0", "size": "0.75", "order_count": 1}]
    assert (lines[1]["market_id"], lines[1]["sequence"]) == (3, 2)


def test_full_tells_a_hole_as_missed_and_asks_anew(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    broken = [events.snapshot(BIDS, ASKS), events.delta({}, {}, previous_sequence=77)]
    scripted_server.scripts = [script(*broken), script(events.snapshot(BIDS, ASKS))]
    result = run("book", "BTC", "--json", "--full", "--target", scripted_server.target)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["book", "missed", "book"]
    assert (lines[1]["sequence"], lines[1]["previous_sequence"]) == (1, 77)
    assert scripted_server.subscriptions == 2


def test_count_ends_after_that_many_lines(scripted_server: Any, make: Any) -> None:
    events = make("BTC")

    def endless(request: Any, context: Any) -> Iterator[Any]:
        while context.is_active():
            yield events.trades(("10.0", "1.0", True))

    scripted_server.scripts = [endless]
    result = run("trades", "BTC", "--json", "--count", "3", "--target", scripted_server.target)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3


def test_seconds_ends_a_stream_that_would_go_on(scripted_server: Any, make: Any) -> None:
    def quiet(request: Any, context: Any) -> Iterator[Any]:
        yield make("BTC").bbo(("10.0", "1.0"), None)
        threading.Event().wait(5)

    scripted_server.scripts = [quiet]
    result = run("bbo", "BTC", "--json", "--seconds", "0.3", "--target", scripted_server.target)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1


# -- plain lines --------------------------------------------------------------------------


def test_piped_output_is_one_readable_line_per_event(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    scripted_server.scripts = [
        script(events.snapshot(BIDS, ASKS), events.delta({"10.0": "0"}, {}), events.gap())
    ]
    result = run("book", "BTC", "--target", scripted_server.target)
    assert result.stdout.splitlines() == [
        "16:58:59.070 BTC height 985000001 bid 10 x 1 ask 11 x 0.5 spread 952.38 bps snapshot",
        "16:58:59.140 BTC height 985000002 bid 9.5 x 2 ask 11 x 0.5 spread 1463.41 bps delta",
        "GAP BTC events 5 to 9 (slow consumer) read too slowly",
    ]
    assert "missed slow consumer 1, dropped 5" in result.stderr, "the summary says what was missed"


def test_trades_are_a_line_each(scripted_server: Any, make: Any) -> None:
    scripted_server.scripts = [script(make("@107").trades(("39.4", "1.0", True), ("39.3", "2.0", False)))]
    result = run("trades", "@107", "--target", scripted_server.target)
    assert result.stdout.splitlines() == [
        "16:58:59.070 @107 buy 39.4 x 1.0",
        "16:58:59.070 @107 sell 39.3 x 2.0",
    ]


def test_order_changes_are_a_line_each(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    order = orderbook_pb2.Order(oid=7, user="0xabc", side=common_pb2.SIDE_BID, price="10.0", size="1.0")
    change = orderbook_pb2.OrderChange(
        kind=orderbook_pb2.ORDER_CHANGE_KIND_REMOVED, order=order, status="canceled"
    )
    scripted_server.scripts = [script(events.orders(order), events.order_changes(change))]
    result = run("orders", "BTC", "--target", scripted_server.target)
    assert result.stdout.splitlines() == [
        "16:58:59.070 BTC height 985000001 snapshot chunk 0 (last) 1 orders",
        "16:58:59.140 BTC height 985000002 removed bid 10.0 x 1.0 oid 7 user 0xabc canceled",
    ]


def test_waiting_orders_and_what_becomes_of_them_are_a_line_each(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    order = stop_order_pb2.StopOrder(
        oid=7, user="0xabc", side=common_pb2.SIDE_ASK, trigger_price="10.0", limit_price="9.0", size="1.0",
        trigger_condition=stop_order_pb2.TRIGGER_CONDITION_BELOW, order_type="Stop Limit", reduce_only=True,
    )  # fmt: skip
    whole = stop_order_pb2.StopOrder(
        oid=8, user="0xdef", trigger_price="12.0", size="0.0", is_position_tpsl=True,
        trigger_condition=stop_order_pb2.TRIGGER_CONDITION_ABOVE, side=common_pb2.SIDE_BID,
        limit_price="13.0", order_type="Take Profit Market",
    )  # fmt: skip
    changes = [
        stop_order_pb2.StopOrderChange(kind=stop_order_pb2.STOP_ORDER_CHANGE_KIND_ADDED, order=whole),
        stop_order_pb2.StopOrderChange(
            kind=stop_order_pb2.STOP_ORDER_CHANGE_KIND_REMOVED, order=order, status="triggered"
        ),
    ]
    scripted_server.scripts = [script(events.stops(order, complete=False), events.stop_changes(*changes))]
    result = run("stops", "BTC", "--target", scripted_server.target)
    first = "16:58:59.070 BTC height 985000001"
    second = "16:58:59.140 BTC height 985000002"
    stop = "sell 1.0 below 10.0 limit 9.0 Stop Limit reduce-only oid 7 user 0xabc"
    assert result.stdout.splitlines() == [
        f"{first} snapshot chunk 0 (last) 1 orders INCOMPLETE",
        f"{first} waits {stop}",
        f"{second} added buy position above 12.0 limit 13.0 Take Profit Market oid 8 user 0xdef",
        f"{second} triggered {stop}",
    ]
    assert "1 orders added and 1 gone" in result.stderr


def test_waiting_orders_as_json_are_an_object_for_each_event(scripted_server: Any, make: Any) -> None:
    order = stop_order_pb2.StopOrder(oid=7, trigger_condition=stop_order_pb2.TRIGGER_CONDITION_ABOVE)
    scripted_server.scripts = [script(make("BTC").stops(order))]
    result = run("stops", "BTC", "--json", "--target", scripted_server.target)
    [told] = map(json.loads, result.stdout.splitlines())
    assert (told["event"], told["symbol"], told["complete"]) == ("snapshot", "BTC", True)
    assert told["orders"][0]["trigger_condition"] == "TRIGGER_CONDITION_ABOVE"


# -- how it ends --------------------------------------------------------------------------


def test_an_unknown_symbol_exits_1_with_the_servers_sentence(scripted_server: Any) -> None:
    def refuse(request: Any, context: Any) -> Iterator[Any]:
        context.abort(grpc.StatusCode.NOT_FOUND, "no market named NOPE; GetMarkets lists them")
        yield

    scripted_server.scripts = [refuse]
    for options in ([], ["--json"], ["--reconnect"]):
        result = run("book", "NOPE", *options, "--target", scripted_server.target)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1] == "Error: no market named NOPE; GetMarkets lists them"


def test_no_server_exits_1_and_says_how_to_start_one() -> None:
    result = run("bbo", "BTC", "--target", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "no server at 127.0.0.1:1 (Connection refused); start one with: hyperstream run" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["book"],
        ["book", "BTC", "--mantissa", "2"],
        ["book", "BTC", "--mantissa", "2", "--significant-figures", "4"],
        ["book", "BTC", "--full"],
        ["book", "BTC", "--depth", "0"],
        ["book", "BTC", "--depth", "1001"],
        ["book", "BTC", "--significant-figures", "6"],
        ["book", "BTC", "--mantissa", "3", "--significant-figures", "5"],
        ["bbo", "BTC", "--depth", "5"],
        ["trades", "BTC", "--count", "0"],
        ["trades", "BTC", "--target", "nowhere:at:all"],
        ["sideways", "BTC"],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_reader_that_goes_away_ends_the_process_cleanly(scripted_server: Any, make: Any) -> None:
    events = make("BTC")

    def endless(request: Any, context: Any) -> Iterator[Any]:
        while context.is_active():
            yield events.trades(("10.0", "1.0", True))

    scripted_server.scripts = [endless]
    arguments = ["watch", "trades", "BTC", "--json", "--target", scripted_server.target]
    with printing(*arguments, stderr=subprocess.PIPE) as (watching, lines):
        assert json.loads(next(lines))["event"] == "trades"
        lines.close()
        assert watching.wait(PATIENCE_SECONDS) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_0(scripted_server: Any, make: Any, number: signal.Signals) -> None:
    release = threading.Event()

    def quiet(request: Any, context: Any) -> Iterator[Any]:
        yield make("BTC").bbo(("10.0", "1.0"), None)
        release.wait(PATIENCE_SECONDS)

    scripted_server.scripts = [quiet]
    arguments = ["watch", "bbo", "BTC", "--target", scripted_server.target]
    with printing(*arguments, stderr=subprocess.PIPE) as (watching, lines):
        assert "BTC" in next(lines)
        watching.send_signal(number)
        assert watching.wait(PATIENCE_SECONDS) == 0
        assert watching.stderr is not None
        assert "1 best-price updates of 1 markets" in watching.stderr.read()
    release.set()


def test_a_terminal_gets_a_live_view_and_a_summary(scripted_server: Any, make: Any) -> None:
    """The process runs on a pseudo-terminal; what it draws is read until it ends by its count."""
    events = make("BTC")
    more = threading.Event()

    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield events.snapshot(BIDS, ASKS)
        more.wait(PATIENCE_SECONDS)
        yield events.delta({"9.5": "0"}, {})

    scripted_server.scripts = [answer]

    def look(drawn: str) -> None:
        if "live" in drawn and "mid" in drawn:
            more.set()

    arguments = ["watch", "book", "BTC", "--count", "2", "--target", scripted_server.target]
    code, drawn = run_on_terminal(*arguments, seen=look)
    assert code == 0
    assert "\x1b[?1049h" in drawn, "the alternate screen"
    assert "\x1b[?1049l" in drawn, "and back"
    assert "2 events of 1 books" in drawn.rpartition("\x1b[?1049l")[2]
