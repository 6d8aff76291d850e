"""Twenty recorded mainnet blocks through the daemon, in both layouts, against a replay written anew here."""

from __future__ import annotations

import gzip
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.recorded import BTC, needs_recording

from .client import Client
from .contract import number
from .program import Daemon, run
from .stage import wait_height

SNAPSHOT = BTC / "snapshot_985148181.json.gz"
LAST_HEIGHT = 985148201
ORDERS_AT_THE_END = 51_337
LAYOUTS = ("by_block", "streaming")

pytestmark = needs_recording


def unpack(layout: str, data_dir: Path) -> None:
    for packed in (BTC / layout).glob("*/hourly/*/*.gz"):
        path = data_dir / packed.relative_to(BTC / layout).with_suffix("")
        path.parent.mkdir(parents=True)
        with gzip.open(packed) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)


def replayed(layout: str, depth: int) -> list[list[tuple[str, Decimal, int]]]:
    """The book after the last block as anyone would work it out: orders in a dict, diffs in their order."""
    height, books = json.loads(gzip.decompress(SNAPSHOT.read_bytes()))
    orders: dict[int, tuple[str, str, Decimal]] = {
        order["oid"]: (order["side"], order["limitPx"], Decimal(order["sz"]))
        for side in dict(books)["BTC"]
        for _, order in side
    }
    (path,) = (BTC / layout).glob("node_raw_book_diffs_*/hourly/*/*.gz")
    for line in gzip.decompress(path.read_bytes()).splitlines():
        block = json.loads(line)
        assert block["block_number"] > height
        for diff in block["events"]:
            change = diff["raw_book_diff"]
            if change == "remove":
                orders.pop(diff["oid"])
            elif "new" in change:
                orders[diff["oid"]] = diff["side"], diff["px"], Decimal(change["new"]["sz"])
            else:
                side, price, _ = orders[diff["oid"]]
                orders[diff["oid"]] = side, price, Decimal(change["update"]["newSz"])
    assert len(orders) == ORDERS_AT_THE_END
    sides = []
    for letter in "BA":
        levels: dict[str, tuple[Decimal, int]] = {}
        for side, price, size in orders.values():
            if side == letter:
                total, count = levels.get(price, (Decimal(0), 0))
                levels[price] = total + size, count + 1
        best_first = sorted(levels, key=Decimal, reverse=letter == "B")
        sides.append([(price, *levels[price]) for price in best_first[:depth]])
    return sides


def sides_of(book: dict[str, Any]) -> list[list[tuple[str, Decimal, int]]]:
    return [
        [(level["price"], Decimal(level["size"]), level["order_count"]) for level in book[side]]
        for side in ("bids", "asks")
    ]


@pytest.fixture(scope="module")
def unpacked_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot as a node would have written it."""
    path = tmp_path_factory.mktemp("snapshot") / "snapshot_985148181.json"
    path.write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_book_after_the_last_block_is_that_of_a_plain_replay(
    tmp_path: Path, unpacked_snapshot: Path, layout: str
) -> None:
    unpack(layout, tmp_path)
    with Daemon({"node.data_dir": tmp_path, "node.snapshot": unpacked_snapshot}) as daemon:
        port = daemon.port()
        with Client(port) as client:
            trio.run(wait_height, client, LAST_HEIGHT)
            listed = client.call("GetMarkets")
        assert listed.height == LAST_HEIGHT
        assert {market.state for market in listed.markets} == {number("MARKET_STATE_LIVE")}
        assert {market.symbol: market.order_count for market in listed.markets}["BTC"] == ORDERS_AT_THE_END
        target = f"127.0.0.1:{port}"
        watched = run("watch", "book", "BTC", "--json", "--count", "1", "--depth", "1000", "--target", target)
        book = json.loads(watched.output[0])
        assert (book["event"], book["height"], book["doubtful"]) == ("snapshot", LAST_HEIGHT, False)
        assert sides_of(book) == replayed("by_block", 1000)
        daemon.process.terminate()
        assert daemon.wait() == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_replay_of_the_recording_ends_with_0(layout: str) -> None:
    program = run("replay", str(BTC), "--layout", layout, "--speed", "0", "--strict", "--json")
    assert program.process.returncode == 0, program.told()
    assert all(json.loads(line) for line in program.output)
    assert any(str(LAST_HEIGHT) in line for line in program.output)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_order_waits_that_the_recording_does_not_tell_of(
    tmp_path: Path, unpacked_snapshot: Path, layout: str
) -> None:
    """The recorded snapshot has trigger orders as children only, which do not wait: the list is not whole."""
    unpack(layout, tmp_path)
    (path,) = (BTC / layout).glob("node_order_statuses_*/hourly/*/*.gz")
    events = [
        event
        for line in gzip.decompress(path.read_bytes()).splitlines()
        for event in json.loads(line)["events"]
    ]
    expected: set[int] = set()
    for event in events:
        order = event["order"]
        if order["isTrigger"]:
            (expected.add if event["status"] == "open" else expected.discard)(order["oid"])
        elif event["status"] == "filled":
            expected |= {child["oid"] for child in order["children"]}
    with (
        Daemon({"node.data_dir": tmp_path, "node.snapshot": unpacked_snapshot}) as daemon,
        Client(daemon.port()) as client,
    ):
        trio.run(wait_height, client, LAST_HEIGHT)
        [told] = client.call("GetStopOrders", symbols=["BTC"]).snapshots
        while told.height < LAST_HEIGHT:
            [told] = client.call("GetStopOrders", symbols=["BTC"]).snapshots
    assert {order.oid for order in told.orders} == expected
    assert (told.complete, told.doubtful) == (False, False)
