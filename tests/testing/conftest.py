"""What tests of the fakes share: a reader as simple as possible, and a node in a temporary directory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.testing import FakeNode, TrueBook

START_NS = 1_778_002_750_000_000_000  # 2026-05-05 17:39:10 UTC


class NaiveReader:
    """Books built from a snapshot and the diff files with nothing clever at all."""

    def __init__(self, data_dir: Path, layout: str = "by_block") -> None:
        self.data_dir = data_dir
        self.layout = layout
        self.levels: dict[tuple[str, str], dict[str, dict[int, str]]] = {}
        self.unknown = 0

    def files(self, stem: str) -> list[Path]:
        folder = self.data_dir / (f"{stem}_{self.layout}" if self.layout else stem) / "hourly"
        return sorted(folder.glob("*/*"), key=lambda path: (path.parent.name, int(path.name)))

    def raw(self, stem: str) -> bytes:
        return b"".join(path.read_bytes() for path in self.files(stem))

    def envelopes(self, stem: str) -> list[dict[str, Any]]:
        """Return the lines that are JSON, in file order."""
        found = []
        for line in self.raw(stem).splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def events(self, stem: str) -> list[Any]:
        return [event for envelope in self.envelopes(stem) for event in envelope["events"]]

    def load(self, snapshot: Path) -> None:
        for coin, sides in json.loads(snapshot.read_text())[1]:
            for side, entries in zip("BA", sides, strict=True):
                for _, order in entries:
                    if not order["isTrigger"]:
                        levels = self.levels.setdefault((coin, side), {})
                        levels.setdefault(order["limitPx"], {})[order["oid"]] = order["sz"]

    def apply_all(self) -> None:
        """Apply every height once, in the order of the files."""
        last = 0
        for envelope in self.envelopes("node_raw_book_diffs"):
            if envelope["block_number"] >= last:  # in streaming a height has many lines
                last = envelope["block_number"]
                for event in envelope["events"]:
                    self.apply(event)

    def apply(self, event: dict[str, Any]) -> None:
        levels = self.levels.setdefault((event["coin"], event["side"]), {})
        queue = levels.setdefault(event["px"], {})
        oid, change = event["oid"], event["raw_book_diff"]
        if change == "remove":
            self.unknown += queue.pop(oid, None) is None
        elif "new" in change:
            waiting, anchor = dict(queue), change["new"].get("insertBefore")
            behind = list(waiting)[list(waiting).index(anchor) :] if anchor is not None else []
            queue[oid] = change["new"]["sz"]
            for each in behind:
                queue[each] = queue.pop(each)
        elif oid in queue:
            assert queue[oid] == change["update"]["origSz"]
            queue[oid] = change["update"]["newSz"]
        else:
            self.unknown += 1
        if not queue:
            del levels[event["px"]]

    def _sorted(self, coin: str, side: str) -> list[tuple[str, dict[int, str]]]:
        levels = self.levels.get((coin, side), {})
        return sorted(levels.items(), key=lambda item: parse_e8(item[0]), reverse=side == "B")

    def book(self, coin: str) -> TrueBook:
        sides = []
        for side in "BA":
            levels = self._sorted(coin, side)
            sides.append(
                tuple((px, format_e8(sum(map(parse_e8, queue.values()))), len(queue)) for px, queue in levels)
            )
        return TrueBook(*sides)

    def oids(self, coin: str, side: str) -> list[int]:
        return [oid for _, queue in self._sorted(coin, side) for oid in queue]


@pytest.fixture
def reader(tmp_path: Path) -> Callable[..., NaiveReader]:
    """Return a maker of readers of the node in this test's directory."""

    def make(layout: str = "by_block") -> NaiveReader:
        return NaiveReader(tmp_path / "data", layout)

    return make


@pytest.fixture
def make_node(tmp_path: Path) -> Callable[..., FakeNode]:
    """Return a maker of fake nodes in this test's directory, on a fixed clock."""

    def make(**settings: Any) -> FakeNode:
        return FakeNode(tmp_path / "data", **{"start_time_ns": START_NS, **settings})

    return make
