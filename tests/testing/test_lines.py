"""Key for key, the node's own spelling."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hyperstream.testing import BUSY, FakeNode
from hyperstream.testing.lines import time_text
from tests.recorded import BTC, needs_recording

STATUS = ["time", "user", "hash", "builder", "status", "order"]
ORDER = [
    "coin", "side", "limitPx", "sz", "oid", "timestamp", "triggerCondition", "isTrigger", "triggerPx",
    "children", "isPositionTpsl", "reduceOnly", "orderType", "origSz", "tif", "cloid",
]  # fmt: skip
DIFF = ["user", "oid", "coin", "side", "px", "raw_book_diff"]
FILL = [
    "coin", "px", "sz", "side", "time", "startPosition", "dir", "closedPnl", "hash", "oid", "crossed", "fee",
    "builderFee", "deployerFee", "tid", "cloid", "liquidation", "feeToken", "builder", "twapId",
]  # fmt: skip
OPTIONAL_IN_FILL = {"builderFee", "deployerFee", "cloid", "liquidation", "builder"}
ENVELOPE = ["local_time", "block_time", "block_number", "events"]


def _check_status(status: dict[str, Any]) -> None:
    assert list(status) == STATUS
    assert list(status["order"]) == ORDER
    assert all(list(child) == ORDER for child in status["order"]["children"])
    assert status["builder"] is None or list(status["builder"]) == ["b", "f"]


def _check_diff(diff: dict[str, Any]) -> None:
    assert list(diff) == DIFF
    change = diff["raw_book_diff"]
    if change == "remove":
        return
    ((kind, fields),) = change.items()
    assert list(fields) in {"new": [["sz"], ["sz", "insertBefore"]], "update": [["origSz", "newSz"]]}[kind]


def _check_fill(fill: list[Any]) -> None:
    user, fields = fill
    assert user.startswith("0x")
    assert list(fields) == [key for key in FILL if key in fields]
    assert set(FILL) - set(fields) <= OPTIONAL_IN_FILL


CHECKS: dict[str, Callable[[Any], None]] = {
    "node_order_statuses": _check_status,
    "node_raw_book_diffs": _check_diff,
    "node_fills": _check_fill,
}


def test_keys_stand_in_the_reference_order(
    make_node: Callable[..., FakeNode], reader: Callable[..., Any]
) -> None:
    node = make_node(load=BUSY, markets=20)
    for _ in range(60):
        node.step()
    for stem, check in CHECKS.items():
        for envelope in reader().envelopes(stem):
            assert list(envelope) == ENVELOPE
            for event in envelope["events"]:
                check(event)


def _recorded_events(stem: str) -> Iterator[Any]:
    for path in sorted(BTC.glob(f"by_block/{stem}_by_block/hourly/*/*.gz")):
        with gzip.open(path) as file:
            for line in file:
                yield from json.loads(line)["events"]


@needs_recording
@pytest.mark.parametrize("stem", CHECKS)
def test_the_same_checks_hold_for_a_real_recording(stem: str) -> None:
    for event in _recorded_events(stem):
        CHECKS[stem](event)


def test_text_is_spelled_as_the_recording_spells_it(
    make_node: Callable[..., FakeNode], reader: Callable[..., Any]
) -> None:
    """No blanks, and dumping the parsed line again gives the same bytes."""
    node = make_node()
    for _ in range(20):
        node.step()
    for stem in CHECKS:
        for line in reader().raw(stem).splitlines():
            assert json.dumps(json.loads(line), separators=(",", ":")).encode() == line


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1_778_002_753_024_084_407, "2026-05-05T17:39:13.024084407"),
        (1_778_002_753_024_084_000, "2026-05-05T17:39:13.024084"),
        (1_778_002_753_024_000_000, "2026-05-05T17:39:13.024"),
        (1_778_002_753_000_000_000, "2026-05-05T17:39:13"),
    ],
)
def test_times_have_as_many_digits_as_they_need(ns: int, text: str) -> None:
    assert time_text(ns) == text
