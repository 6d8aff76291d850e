"""Statuses of trigger orders found in lines, against a plain JSON reading of the same lines."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.market.stop_orders import TriggerCondition
from hyperstream.wire.trigger_statuses import stop_order, trigger_lines, trigger_statuses

from .test_statuses import events, line, order, status


def naive(each: list[dict[str, Any]]) -> list[tuple[str, int, str, bool, bool]]:
    """Symbol, oid, status, whether it waits, whether its parent told; by reading everything."""
    found = []
    for event in each:
        told = event["order"]
        if told["isTrigger"]:
            waits = event["status"] == "open"
            found.append((told["coin"], told["oid"], event["status"], waits, False))
        elif event["status"] == "filled":
            found += [(child["coin"], child["oid"], "filled", True, True) for child in told["children"]]
    return found


@given(events)
def test_what_is_told_of_trigger_orders_is_what_a_json_reading_finds(each: list[dict[str, Any]]) -> None:
    text = line(each)
    found = trigger_statuses(text)
    spelled = [(one.symbol, one.oid, one.status, one.order is not None, one.is_by_parent) for one in found]
    assert spelled == naive(each)
    assert list(trigger_lines(text)) in ([text], [] if not found else [text])
    for one in found:
        if one.order is not None:
            assert (one.order.oid, one.order.user) == (one.oid, "0x" + "a" * 40)


@given(st.lists(events, max_size=6))
def test_of_many_lines_those_about_trigger_orders_are_found(blocks: list[list[dict[str, Any]]]) -> None:
    lines = [line(each) for each in blocks]
    found = list(trigger_lines(b"\n".join(lines)))
    assert found == [text for text in lines if b" " in text]
    told = [one.oid for text in found for one in trigger_statuses(text)]
    assert told == [oid for each in blocks for _, oid, _, _, _ in naive(each)]


def test_everything_an_order_tells_is_read() -> None:
    [told] = trigger_statuses(line([status("open", 5, is_trigger=True)]))
    waits = told.order
    assert waits is not None
    assert (waits.trigger_price, waits.trigger_condition) == ("77409.0", TriggerCondition.BELOW)
    assert (waits.limit_price, waits.size, waits.is_bid) == ("81311.0", "0.61488", False)
    assert (waits.order_type, waits.reduce_only, waits.is_position_tpsl) == ("Stop Limit", True, False)
    assert (waits.tif, waits.cloid) == ("", "0x000000000000000018ab2cd67dbb0c60")
    assert waits.placed_time_ns == 1_778_002_753_024_000_000


def test_a_line_whose_statuses_begin_with_other_fields_is_read_whole() -> None:
    event = status("open", 5, is_trigger=True)
    turned = {name: event[name] for name in reversed(event)}
    assert [one.oid for one in trigger_statuses(line([turned, status("canceled", 6, is_trigger=True)]))] == [
        5,
        6,
    ]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"oid": "5"},
        {"oid": -1},
        {"timestamp": None},
        {"timestamp": 2**63},
        {"side": "C"},
        {"triggerPx": "-1.0"},
        {"limitPx": None},
        {"sz": "many"},
        {"orderType": 1},
        {"reduceOnly": "yes"},
        {"tif": 7},
        {"cloid": 7},
    ],
)
def test_an_order_with_a_field_that_cannot_be_is_an_error(spoilt: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        stop_order("0xabc", order(5, is_trigger=True) | spoilt)


@given(events, st.integers(0, 3000), st.binary(min_size=1, max_size=3))
def test_whatever_the_bytes_nothing_else_comes_out(
    each: list[dict[str, Any]], at: int, garbage: bytes
) -> None:
    text = bytearray(line(each))
    text[at : at + len(garbage)] = garbage
    with suppress(FormatError):
        trigger_statuses(bytes(text))


@pytest.mark.parametrize("missing", ["user", "status", "order"])
def test_a_status_that_lacks_a_part_is_an_error(missing: str) -> None:
    event = status("open", 5, is_trigger=True)
    text = orjson.dumps({"events": [event]}).replace(b'"%b":' % missing.encode(), b'"else":')
    with pytest.raises(FormatError):
        trigger_statuses(text)
