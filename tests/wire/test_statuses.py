"""Order statuses taken from lines as bytes, against a plain JSON reading of the same lines."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.wire.statuses import (
    attributes_of,
    is_readable,
    joined_lines,
    leaving_statuses,
    opening_statuses,
    snapshot_attributes,
    statuses_of,
)

TIME = "2026-05-05T17:39:13.024084407"
STATUSES = [
    "open",
    "triggered",
    "filled",
    "canceled",
    "marginCanceled",
    "selfTradeCanceled",
    "scheduledCancel",
    "badAloPxRejected",
    "rejected",
    "iocCancelRejected",
]


def order(oid: int, *, is_trigger: bool = False, children: int = 0, coin: str = "BTC") -> dict[str, Any]:
    return {
        "coin": coin,
        "side": "A",
        "limitPx": "81311.0",
        "sz": "0.61488",
        "oid": oid,
        "timestamp": 1778002753024,
        "triggerCondition": "Price below 77409" if is_trigger else "N/A",
        "isTrigger": is_trigger,
        "triggerPx": "77409.0" if is_trigger else "0.0",
        "children": [order(oid * 1000 + n, is_trigger=True) for n in range(children)],
        "isPositionTpsl": False,
        "reduceOnly": is_trigger,
        "orderType": "Stop Limit" if is_trigger else "Limit",
        "origSz": "0.7",
        "tif": None if is_trigger else "Alo",
        "cloid": "0x000000000000000018ab2cd67dbb0c60",
    }


def status(name: str, oid: int, **shape: Any) -> dict[str, Any]:
    return {
        "time": TIME,
        "user": "0x" + "a" * 40,
        "hash": None,
        "builder": {"b": "0x" + "b" * 40, "f": 50} if oid % 3 == 0 else None,
        "status": name,
        "order": order(oid, **shape),
    }


def line(events: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"local_time": TIME, "block_time": TIME, "block_number": 7, "events": events})


events = st.lists(st.tuples(st.sampled_from(STATUSES), st.booleans(), st.integers(0, 2)), max_size=15).map(
    lambda rows: [
        status(name, oid, is_trigger=is_trigger or name == "triggered", children=children)
        for oid, (name, is_trigger, children) in enumerate(rows, start=1)
    ]
)


@given(events)
def test_opening_statuses_are_those_a_json_reading_finds(each: list[dict[str, Any]]) -> None:
    expected = {
        event["order"]["oid"]: event
        for event in each
        if event["status"] == "triggered" or (event["status"] == "open" and not event["order"]["isTrigger"])
    }
    found = {oid: orjson.loads(b"{" + text) for oid, text in opening_statuses(line(each)).items()}
    assert found.keys() == expected.keys()
    for oid, event in expected.items():
        assert found[oid]["order"] == event["order"]
        assert found[oid]["status"] == event["status"]


@given(events)
def test_leaving_statuses_are_those_a_json_reading_finds(each: list[dict[str, Any]]) -> None:
    gone = {"filled", "canceled", "marginCanceled", "selfTradeCanceled", "scheduledCancel"}
    expected = {event["order"]["oid"]: event["status"] for event in each if event["status"] in gone}
    assert leaving_statuses(line(each)) == expected


@given(
    events,
    st.lists(st.sampled_from(["BTC", "ETH", "@107", "xyz:XYZ100", 'odd"name']), unique=True),
    st.data(),
)
def test_the_statuses_of_some_markets_are_those_a_json_reading_finds(
    each: list[dict[str, Any]], symbols: list[str], data: st.DataObject
) -> None:
    coins = st.sampled_from(["BTC", "ETH", "@107", "xyz:XYZ100", 'odd"name', "BTCX"])
    each = [event | {"order": event["order"] | {"coin": data.draw(coins)}} for event in each]
    expected: dict[str, list[dict[str, Any]]] = {}
    for event in each:
        if event["order"]["coin"] in symbols:
            expected.setdefault(event["order"]["coin"], []).append(event)
    found = statuses_of(line(each), symbols)
    assert {coin: [orjson.loads(text) for text in texts] for coin, texts in found.items()} == expected


@given(st.lists(events, min_size=1, max_size=6))
def test_lines_searched_as_one_tell_what_they_tell_one_by_one(blocks: list[list[dict[str, Any]]]) -> None:
    lines = [
        line([event | {"order": event["order"] | {"oid": event["order"]["oid"] + 100 * number}}])
        for number, each in enumerate(blocks)
        for event in each
    ]
    lines += [line(each) for each in blocks]
    (text,) = joined_lines(lines) if all(blocks) else [b"\n".join(lines)]
    opening: dict[int, bytes] = {}
    leaving: dict[int, str] = {}
    for each in lines:
        opening |= opening_statuses(each)
        leaving |= leaving_statuses(each)
    assert opening_statuses(text) == opening
    assert leaving_statuses(text) == leaving


def test_lines_of_which_one_holds_no_status_are_searched_one_by_one() -> None:
    lines = [line([status("open", 1)]), b'{"something":"else"}', line([status("open", 2)])]
    assert joined_lines(lines) == lines
    assert joined_lines(lines[:1]) == lines[:1]
    assert len(joined_lines([lines[0], lines[2]])) == 1


def test_attributes_of_an_open_order() -> None:
    attributes = attributes_of(opening_statuses(line([status("open", 5)]))[5])
    assert attributes.placed_time_ns == 1778002753024 * 10**6
    assert attributes.original_size_e8 == 70_000_000
    assert (attributes.order_type, attributes.tif, attributes.reduce_only) == ("Limit", "Alo", False)
    assert (attributes.trigger_condition, attributes.trigger_price) == ("", "")
    assert attributes.cloid == "0x000000000000000018ab2cd67dbb0c60"


def test_an_order_without_a_client_order_id_may_lack_the_key() -> None:
    row = order(5)
    del row["cloid"]
    assert snapshot_attributes(row).cloid == ""


def test_a_triggered_order_rests_as_a_plain_one_from_the_time_of_its_status() -> None:
    attributes = attributes_of(opening_statuses(line([status("triggered", 5, is_trigger=True)]))[5])
    assert attributes.placed_time_ns == 1778002753024 * 10**6
    assert (attributes.order_type, attributes.tif) == ("Stop Limit", "Gtc")
    assert (attributes.trigger_condition, attributes.trigger_price) == ("Triggered", "")


@given(st.binary(max_size=200))
def test_any_bytes_give_attributes_or_our_own_error(text: bytes) -> None:
    with pytest.raises(FormatError):
        attributes_of(text)


@given(st.binary(max_size=60), st.binary(max_size=60), events)
def test_mangled_lines_give_statuses_or_our_own_error(
    head: bytes, tail: bytes, each: list[dict[str, Any]]
) -> None:
    text = line(each)
    for mangled in (
        head + text[len(tail) :],
        text[: len(text) // 2] + tail,
        head + b'"status":"open"' + tail,
    ):
        try:
            opening_statuses(mangled)
            leaving_statuses(mangled)
        except (FormatError, ValueError):
            continue


def test_a_line_in_another_spelling_is_not_taken_for_one_without_orders() -> None:
    assert is_readable(line([]))
    assert is_readable(line([status("open", 1)]))
    assert not is_readable(line([]).replace(b"[]", b'[{"Status":"open"}]'))
    assert not is_readable(line([status("open", 1)]).replace(b'":"', b'": "'))


@given(events)
def test_fields_in_another_order_are_read_by_way_of_json(each: list[dict[str, Any]]) -> None:
    plain = {oid: attributes_of(text) for oid, text in opening_statuses(line(each)).items()}
    for event in each:
        event["order"] = dict(sorted(event["order"].items()))
    assert {oid: attributes_of(text) for oid, text in opening_statuses(line(each)).items()} == plain
