"""Blocks made by hand."""

from __future__ import annotations

from typing import Any

import orjson

from hyperstream.wire.diff_lines import read_diff
from hyperstream.wire.node_blocks import (
    DiffBlock,
    FillBlock,
    NodeItem,
    Position,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
    StatusBlock,
)

USER = "0x" + "1" * 40


def head(height: int) -> tuple[int, int, int, int, Position]:
    return height, height * 10, height * 10 + 1, height * 10 + 2, Position(height, "20260505/17", height)


def diffs(height: int, *events: dict[str, Any], is_continuation: bool = False) -> DiffBlock:
    return DiffBlock(
        *head(height), diffs=[read_diff(event) for event in events], is_continuation=is_continuation
    )


def change(
    oid: int, what: object, symbol: str = "BTC", side: str = "B", price: str = "100.0"
) -> dict[str, Any]:
    return {"user": USER, "oid": oid, "coin": symbol, "side": side, "px": price, "raw_book_diff": what}


def new(oid: int, size: str = "1.0", **where: Any) -> dict[str, Any]:
    return change(oid, {"new": {"sz": size}}, **where)


def update(oid: int, before: str, after: str, **where: Any) -> dict[str, Any]:
    return change(oid, {"update": {"origSz": before, "newSz": after}}, **where)


def remove(oid: int, **where: Any) -> dict[str, Any]:
    return change(oid, "remove", **where)


def status(oid: int, name: str = "open", symbol: str = "BTC", **more: Any) -> str:
    order = {
        "coin": symbol, "side": "B", "limitPx": "100.0", "sz": "1.0", "oid": oid,
        "timestamp": 1_778_002_753_024,
        "triggerCondition": "N/A", "isTrigger": False, "triggerPx": "0.0", "children": [],
        "isPositionTpsl": False, "reduceOnly": False, "orderType": "Limit", "origSz": "1.0", "tif": "Alo",
        "cloid": f"0x{oid:032x}",
    } | more  # fmt: skip
    told = {
        "time": "2026-05-05T17:39:13.024084407", "user": USER, "hash": None, "builder": None, "status": name,
        "order": order,
    }  # fmt: skip
    return orjson.dumps(told).decode()


def statuses(height: int, *told: str, is_continuation: bool = False) -> StatusBlock:
    line = (
        f'{{"local_time":"2026-05-05T17:39:16","block_time":"2026-05-05T17:39:16",'
        f'"block_number":{height},"events":[{",".join(told)}]}}'
    )
    return StatusBlock(*head(height), lines=[line.encode()], is_continuation=is_continuation)


def snapshot_row(
    oid: int, size: str = "1.0", price: str = "100.0", **more: Any
) -> tuple[str, dict[str, Any]]:
    order = orjson.loads(status(oid))["order"] | {"limitPx": price, "sz": size} | more
    return USER, order


def fill(tid: int, side: str, symbol: str = "BTC", *, crossed: bool = False) -> list[Any]:
    told = {
        "coin": symbol, "px": "100.0", "sz": "1.0", "side": side, "time": 1_778_002_753_024,
        "hash": "0x" + "0" * 64, "oid": tid * 2 + (side == "A"), "crossed": crossed, "tid": tid,
    }  # fmt: skip
    return [USER, told]


def fills(height: int, *tids: int, symbol: str = "BTC", is_continuation: bool = False) -> FillBlock:
    events = [fill(tid, side, symbol, crossed=side == "A") for tid in tids for side in "BA"]
    return FillBlock(*head(height), events=events, is_continuation=is_continuation)


def repair_snapshot(
    height: int, *markets: tuple[str, str, list[Any]], is_complete: bool = True
) -> list[NodeItem]:
    """What a source answers to a repair request: symbol, side and rows of a few markets."""
    return [
        SnapshotBegun(height, is_full=False),
        *(SnapshotOrders(symbol, side, rows) for symbol, side, rows in markets),
        SnapshotEnded(height, is_complete, "" if is_complete else "the file vanished"),
    ]
