"""``watch mark`` against a scripted server, and its table drawn at several sizes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.views.marks import MarksView
from hyperstream.cli.watch.json_lines import event_line
from hyperstream.v1 import common_pb2, mark_price_pb2
from tests.cli.scripts import script

from .views.test_drawing import NOW, SIZES, draw, live_feed

KINDS = ("ORACLE", "LOCAL", "EXTERNAL", "LOCAL_AVERAGE")


def mark(price: str, venue: str = "", points: float | None = None, symbol: str = "BTC", **told: str) -> Any:
    """A response with one mark; ``told`` are prices by the kind of input."""
    body = mark_price_pb2.MarkPrice(
        symbol=symbol,
        market_id=3,
        epoch=1,
        sequence=1,
        height=985_000_001,
        publish_time_ns=NOW,
        price=price,
        venue_price=venue,
        difference_basis_points=points,
    )
    for kind in KINDS:
        if kind in told:
            body.inputs.add(kind=f"MARK_PRICE_INPUT_KIND_{kind}", price=told[kind])
    return mark_price_pb2.SubscribeMarkPricesResponse(events=[mark_price_pb2.MarkPriceEvent(mark_price=body)])


def none(symbol: str = "BTC") -> Any:
    response = mark("", symbol=symbol)
    response.events[0].mark_price.absent.add(source="node", reason="no bid of it is known")
    return response


WHOLE = {"ORACLE": "84145.98333333", "LOCAL": "84143.0", "EXTERNAL": "84148.0"}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["watch", "mark", *arguments])


def test_piped_output_is_a_line_for_each_mark(scripted_server: Any) -> None:
    scripted_server.scripts = [script(mark("84146.0", "84148.0", -0.2377, **WHOLE), none("ETH"), mark("5.0"))]
    result = run("BTC", "ETH", "--target", scripted_server.target)
    assert result.exit_code == 0, result.output
    lines = [line.partition(" ")[2] for line in result.stdout.splitlines()]
    assert lines == [
        "BTC mark 84146.0 venue 84148.0 difference -0.24 bps of oracle 84145.98333333, local 84143.0, "
        "external 84148.0",
        "ETH mark none: node: no bid of it is known",
        "BTC mark 5.0 of ",
    ]
    request = scripted_server.requests.get_nowait()
    assert (list(request.symbols), request.delivery, request.heartbeat_seconds) == (["BTC", "ETH"], 0, 2)


def test_json_is_one_object_a_line_with_the_protos_names(scripted_server: Any) -> None:
    scripted_server.scripts = [script(mark("84146.0", "84148.0", -0.2377, **WHOLE), none())]
    result = run("BTC", "--json", "--target", scripted_server.target)
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["event"], first["price"], first["venue_price"]) == ("mark_price", "84146.0", "84148.0")
    assert first["difference_basis_points"] == -0.2377
    assert first["inputs"][1] == {
        "kind": "MARK_PRICE_INPUT_KIND_LOCAL",
        "price": "84143.0",
        "parts": [],
    }
    assert (second["price"], second["difference_basis_points"]) == ("", None)
    assert second["absent"] == [{"source": "node", "reason": "no bid of it is known"}]
    assert second["merged"] == 0


@pytest.mark.parametrize(
    "event",
    [
        mark_price_pb2.MarkPriceEvent(gap=common_pb2.Gap(symbol="BTC")),
        mark_price_pb2.MarkPriceEvent(notice=common_pb2.Notice(detail="draining")),
        mark_price_pb2.MarkPriceEvent(heartbeat=common_pb2.Heartbeat(height=5)),
    ],
)
def test_what_every_stream_tells_is_a_line_too(event: Any) -> None:
    view = MarksView(live_feed())
    assert not view.apply(event, NOW)
    assert len(view.lines(event)) == 1
    assert json.loads(event_line(event))["event"] == event.WhichOneof("event")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_table_has_a_row_for_each_market(width: int, height: int) -> None:
    view = MarksView(live_feed())
    responses = [mark("84146.0", "84148.0", -0.2377, **WHOLE), mark("84147.0", "84148.0", 7.5, **WHOLE)]
    for response in (*responses, mark("0.004411", symbol="kPEPE"), none("ETH")):
        for event in response.events:
            view.apply(event, NOW)
    text = draw(view, width, height)
    assert text.index("BTC") < text.index("kPEPE") < text.index("ETH")
    assert "84,147.0" in text
    assert "none" in text
    if width >= 46:
        assert "+7.50" in text
        assert "0.004411" in text
        assert "node: no bid" in text
    if width >= 80:
        assert "84,148.0" in text
    if width >= 120:
        assert "84,145.98" in text
        assert "84,145.983" not in text
    assert "BTC 84,147.0, kPEPE 0.004411" in view.summary(NOW)


def test_a_mark_far_from_the_venues_stands_out_and_an_old_one_says_so() -> None:
    view = MarksView(live_feed())
    for event in mark("84147.0", "84148.0", 7.5).events:
        view.apply(event, NOW)
    styled = draw(view, 80, 24, styled=True)
    assert "\x1b[33m  +7.50" in styled or "\x1b[33m+7.50" in styled
    assert "OLD" not in styled
    view.expect_fresh_start()
    assert "BTC OLD" in draw(view, 80, 24)


def test_markets_that_do_not_fit_are_counted() -> None:
    view = MarksView(live_feed())
    for number in range(30):
        for event in mark("5.0", symbol=f"C{number}").events:
            view.apply(event, NOW)
    assert "+ 20 more" in draw(view, 80, 13)
