"""The L4 snapshot has the node's shape and order."""

import json
from collections.abc import Callable
from pathlib import Path

from hyperstream.market.decimals import parse_e8
from hyperstream.testing import FakeNode, snapshot

MakeNode = Callable[..., FakeNode]


def _worked(make_node: MakeNode) -> FakeNode:
    node = make_node(seed=2)
    for _ in range(200):
        node.step()
    return node


def test_it_is_the_height_and_both_sides_of_every_market(tmp_path: Path, make_node: MakeNode) -> None:
    node = _worked(make_node)
    path = tmp_path / "snapshot.json"
    assert node.write_snapshot(path) == node.height
    assert path.read_bytes().startswith(f'[{node.height},[["'.encode())
    height, markets = json.loads(path.read_bytes())
    assert height == node.height
    assert [coin for coin, _ in markets] == list(node.symbols)
    for coin, sides in markets:
        for entries, truth in zip(sides, node.orders(coin), strict=True):
            written = [
                (user, order["oid"], order["limitPx"], order["sz"], order["tif"]) for user, order in entries
            ]
            assert written == [(o.user, o.oid, o.price, o.size, o.tif) for o in truth]
        bids, asks = ([parse_e8(order["limitPx"]) for _, order in entries] for entries in sides)
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)


def test_untriggered_orders_are_at_the_tail_of_both_sides(tmp_path: Path, make_node: MakeNode) -> None:
    node = _worked(make_node)
    path = tmp_path / "snapshot.json"
    node.write_snapshot(path, include_trigger_orders=True)
    stops = 0
    for coin, sides in json.loads(path.read_bytes())[1]:
        expected = [stop.oid for stop in node.stops(coin)]
        stops += len(expected)
        for entries in sides:
            assert [order["oid"] for _, order in entries if order["isTrigger"]] == expected
            assert [order["oid"] for _, order in entries][len(entries) - len(expected) :] == expected
    assert stops > 5


def test_users_and_height_may_be_left_out(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node(markets=["BTC"])
    path = tmp_path / "snapshot.json"
    node.write_snapshot(path, include_users=False, include_height=False)
    ((coin, (bids, _)),) = json.loads(path.read_bytes())
    assert coin == "BTC"
    assert bids[0]["coin"] == "BTC"


def test_empty_markets_are_left_out(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node()
    market = node.exchange.markets["ETH"]
    for order in list(market.book.live):
        market.book.remove(order)
    node.write_snapshot(tmp_path / "snapshot.json")
    coins = [coin for coin, _ in json.loads((tmp_path / "snapshot.json").read_bytes())[1]]
    assert coins == [symbol for symbol in node.symbols if symbol != "ETH"]


def test_a_capture_does_not_change_while_blocks_go_on(tmp_path: Path, make_node: MakeNode) -> None:
    node = _worked(make_node)
    captured = snapshot.capture(node.exchange, node.height, include_trigger_orders=True)
    before = b"".join(snapshot.pieces(captured))
    for _ in range(200):
        node.step()
    assert b"".join(snapshot.pieces(captured)) == before
