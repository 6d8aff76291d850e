"""What the public order_book_server makes of a node's by-block files, in the plainest way: an oracle.

For each block and market: ``trades`` from pairs of fills, ``l4Book`` updates from diffs and statuses. Its
source (``websocket_server.rs``, ``types/mod.rs``, ``types/node_data.rs``) says what it keeps of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperstream.wire.node_lines import parse_envelope

STATUS = ("time", "user", "status")
ORDER = (
    *("coin", "side", "limitPx", "sz", "oid", "timestamp", "triggerCondition", "isTrigger", "triggerPx"),
    *("isPositionTpsl", "reduceOnly", "orderType", "tif", "cloid"),
)
DIFF = ("user", "oid", "px", "coin", "raw_book_diff")


def blocks(data_dir: Path, stem: str) -> Iterator[tuple[int, int, list[Any]]]:
    """Height, time in ms and events of every block in the files of a kind."""
    for path in sorted((data_dir / f"{stem}_by_block" / "hourly").glob("*/*")):
        for line in path.read_bytes().splitlines():
            head = parse_envelope(line)
            yield head.height, head.block_time_ns // 1_000_000, json.loads(line)["events"]


def l4_updates(data_dir: Path, coin: str) -> dict[int, dict[str, Any]]:
    """The update of each block that concerned a market, by height."""
    updates: dict[int, dict[str, Any]] = {}

    def of(height: int, time_ms: int) -> dict[str, Any]:
        empty = {"time": time_ms, "height": height, "order_statuses": [], "book_diffs": []}
        return updates.setdefault(height, empty)

    for height, time_ms, events in blocks(data_dir, "node_raw_book_diffs"):
        for diff in events:
            if diff["coin"] == coin:
                of(height, time_ms)["book_diffs"].append({name: diff[name] for name in DIFF})
    for height, time_ms, events in blocks(data_dir, "node_order_statuses"):
        for status in events:
            if status["order"]["coin"] == coin:
                kept = {name: status[name] for name in STATUS}
                kept["order"] = {"user": None} | {name: status["order"][name] for name in ORDER}
                of(height, time_ms)["order_statuses"].append(kept)
    return updates


def trades(data_dir: Path, coin: str) -> list[dict[str, Any]]:
    """Every trade of a market, oldest first."""
    told = []
    for _, _, events in blocks(data_dir, "node_fills"):
        for first, second in zip(events[::2], events[1::2], strict=True):
            sides = {fill["side"]: (user, fill) for user, fill in (first, second)}
            (buyer, bid), (seller, ask) = sides["B"], sides["A"]
            assert bid["tid"] == ask["tid"]
            if ask["coin"] == coin:
                side = "A" if ask["crossed"] else "B"
                kept = {name: ask[name] for name in ("coin", "px", "sz", "hash", "time", "tid")}
                told.append(kept | {"side": side, "users": [buyer, seller]})
    return told
