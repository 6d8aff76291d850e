"""l4Book as the public order_book_server sends it: one snapshot in whatever parts, then changes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.book import ADDED, REMOVED, UPDATED
from hyperstream.market.level import Level
from hyperstream.market.order import Order
from hyperstream.market.updates import OrdersChunk, OrdersDelta
from hyperstream.wire.json.frames import text_frame
from hyperstream.wire.json.l4book import L4BookFormat

from .values import ATTRIBUTES, HEAD, PROVENANCE, TIME_MS, level, messages, only

FORMAT = L4BookFormat(text_frame)
LEVEL = level("81311.0", 81311 * 10**8, 10**8)
STATUS = (
    b'{"time":"2026-05-05T17:39:13.024084407","user":"0xu","hash":"0xh","builder":null,"status":"open",'
    b'"order":{"coin":"BTC","side":"A","limitPx":"81311.0","sz":"0.61488","oid":5,"timestamp":1778002753024,'
    b'"triggerCondition":"N/A","isTrigger":false,"triggerPx":"0.0","children":[],"isPositionTpsl":false,'
    b'"reduceOnly":false,"orderType":"Limit","origSz":"0.61488","tif":"Alo","cloid":null}}'
)


def order(oid: int, side: Level = LEVEL, *, has_attributes: bool = True) -> Order:
    return Order(oid, f"0x{oid}", side, 5 * 10**7, ATTRIBUTES if has_attributes else None)


def chunks(bids: int, asks: int, size: int, *, tells: bool = False) -> bytes:
    """A snapshot of so many orders, in parts of ``size``."""
    bid, ask = level("100.0", 10**10), level("101.0", -101 * 10**8)
    orders = [order(oid, bid) for oid in range(bids)] + [order(oid, ask) for oid in range(bids, bids + asks)]
    starts = range(0, max(1, len(orders)), size)
    wire_format = L4BookFormat(text_frame, tells=tells)
    return b"".join(
        wire_format.encode(
            OrdersChunk(*HEAD, orders[first : first + size], index, index == len(starts) - 1, first, bids)
        )
        for index, first in enumerate(starts)
    )


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 9))
def test_parts_of_any_size_are_one_snapshot(bids: int, asks: int, size: int) -> None:
    (text,) = messages(chunks(bids, asks, size))
    snapshot = json.loads(text)["data"]["Snapshot"]
    assert (snapshot["coin"], snapshot["time"], snapshot["height"]) == ("BTC", TIME_MS, 7)
    sides = [[each["oid"] for each in side] for side in snapshot["levels"]]
    assert sides == [list(range(bids)), list(range(bids, bids + asks))]
    assert {each["side"] for side in snapshot["levels"][:1] for each in side} <= {"B"}
    assert {each["side"] for side in snapshot["levels"][1:] for each in side} <= {"A"}


def test_a_snapshot_tells_where_it_comes_from_when_asked_to() -> None:
    assert only(chunks(3, 2, 2, tells=True))["provenance"] == PROVENANCE


def test_an_order_has_the_fields_of_that_server() -> None:
    first = only(chunks(1, 0, 5))["data"]["Snapshot"]["levels"][0][0]
    assert first == {
        "user": "0x0",
        "coin": "BTC",
        "side": "B",
        "limitPx": "100.0",
        "sz": "0.5",
        "oid": 0,
        "timestamp": 1_778_002_753_024,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "isPositionTpsl": False,
        "reduceOnly": True,
        "orderType": "Limit",
        "tif": "Alo",
        "cloid": "0x00000000000000000000000000000001",
    }


def test_an_order_the_node_never_told_the_status_of_looks_like_liquidity_placed_now() -> None:
    frame = FORMAT.encode(OrdersChunk(*HEAD, [order(1, has_attributes=False)], 0, True, 0, 1))
    (told,) = only(frame)["data"]["Snapshot"]["levels"][0]
    assert (told["timestamp"], told["orderType"], told["tif"], told["cloid"]) == (
        TIME_MS,
        "Limit",
        "Alo",
        None,
    )


def updates(*entries: Any, events: tuple[bytes, ...] = ()) -> Any:
    return only(FORMAT.encode(OrdersDelta(*HEAD, list(entries), {}, [], events)))["data"]["Updates"]


def test_changes_are_spelled_as_the_nodes_raw_book_diffs() -> None:
    told = updates(
        (ADDED, order(1), None),
        (ADDED, order(2), 1),
        (UPDATED, order(1), 61_488_000),
        (REMOVED, order(2), None),
    )
    assert (told["time"], told["height"], told["order_statuses"]) == (TIME_MS, 7, [])
    assert [diff["raw_book_diff"] for diff in told["book_diffs"]] == [
        {"new": {"sz": "0.5"}},
        {"new": {"sz": "0.5", "insertBefore": 1}},
        {"update": {"origSz": "0.61488", "newSz": "0.5"}},
        "remove",
    ]
    assert told["book_diffs"][0] | {"raw_book_diff": None} == {
        "user": "0x1",
        "oid": 1,
        "px": "81311.0",
        "coin": "BTC",
        "raw_book_diff": None,
    }


def test_statuses_are_the_nodes_without_what_that_server_leaves_out() -> None:
    (told,) = updates(events=(STATUS,))["order_statuses"]
    node = json.loads(STATUS)
    dropped = {"hash", "builder"}
    assert {name: told[name] for name in told if name != "order"} == {
        name: node[name] for name in node if name not in dropped | {"order"}
    }
    assert told["order"] == {"user": None} | {
        name: value for name, value in node["order"].items() if name not in ("children", "origSz")
    }


@given(st.binary(max_size=60))
def test_a_status_that_cannot_be_read_is_left_out(garbage: bytes) -> None:
    assert updates(events=(garbage, STATUS))["order_statuses"] == updates(events=(STATUS,))["order_statuses"]
