"""From a fake node's files to what subscribers rebuild: equal to the node's truth at every height."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import BookVariant
from hyperstream.market.aggregation import Aggregation
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.testing import FakeNode
from hyperstream.testing.load import QUIET, Load

from .node_files import NodeFiles, snapshot_items
from .rebuilt import Levels, RebuiltBook, RebuiltOrders, kinds
from .world import SECOND_NS, WITH_STATUSES, WITHOUT_STATUSES, Follower, World

SYMBOLS = ["BTC", "ETH", "@107", "PURR/USDC"]
LOAD = Load(40, 60, 6, resting_orders=300, variety=0.5)


def start(node: FakeNode, world: World, tmp_path: Path) -> NodeFiles:
    """Load the engine from a snapshot of the node as it stands."""
    node.write_snapshot(tmp_path / "snapshot.json")
    world.apply(*snapshot_items(tmp_path / "snapshot.json", is_full=True))
    return NodeFiles(node.data_dir)


def aggregated(levels: Levels, aggregation: Aggregation | None, sign: int) -> Levels:
    """Bucket levels as the venue's server does: from the best price on."""
    if aggregation is None:
        return list(levels)
    buckets: dict[int, tuple[int, int]] = {}
    for price, size, count in levels:
        key = aggregation.bucket_key(parse_e8(price) * sign)
        total, orders = buckets.get(key, (0, 0))
        buckets[key] = total + parse_e8(size), orders + count
    return [(format_e8(abs(key)), format_e8(size), count) for key, (size, count) in buckets.items()]


def check_books(world: World, node: FakeNode) -> None:
    for symbol in node.symbols:
        market = world.engine.find_symbol(symbol)
        truth = node.truth(symbol)
        if market is None:
            assert not truth.bids + truth.asks
            continue
        for side, levels in ((market.book.bids, truth.bids), (market.book.asks, truth.asks)):
            held = [(each.price, format_e8(each.size_e8), each.order_count) for each in side.best_first()]
            assert held == list(levels)


@pytest.mark.parametrize("seed", [1, 2])
def test_books_equal_the_nodes_truth_after_each_block(tmp_path: Path, seed: int) -> None:
    node = FakeNode(tmp_path / "data", seed=seed, markets=SYMBOLS, load=LOAD)
    world = World()
    files = start(node, world, tmp_path)
    for _ in range(60):
        block = node.step()
        world.apply(*files.items())
        check_books(world, node)
        assert world.engine.height == block.height
    assert world.engine.statistics().doubtful == {}
    assert world.engine.statistics().orders == sum(
        count
        for symbol in SYMBOLS
        for side in ("bids", "asks")
        for _, _, count in getattr(node.truth(symbol), side)
    )


VARIANTS = [
    BookVariant(1),
    BookVariant(5),
    BookVariant(1000),
    BookVariant(3, Aggregation(5, 2)),
    BookVariant(10, Aggregation(4)),
    BookVariant(2, Aggregation(2)),
    BookVariant(7, snapshots_only=True),
]


@pytest.mark.parametrize("contract", [Contract.LOSSLESS, Contract.RESYNC])
def test_subscribers_rebuild_the_book_at_each_height_to_any_depth_and_aggregation(
    tmp_path: Path, contract: Contract
) -> None:
    node = FakeNode(tmp_path / "data", seed=5, markets=SYMBOLS, load=LOAD)
    world = World()
    files = start(node, world, tmp_path)
    followers: list[tuple[str, BookVariant, Follower, RebuiltBook]] = []
    for step in range(40):
        if step < len(VARIANTS):  # one after the other, so topics begin in the middle of the stream
            for symbol in SYMBOLS:
                market = world.engine.market(symbol)
                assert market is not None
                topic = market.book_stream(VARIANTS[step])
                followers.append(
                    (symbol, VARIANTS[step], world.follow(topic, contract=contract), RebuiltBook())
                )
        for symbol, variant, follower, book in followers:
            book.apply(follower.take())
            truth = node.truth(symbol)
            bids = aggregated(list(truth.bids), variant.aggregation, 1)[: variant.depth]
            asks = aggregated(list(truth.asks), variant.aggregation, -1)[: variant.depth]
            assert (book.levels("bids"), book.levels("asks")) == (bids, asks)
            assert not book.is_doubtful
            assert not book.gaps
        node.step()
        world.apply(*files.items())


def test_the_best_prices_are_told_when_they_changed_and_only_then(tmp_path: Path) -> None:
    node = FakeNode(tmp_path / "data", seed=3, markets=12, load=QUIET)
    world = World()
    files = start(node, world, tmp_path)
    market = world.engine.market("BTC")
    assert market is not None
    follower = world.follow(market.bbo_stream())
    told: tuple[Any, ...] = ()
    updates = 0
    for _ in range(60):
        events = follower.take()
        truth = node.truth("BTC", depth=1)
        true = truth.bids + truth.asks
        assert len(events) == (told != true), "one event when either changed, none otherwise"
        for event in events:
            updates += 1
            bbo = event.bbo
            told = ((bbo.bid.price, bbo.bid.size, bbo.bid.order_count),)
            told += ((bbo.ask.price, bbo.ask.size, bbo.ask.order_count),)
        assert told == true
        node.step()
        world.apply(*files.items())
    assert 5 < updates < 60


@pytest.mark.parametrize("chunk_orders", [1000, 7])
def test_the_orders_topic_rebuilds_exactly_the_nodes_queues_with_attributes(
    tmp_path: Path, chunk_orders: int
) -> None:
    node = FakeNode(tmp_path / "data", seed=11, markets=SYMBOLS, load=LOAD)
    world = World(WITH_STATUSES, snapshot_chunk_orders=chunk_orders)
    files = start(node, world, tmp_path)
    followers = {}
    for symbol in SYMBOLS:
        market = world.engine.market(symbol)
        assert market is not None
        followers[symbol] = world.follow(market.orders_stream()), RebuiltOrders()
    silent = set()
    for _ in range(60):
        for symbol, (follower, orders) in followers.items():
            orders.apply(follower.take())
            orders.check(node, symbol, with_attributes=True)
            assert not orders.gaps
            silent |= {
                order.user for queue in orders.queues.values() for order in queue if not order.has_attributes
            }
        node.step()
        world.apply(*files.items())
    # Only the venue's own accounts write no statuses.
    assert all(len(set(user[2:])) <= 2 for user in silent), silent
    reasons = {reason for _, orders in followers.values() for reason in orders.removed.values()}
    assert {"filled", "canceled"} <= reasons


def test_orders_without_any_statuses_are_published_at_once(tmp_path: Path) -> None:
    node = FakeNode(tmp_path / "data", seed=12, markets=["BTC"], load=LOAD)
    world = World(WITHOUT_STATUSES)
    files = start(node, world, tmp_path)
    market = world.engine.market("BTC")
    assert market is not None
    follower, orders = world.follow(market.orders_stream()), RebuiltOrders()
    for _ in range(20):
        orders.apply(follower.take())
        orders.check(node, "BTC", with_attributes=True)
        node.step()
        world.apply(*files.fills(), *files.diffs())


@pytest.mark.parametrize("lag", [1, 3, 8])
def test_statuses_late_by_some_blocks_keep_the_order_of_blocks(tmp_path: Path, lag: int) -> None:
    """Within the patience the changes wait; every order of the node arrives with its attributes."""
    node = FakeNode(tmp_path / "data", seed=13, markets=["BTC", "ETH"], load=LOAD)
    world = World(WITH_STATUSES)
    files = start(node, world, tmp_path)
    market = world.engine.market("BTC")
    assert market is not None
    follower, orders = world.follow(market.orders_stream()), RebuiltOrders()
    orders.apply(follower.take())
    waiting = []
    heights = []
    for _ in range(30):
        node.step()
        world.apply(*files.diffs())
        waiting += files.statuses()
        while len(waiting) > lag:
            world.apply(waiting.pop(0))
        events = follower.take()
        heights += [event.delta.height for event in events]
        orders.apply(events)
    world.apply(*waiting)
    orders.apply(follower.take())
    orders.check(node, "BTC", with_attributes=True)
    assert heights == sorted(heights)
    assert world.engine.counts["late statuses"] == 0


def test_statuses_later_than_the_patience_arrive_as_attributes(tmp_path: Path) -> None:
    node = FakeNode(tmp_path / "data", seed=14, markets=["BTC", "ETH"], load=LOAD)
    world = World(WITH_STATUSES)
    files = start(node, world, tmp_path)
    market = world.engine.market("BTC")
    assert market is not None
    follower, orders = world.follow(market.orders_stream()), RebuiltOrders()
    late_follower = None
    waiting = []
    for step in range(40):
        node.step()
        world.apply(*files.diffs())
        waiting += files.statuses()
        world.time_ns += 3 * SECOND_NS
        world.give_up_waiting()
        if len(waiting) > 6:
            world.apply(waiting.pop(0))
        orders.apply(follower.take())
        if step == 20:
            late_follower = world.follow(market.orders_stream()), RebuiltOrders()
    world.apply(*waiting)
    assert world.engine.counts["late statuses"] > 0
    assert late_follower is not None
    for each, rebuilt in ((follower, orders), late_follower):
        rebuilt.apply(each.take())
        rebuilt.check(node, "BTC", with_attributes=True)
        silent = {
            order.user for queue in rebuilt.queues.values() for order in queue if not order.has_attributes
        }
        assert all(len(set(user[2:])) <= 2 for user in silent), (
            "everything but the venue's own has attributes"
        )


def test_trades_come_once_per_block_and_market(tmp_path: Path) -> None:
    node = FakeNode(tmp_path / "data", seed=15, markets=SYMBOLS, load=LOAD)
    world = World()
    files = start(node, world, tmp_path)
    markets = [market for symbol in SYMBOLS if (market := world.engine.market(symbol)) is not None]
    follower = world.follow(*(market.trades_stream() for market in markets))
    seen: list[tuple[int, str]] = []
    trades = 0
    for _ in range(40):
        block = node.step()
        items = files.items()
        world.apply(*items)
        world.apply(*items)  # the node wrote its last block again
        events = follower.take()
        assert set(kinds(events)) <= {"trades"}
        seen += [(event.trades.height, event.trades.symbol) for event in events]
        trades_now = sum(len(event.trades.trades) for event in events)
        assert trades_now * 2 == block.fills
        trades += trades_now
    assert len(set(seen)) == len(seen)
    assert trades > 20
    check_books(world, node)
