"""Lines as a node writes them, made by hand: what the tests of this folder read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hyperstream.sources.node.batch import Batch

SECOND = 1_000_000_000


def time_text(ns: int, digits: int = 9) -> str:
    """``ns`` after 17:00 as the node writes times."""
    seconds, fraction = divmod(ns, SECOND)
    text = f"2026-05-05T17:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:09d}"[: 20 + digits] if digits else text


def line(height: int, events: Iterable[str], local_ns: int | None = None, digits: int = 9) -> bytes:
    """One whole line without its newline; ``events`` are JSON texts."""
    block = time_text(height % 1000 * 70_000_000)
    local = time_text(height % 1000 * 70_000_000 + 300_000_000 if local_ns is None else local_ns, digits)
    head = f'{{"local_time":"{local}","block_time":"{block}","block_number":{height},"events":['
    return (head + ",".join(events) + "]}").encode()


def diff(oid: int, coin: str = "BTC") -> str:
    """A new order as a raw book diff."""
    return compact({"user": "0x" + "ab" * 20, "oid": oid, "coin": coin, "side": "B", "px": "81311.0",
                    "raw_book_diff": {"new": {"sz": "0.61488"}}})  # fmt: skip


def fill(tid: int) -> str:
    """One side of a trade."""
    return compact(["0x" + "cd" * 20, {"coin": "BTC", "px": "81308.0", "sz": "0.1", "side": "B", "tid": tid}])


def status(oid: int, name: str = "badAloPxRejected", coin: str = "BTC", cloid: str | None = None) -> str:
    """An order status, in length as recorded ones."""
    order = {
        "coin": coin,
        "side": "A",
        "limitPx": "65045.0",
        "sz": "0.0003",
        "oid": oid,
        "timestamp": 1778002753024,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": False,
        "orderType": "Limit",
        "origSz": "0.0003",
        "tif": "Alo",
        "cloid": cloid,
    }
    head = {"time": "2026-05-05T17:39:13.024084407", "user": "0x" + "4f" * 20, "hash": None, "builder": None}
    return compact({**head, "status": name, "order": order})


def compact(value: Any) -> str:
    """JSON without blanks, as the node writes it."""
    return json.dumps(value, separators=(",", ":"))


def batches(data: bytes, cuts: Iterable[int], file: str = "20260505/17") -> list[Batch]:
    """What a tailer makes of ``data`` read in pieces that end at ``cuts`` and at the end."""
    found = []
    begin = 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        piece = data[begin:cut]
        size = piece.rfind(b"\n") + 1
        if size:
            found.append(Batch(file, begin, piece, size, read_time_ns=1))
            begin += size
    return found


def write(directory: Path, file: str, *lines: bytes, end: bytes = b"\n") -> Path:
    """Append lines to an hourly file, making its directory."""
    path = directory / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as opened:
        opened.write(b"\n".join(lines) + end)
    return path
