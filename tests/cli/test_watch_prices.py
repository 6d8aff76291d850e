"""``watch prices`` against a scripted server, and its table drawn at several sizes."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.views.numbers import SECOND
from hyperstream.cli.views.prices import PricesView, spell
from hyperstream.cli.watch.json_lines import event_line
from hyperstream.errors import RpcError
from hyperstream.v1 import common_pb2, price_pb2

from .views.test_drawing import NOW, SIZES, draw, live_feed

KEY = "binance/BTCUSDT"


class PriceScript:
    """Answers every call with the events of ``answer``, once its first request has come."""

    def __init__(self, answer: Callable[[Any], Iterator[Any]]) -> None:
        self.requests: queue.Queue[Any] = queue.Queue()
        self.answer = answer
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        handler = grpc.stream_stream_rpc_method_handler(
            self._talk,
            request_deserializer=price_pb2.StreamPricesRequest.FromString,
            response_serializer=price_pb2.StreamPricesResponse.SerializeToString,
        )
        handlers = grpc.method_handlers_generic_handler(
            "hyperstream.v1.PriceService", {"StreamPrices": handler}
        )
        self.server.add_generic_rpc_handlers((handlers,))
        self.target = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def _talk(self, requests: Iterator[Any], _context: Any) -> Iterator[Any]:
        request = next(requests)
        self.requests.put(request)
        for event in self.answer(request):
            yield price_pb2.StreamPricesResponse(events=[event])


@pytest.fixture
def serve() -> Iterator[Callable[..., PriceScript]]:
    """Start servers that end with the test."""
    servers: list[PriceScript] = []

    def start(*events: Any) -> PriceScript:
        servers.append(PriceScript(lambda _: iter(events)))
        return servers[-1]

    yield start
    for server in servers:
        server.server.stop(None).wait(30)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["watch", "prices", *arguments])


def acknowledged(*keys: str, active: int = 1) -> Any:
    return price_pb2.PriceStreamEvent(
        acknowledgement=price_pb2.Acknowledgement(
            active_count=active,
            selections=[
                price_pb2.AcknowledgedSelection(field=f"indicators[{number}]", key=key)
                for number, key in enumerate(keys)
            ],
        )
    )


def price(last: str = "84143.5", **more: Any) -> Any:
    fields: dict[str, Any] = {
        "key": KEY,
        "venue": "binance",
        "symbol": "BTCUSDT",
        "last_price": last,
        "bid_price": "84143.0",
        "bid_size": "1.5",
        "ask_price": "84144.0",
        "ask_size": "0.25",
        "event_time_ns": NOW - SECOND,
    } | more
    return price_pb2.PriceStreamEvent(price=price_pb2.PriceUpdate(**fields))


def value(name: str, *numbers: float, **more: Any) -> Any:
    names = ["macd", "macdsignal", "macdhist"] if len(numbers) == 3 else ["value"]
    told = price_pb2.IndicatorUpdate(
        key=f"{KEY}/{name}",
        event_time_ns=NOW - SECOND,
        values=[
            price_pb2.IndicatorValue(name=each, value=number)
            for each, number in zip(names, numbers, strict=False)
        ],
        **more,
    )
    return price_pb2.PriceStreamEvent(indicator=told)


def bar(close: str, *, closed: bool = True) -> Any:
    told = price_pb2.BarUpdate(
        key=f"{KEY}/1m", venue="binance", symbol="BTCUSDT", interval="1m", start_time_ns=NOW,
        open="1.0", high="3.0", low="0.5", close=close, volume="7.0", closed=closed, incomplete=not closed,
    )  # fmt: skip
    return price_pb2.PriceStreamEvent(bar=told)


def error(code: Any, where: str, reason: str) -> Any:
    return price_pb2.PriceStreamEvent(error=price_pb2.StreamError(code=code, field=where, reason=reason))


def test_the_request_names_markets_indicators_and_bars_complete(serve: Any) -> None:
    server = serve(acknowledged(), price())
    result = run(
        *("BTCUSDT", "ETHUSDT", "--indicator", "rsi:14", "--indicator", "ema:20@60s", "--bars", "5m"),
        *("--venue", "binance", "--every-tick", "--target", server.target),
    )
    assert result.exit_code == 0, result.output
    request = server.requests.get_nowait()
    assert request.operation == price_pb2.OPERATION_ADD
    (selection,) = request.prices
    assert (selection.venue, selection.symbols, selection.bar_intervals) == (
        "binance",
        ["BTCUSDT", "ETHUSDT"],
        ["5m"],
    )
    assert selection.every_tick
    assert [
        (each.symbol, each.name, dict(each.parameters), each.interval) for each in request.indicators
    ] == [
        ("BTCUSDT", "rsi", {"timeperiod": 14.0}, ""),
        ("BTCUSDT", "ema", {"timeperiod": 20.0}, "1m"),
        ("ETHUSDT", "rsi", {"timeperiod": 14.0}, ""),
        ("ETHUSDT", "ema", {"timeperiod": 20.0}, "1m"),
    ]
    assert request.heartbeat_seconds > 0


def test_plain_lines_say_what_came(serve: Any) -> None:
    gap = common_pb2.Gap(symbol=KEY, reason=common_pb2.GAP_REASON_SOURCE_GAP, detail="disconnected")
    server = serve(
        acknowledged("x", active=3),
        price(),
        value("rsi", warming=True, have=3, need=15),
        value("rsi", 63.9021),
        value("ema", 84120.114, forming=True),
        value("spread"),
        bar("2.0"),
        price_pb2.PriceStreamEvent(gap=gap),
        error(5, "indicators[1].name", "there is no indicator 'rsy'"),
    )
    result = run("BTCUSDT", "--target", server.target)
    lines = [line.partition(" ")[2] if line[2:3] == ":" else line for line in result.stdout.splitlines()]
    assert lines[:9] == [
        "following 3 series",
        f"{KEY} last 84143.5 bid 84143.0 x 1.5 ask 84144.0 x 0.25",
        f"{KEY}/rsi warming 3/15",
        f"{KEY}/rsi value 63.9021",
        f"{KEY}/ema value 84,120.11 forming",
        f"{KEY}/spread undefined",
        f"{KEY}/1m closed open 1.0 high 3.0 low 0.5 close 2.0 volume 7.0",
        f"GAP {KEY} events unknown (source gap) disconnected",
        "REFUSED indicators[1].name: there is no indicator 'rsy'",
    ]


def test_json_lines_hold_everything(serve: Any) -> None:
    server = serve(acknowledged("x"), value("macd", 1.5, 1.25, 0.25), price())
    result = run("BTCUSDT", "--json", "--target", server.target)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["acknowledgement", "indicator", "price"]
    assert lines[1]["values"] == [
        {"name": "macd", "value": 1.5},
        {"name": "macdsignal", "value": 1.25},
        {"name": "macdhist", "value": 0.25},
    ]
    assert (lines[2]["last_price"], lines[2]["mark_price"], lines[2]["merged"]) == ("84143.5", "", 0)


def test_an_event_with_a_map_is_a_line_too() -> None:
    active = price_pb2.ActiveSelections(
        indicators=[price_pb2.ActiveIndicator(name="rsi", parameters={"timeperiod": 14})]
    )
    line = json.loads(event_line(price_pb2.PriceStreamEvent(active=active)))
    assert line["indicators"][0]["parameters"] == {"timeperiod": 14.0}


def test_if_nothing_can_be_followed_the_command_fails_with_the_reason(serve: Any) -> None:
    server = serve(error(5, "prices[0].symbols[0]", "binance has no market 'X'"), acknowledged(active=0))
    result = run("X", "--target", server.target)
    assert result.exit_code == 1
    assert "Error: binance has no market 'X'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--indicator", "rsy:14"), "did you mean rsi"),
        (("--indicator", "rsi:0"), "timeperiod"),
        (("--indicator", "atr"), "needs"),
        (("--bars", "1x"), "not an interval"),
        ((), "SYMBOL"),
    ],
)
def test_what_cannot_be_is_told_before_a_server_is_asked(arguments: tuple[str, ...], problem: str) -> None:
    symbols = ("BTCUSDT",) if arguments else ()
    result = run(*symbols, *arguments, "--target", "127.0.0.1:1")
    assert result.exit_code == 2
    assert problem in result.stderr


def view_of(*events: Any, labels: dict[str, str] | None = None) -> PricesView:
    view = PricesView(live_feed(), labels or {})
    for number, event in enumerate(events):
        view.apply(event, NOW + number * SECOND)
    return view


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_table_fits_every_screen(width: int, height: int) -> None:
    view = view_of(
        acknowledged(f"{KEY}/rsi", f"{KEY}/macd", f"{KEY}/1m/ema"),
        price("84143.5"),
        price("84150.0"),
        value("rsi", 63.9021),
        value("macd", 1.5, 1.25, 0.25),
        value("1m/ema", warming=True, have=3, need=20),
        bar("2.0"),
        error(5, "indicators[9].name", "there is no indicator 'rsy'; did you mean rsi?"),
        labels={"indicators[0]": "rsi:14", "indicators[1]": "macd", "indicators[2]": "ema:20@1m"},
    )
    text = draw(view, width, height, NOW + 10 * SECOND)
    assert "BTCUSDT binance" in text
    assert "84150" in text
    assert "rsi:14" in text
    if width >= 80:
        assert "63.9021" in text
        assert "macd macdsignal" in text
        assert "3/20" in text
        assert "did you mean rsi?" in text
        assert "▁" in text
        assert "live" in text
    if width >= 96:
        assert "84143.0" in text


def test_rows_of_a_market_stand_together_with_its_prices_first() -> None:
    other = {"key": "binance/ETHUSDT", "symbol": "ETHUSDT"}
    view = view_of(value("rsi", 50.0), price("1.0", **other), price("2.0"), value("ema", 3.0))
    text = draw(view, 120, 20)
    places = [text.index(word) for word in ("ETHUSDT binance", "BTCUSDT binance", f"{KEY}/rsi", f"{KEY}/ema")]
    assert places == sorted(places)


def test_a_lost_connection_marks_every_number_as_old_until_it_comes_again() -> None:
    view = view_of(price(), value("rsi", 50.0))
    view.expect_fresh_start()
    assert draw(view, 120, 20).count("OLD") == 2
    view.apply(price(), NOW)
    assert draw(view, 120, 20).count("OLD") == 1


def test_a_value_that_is_undefined_for_a_while_is_not_shown_as_its_last() -> None:
    view = view_of(value("spread", 2.0), value("spread"))
    text = draw(view, 120, 20)
    assert "undefined" in text
    assert "2.0000" not in text


def test_nothing_followed_is_an_error_with_the_first_reason() -> None:
    view = view_of(error(14, "venue", "binance is switched off here"))
    with pytest.raises(RpcError, match="UNAVAILABLE: binance is switched off here"):
        view.apply(acknowledged(active=0), NOW)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (84120.114, "84,120.11"),
        (63.9021, "63.9021"),
        (-0.331211, "-0.331211"),
        (0.0, "0.000000"),
        (0.0000006321, "0.0000006321"),
        (-0.00001, "-0.00001000"),
        (1e-30, "0.000000000000"),
    ],
)
def test_numbers_have_as_many_places_as_their_size_deserves(number: float, text: str) -> None:
    assert spell(number) == text


def test_the_summary_names_what_was_seen_last() -> None:
    view = view_of(price(), value("rsi", 50.0))
    view.started_ns = NOW
    assert view.summary(NOW + 5 * SECOND) == (
        f"2 updates of 2 numbers in 5.0 s, missed nothing; last: BTCUSDT binance 84143.5, {KEY}/rsi 50.0000"
    )
