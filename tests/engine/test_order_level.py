"""The orders topic and the statuses: before, with, after their diffs, in parts, and never."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.engine.order_level import MOST_GIVEN_UP
from hyperstream.hub.delivery import Contract
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.book import ADDED as ADDED_ENTRY
from hyperstream.market.updates import GapNote, NoticeNote, OrdersDelta, Update
from hyperstream.v1 import orderbook_pb2
from hyperstream.wire.node_blocks import NodeItem
from tests.market.flows import Event, blocks
from tests.market.naive import NaiveBook

from .handmade import change, diffs, new, remove, status, statuses, update
from .rebuilt import RebuiltOrders, kinds
from .world import PLENTY, SECOND_NS, WITH_STATUSES, Follower, World, open_market

ADDED = orderbook_pb2.ORDER_CHANGE_KIND_ADDED
UPDATED = orderbook_pb2.ORDER_CHANGE_KIND_UPDATED
REMOVED = orderbook_pb2.ORDER_CHANGE_KIND_REMOVED
ATTRIBUTES = orderbook_pb2.ORDER_CHANGE_KIND_ATTRIBUTES


def orders_topic(world: World, symbol: str = "BTC") -> Topic:
    return open_market(world, symbol).orders_stream()


@pytest.fixture
def world() -> World:
    return World(WITH_STATUSES)


@pytest.fixture
def follower(world: World) -> Follower:
    follower = world.follow(orders_topic(world))
    assert kinds(follower.take()) == ["snapshot"]
    return follower


def changes_of(event: Any) -> list[tuple[int, int, bool]]:
    """Kind, oid, and whether the attributes are told."""
    return [(each.kind, each.order.oid, each.order.has_attributes) for each in event.delta.changes]


ORDERS: dict[str, list[NodeItem]] = {
    "before their diffs": [statuses(1, status(1)), diffs(1, new(1))],
    "after their diffs": [diffs(1, new(1)), statuses(1, status(1))],
    "before, in two parts": [
        statuses(1),
        statuses(1, status(1), is_continuation=True),
        diffs(1, new(1)),
    ],
}


@pytest.mark.parametrize("items", ORDERS.values(), ids=ORDERS.keys())
def test_statuses_give_the_added_order_its_attributes(
    world: World, follower: Follower, items: list[NodeItem]
) -> None:
    world.apply(*items)
    (event,) = follower.take()
    assert changes_of(event) == [(ADDED, 1, True)]
    assert event.delta.changes[0].order.cloid == f"0x{1:032x}"
    assert world.engine._order_level.is_settled


def test_levels_do_not_wait_for_statuses(world: World, follower: Follower) -> None:
    market = world.engine.market("BTC")
    assert market is not None
    bbo = world.follow(market.bbo_stream())
    bbo.take()
    world.apply(diffs(1, new(1)))
    assert kinds(bbo.take()) == ["bbo"]
    assert follower.take() == []
    world.apply(statuses(1, status(1)))
    assert kinds(follower.take()) == ["delta"]


def test_a_reason_for_leaving_is_told_with_the_removal(world: World, follower: Follower) -> None:
    world.apply(diffs(1, new(1), new(2)), statuses(1, status(1), status(2)))
    world.apply(
        diffs(2, remove(1), update(2, "1.0", "0.0"), remove(2)),
        statuses(2, status(1, "canceled"), status(2, "filled")),
    )
    _, event = follower.take()
    told = [(each.kind, each.order.oid, each.order.size, each.status) for each in event.delta.changes]
    assert told == [(REMOVED, 1, "1.0", "canceled"), (UPDATED, 2, "0.0", ""), (REMOVED, 2, "0.0", "filled")]


def test_an_order_updated_within_its_block_is_added_with_its_attributes(
    world: World, follower: Follower
) -> None:
    world.apply(diffs(1, new(1, "3.0"), update(1, "3.0", "2.0")), statuses(1, status(1)))
    (event,) = follower.take()
    assert changes_of(event) == [(ADDED, 1, True), (UPDATED, 1, False)]
    assert [each.order.size for each in event.delta.changes] == ["3.0", "2.0"]


def test_an_order_added_and_removed_in_one_block(world: World, follower: Follower) -> None:
    world.apply(diffs(1, new(1), remove(1)), statuses(1, status(1), status(1, "canceled")))
    (event,) = follower.take()
    assert changes_of(event) == [(ADDED, 1, True), (REMOVED, 1, False)]
    assert event.delta.changes[1].status == "canceled"


def test_statuses_that_never_come_are_waited_for_as_long_as_the_patience(
    world: World, follower: Follower
) -> None:
    world.apply(diffs(1, new(1)))
    world.time_ns += 5 * SECOND_NS
    world.give_up_waiting()
    assert follower.take() == []
    world.time_ns += 1
    world.give_up_waiting()
    (event,) = follower.take()
    assert changes_of(event) == [(ADDED, 1, False)]
    assert world.engine.counts["statuses overdue"] == 1


def test_attributes_that_come_after_the_patience_are_told_on_their_own(
    world: World, follower: Follower
) -> None:
    world.apply(diffs(1, new(1)))
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    world.apply(statuses(1, status(1)))
    added, late = follower.take()
    assert changes_of(added) == [(ADDED, 1, False)]
    assert changes_of(late) == [(ATTRIBUTES, 1, True)]
    assert late.delta.height == 1
    assert world.engine.counts["late statuses"] == 1


def test_the_statuses_of_a_later_block_say_that_none_will_come(world: World, follower: Follower) -> None:
    world.apply(diffs(1, new(1)), diffs(2, new(2)), statuses(2, status(2)))
    first, second = follower.take()
    assert (changes_of(first), changes_of(second)) == ([(ADDED, 1, False)], [(ADDED, 2, True)])
    world.apply(diffs(3, new(3)), statuses(4), diffs(4, new(4)))
    third, fourth = follower.take()
    assert (third.delta.height, fourth.delta.height) == (3, 4)


def test_statuses_of_blocks_without_diffs_are_not_kept(world: World, follower: Follower) -> None:
    """The streaming layout has no line for a block that changed no book."""
    for height in range(1, 50):
        world.apply(statuses(height, status(height)))
    world.apply(diffs(50, new(50)), statuses(50, status(50)))
    assert changes_of(follower.take()[0]) == [(ADDED, 50, True)]
    assert not world.engine._order_level._early
    world.apply(statuses(49, status(49)), diffs(51, new(51)), statuses(52), diffs(52, new(52)))
    assert [changes_of(event) for event in follower.take()] == [[(ADDED, 51, False)], [(ADDED, 52, False)]]


def test_diffs_in_parts_after_their_statuses_have_attributes_too(world: World, follower: Follower) -> None:
    world.apply(diffs(1, new(1)), statuses(1, status(1), status(2), status(3, "canceled")))
    world.apply(diffs(1, new(2), is_continuation=True))
    first, second = follower.take()
    assert (changes_of(first), changes_of(second)) == ([(ADDED, 1, True)], [(ADDED, 2, True)])
    assert world.engine._order_level.is_settled


def test_diffs_in_parts_before_their_statuses_are_all_published_with_them(
    world: World, follower: Follower
) -> None:
    world.apply(diffs(1, new(1)), diffs(1, new(2), is_continuation=True), statuses(1, status(1), status(2)))
    first, second = follower.take()
    assert (changes_of(first), changes_of(second)) == ([(ADDED, 1, True)], [(ADDED, 2, True)])


def test_statuses_in_parts_find_the_orders_of_their_block(world: World, follower: Follower) -> None:
    world.apply(diffs(1, new(1), new(2)), statuses(1, status(1)))
    world.apply(statuses(1, status(2), is_continuation=True))
    first, second = follower.take()
    assert changes_of(first) == [(ADDED, 1, True), (ADDED, 2, False)]
    assert changes_of(second) == [(ATTRIBUTES, 2, True)]


def test_an_order_updated_before_its_status_came_keeps_its_attributes(
    world: World, follower: Follower
) -> None:
    world.apply(diffs(1, new(1, "3.0")), diffs(2, update(1, "3.0", "2.0")))
    world.apply(statuses(1, status(1)), statuses(2))
    events = follower.take()
    assert [changes_of(event) for event in events] == [[(ADDED, 1, True)], [(UPDATED, 1, False)]]
    (order,) = snapshot_of(world)
    assert (order.size, order.has_attributes) == ("2.0", True)
    world.apply(diffs(3, update(1, "2.0", "1.0")), statuses(3))
    (order,) = snapshot_of(world)
    assert (order.size, order.has_attributes) == ("1.0", True)


def test_late_attributes_of_an_order_that_a_waiting_block_changed(world: World, follower: Follower) -> None:
    """Block 1 went out without attributes; block 2, which changed the order, still waits."""
    rebuilt = RebuiltOrders()
    rebuilt.is_whole, rebuilt.position = True, (follower.topics[0].epoch, 0)
    world.apply(diffs(1, new(1, "3.0")))
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    world.apply(diffs(2, update(1, "3.0", "2.0")), statuses(1, status(1)))
    rebuilt.apply(follower.take())
    (order,) = rebuilt.side(1)
    assert (order.size, order.has_attributes) == ("3.0", True)
    world.apply(statuses(2))
    rebuilt.apply(follower.take())
    (order,) = rebuilt.side(1)
    assert (order.size, order.has_attributes) == ("2.0", True)


def test_nothing_is_told_late_of_an_order_that_is_gone(world: World, follower: Follower) -> None:
    world.apply(diffs(1, new(1), new(2)))
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    world.apply(diffs(2, remove(1)), statuses(1, status(1), status(2)), statuses(2))
    events = follower.take()
    assert [changes_of(event) for event in events[1:]] == [[(ATTRIBUTES, 2, True)], [(REMOVED, 1, False)]]


def test_late_attributes_go_to_their_own_market_only(world: World) -> None:
    followers = {symbol: world.follow(orders_topic(world, symbol)) for symbol in ("BTC", "ETH", "SOL")}
    world.apply(diffs(1, new(1), new(2, symbol="ETH"), new(3, symbol="SOL")))
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    for follower in followers.values():
        follower.take()
    world.apply(statuses(1, status(1), status(2, symbol="ETH")))
    told = {symbol: [changes_of(event) for event in each.take()] for symbol, each in followers.items()}
    assert told == {"BTC": [[(ATTRIBUTES, 1, True)]], "ETH": [[(ATTRIBUTES, 2, True)]], "SOL": []}


def test_late_attributes_reach_who_began_to_follow_after_the_block(world: World) -> None:
    world.apply(diffs(1, new(1)))
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    follower = world.follow(orders_topic(world))
    (snapshot,) = follower.take()
    assert not snapshot.snapshot.orders[0].has_attributes
    world.apply(statuses(1, status(1)))
    (late,) = follower.take()
    assert changes_of(late) == [(ATTRIBUTES, 1, True)]


def test_a_snapshot_waits_for_the_statuses_of_the_blocks_applied(world: World) -> None:
    world.apply(diffs(1, new(1)))
    follower = world.follow(orders_topic(world))
    assert follower.take() == []
    world.apply(statuses(1, status(1)))
    (event,) = follower.take()
    assert event.snapshot.orders[0].has_attributes


def test_the_remainder_of_an_ioc_order_rests_and_one_without_remainder_does_not(
    world: World, follower: Follower
) -> None:
    world.apply(
        diffs(1, new(1, "0.4")),
        statuses(1, status(1, tif="Ioc"), status(2, tif="Ioc"), status(2, "filled", tif="Ioc", sz="0.0")),
    )
    (event,) = follower.take()
    (added,) = event.delta.changes
    assert (added.order.oid, added.order.tif, added.order.size) == (1, "Ioc", "0.4")
    assert added.order.original_size == "1.0"


def test_orders_that_never_have_a_status_are_told_without_attributes(
    world: World, follower: Follower
) -> None:
    world.apply(diffs(1, new(1), new(2)), statuses(1, status(2)))
    assert changes_of(follower.take()[0]) == [(ADDED, 1, False), (ADDED, 2, True)]


def test_a_line_that_is_no_status_is_counted_and_the_others_are_used(
    world: World, follower: Follower
) -> None:
    block = statuses(1, status(1))
    block.lines.insert(0, b'{"events":[{"rubbish":1}]}')
    world.apply(diffs(1, new(1)), block)
    assert changes_of(follower.take()[0]) == [(ADDED, 1, True)]
    assert world.engine.counts["unreadable statuses"] == 1


def test_statuses_stop_being_waited_for_when_the_source_says_there_are_none() -> None:
    world = World(WITH_STATUSES)
    follower = world.follow(orders_topic(world))
    follower.take()
    world.apply(diffs(1, new(1)))
    assert follower.take() == []
    world.engine._order_level.expect_statuses(False)
    assert kinds(follower.take()) == ["delta"]
    world.apply(diffs(2, new(2)))
    assert kinds(follower.take()) == ["delta"]


def snapshot_of(world: World) -> list[orderbook_pb2.Order]:
    """The orders that somebody new is sent."""
    rebuilt = RebuiltOrders()
    rebuilt.apply(world.follow(orders_topic(world)).take())
    return [*rebuilt.side(1), *rebuilt.side(2)]


@given(st.data(), blocks(("BTC", "ETH"), max_blocks=10))
def test_any_interleaving_of_diffs_and_statuses_rebuilds_the_queues(
    data: st.DataObject, flow: list[list[Event]]
) -> None:
    """Statuses come in any order relative to diffs, in parts or not at all; somebody joins in the middle."""
    world = World(WITH_STATUSES)
    naive = {"BTC": NaiveBook(), "ETH": NaiveBook()}
    rebuilt: list[tuple[str, Follower, RebuiltOrders]] = []
    told: set[int] = set()
    waiting: list[NodeItem] = []
    for height, events in enumerate(flow, start=1):
        if data.draw(st.booleans(), "somebody joins"):
            rebuilt += [
                (symbol, world.follow(orders_topic(world, symbol)), RebuiltOrders()) for symbol in naive
            ]
        opened = [event["oid"] for event in events if "new" in event["raw_book_diff"]]
        known = [oid for oid in opened if data.draw(st.booleans(), "has a status")]
        told.update(known)
        cut = data.draw(st.integers(0, len(known)), "statuses in two parts")
        waiting.append(statuses(height, *map(status, known[:cut])))
        waiting.append(statuses(height, *map(status, known[cut:]), is_continuation=True))
        early = data.draw(st.booleans(), "statuses first")
        count = data.draw(st.integers(0, len(waiting)), "statuses now")
        if early:
            world.apply(*waiting[:count])
        middle = data.draw(st.integers(0, len(events)), "diffs in two parts")
        world.apply(diffs(height, *events[:middle]))
        if data.draw(st.booleans(), "statuses between"):
            between = count if early else 0
            world.apply(*waiting[between : between + 1])
            del waiting[between : between + 1]
        world.apply(diffs(height, *events[middle:], is_continuation=True))
        if not early:
            world.apply(*waiting[:count])
        del waiting[:count]
        if data.draw(st.booleans(), "patience ends"):
            world.time_ns += 6 * SECOND_NS
            world.give_up_waiting()
        for event in events:
            naive[event["coin"]].apply(event)
        for _, follower, orders in rebuilt:
            orders.apply(follower.take())
    world.apply(*waiting)
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    for symbol, follower, orders in rebuilt:
        orders.apply(follower.take())
        assert orders.is_whole
        for letter, side in (("B", 1), ("A", 2)):
            held = orders.side(side)
            assert [order.oid for order in held] == [row[0] for row in naive[symbol].queue(letter)]
            assert [order.has_attributes for order in held] == [order.oid in told for order in held]


def test_a_diff_that_is_not_as_documented_does_not_stop_the_others(world: World, follower: Follower) -> None:
    odd = [{"coin": ["BTC"]}, {}, change(1, {"new": {"sz": "x"}}), change(2, None), change(3, 7)]
    world.apply(diffs(1, *odd, new(9)), statuses(1, status(9)))
    events = follower.take()
    assert kinds(events) == ["gap", "delta"]
    assert changes_of(events[1]) == [(ADDED, 9, True)]


# --- what the node said of orders, passed on as it is ---


class Passed(WireFormat):
    """Passes on the statuses."""

    def encode(self, update: Update) -> bytes:
        if type(update) is not OrdersDelta:
            return b""
        told = [(event["order"]["oid"], event["status"]) for event in map(orjson.loads, update.events)]
        entries = [(kind, order.oid) for kind, order, _ in update.entries]
        return orjson.dumps([update.stamp.height, told, entries])

    def gap(self, note: GapNote) -> bytes:
        return b""

    def notice(self, note: NoticeNote) -> bytes:
        return b""

    def merged(self, frame: bytes, count: int) -> bytes:
        return frame


PASSED = Passed()


class PassedOn:
    """What a follower of statuses is told: height, oids and statuses, changes of the book."""

    def __init__(self, world: World, symbol: str = "BTC") -> None:
        market = world.engine.market(symbol)
        assert market is not None
        topic = market.orders_stream(PASSED, passes_statuses=True)
        self.hub = world.hub
        self.subscription = world.hub.subscribe(Contract.LOSSLESS, PASSED, lambda: None, PLENTY)
        self.subscription.attach(topic, None)
        self.take()

    def take(self) -> list[Any]:
        self.hub.flush()
        taken = []
        while (message := self.subscription.take()) is not None:
            taken += [orjson.loads(message)] if message else []
        return taken


REJECTED = "perpMarginRejected"


@pytest.mark.parametrize("is_early", [True, False])
def test_every_status_of_a_market_is_passed_on_with_its_block(
    world: World, follower: Follower, is_early: bool
) -> None:
    passed_on = PassedOn(world)
    told = statuses(1, status(1), status(2, REJECTED), status(3, symbol="ETH"))
    items: list[NodeItem] = [told, diffs(1, new(1))]
    world.apply(*(items if is_early else reversed(items)))
    assert passed_on.take() == [[1, [[1, "open"], [2, REJECTED]], [[ADDED_ENTRY, 1]]]]
    assert kinds(follower.take()) == ["delta"]


@pytest.mark.parametrize("is_early", [True, False])
def test_statuses_are_passed_on_of_a_block_that_did_not_change_the_book(
    world: World, follower: Follower, is_early: bool
) -> None:
    passed_on = PassedOn(world)
    told = statuses(1, status(2, REJECTED))
    items: list[NodeItem] = [told, diffs(1, new(7, symbol="ETH"))]
    world.apply(*(items if is_early else reversed(items)))
    assert passed_on.take() == [[1, [[2, REJECTED]], []]]
    assert follower.take() == []


def test_statuses_that_come_after_the_patience_are_passed_on_alone(world: World, follower: Follower) -> None:
    passed_on = PassedOn(world)
    world.apply(diffs(1, new(1)))
    world.time_ns += 60 * SECOND_NS
    world.give_up_waiting()
    assert passed_on.take() == [[1, [], [[ADDED_ENTRY, 1]]]]
    world.apply(statuses(1, status(1)))
    assert passed_on.take() == [[1, [[1, "open"]], []]]
    assert kinds(follower.take()) == ["delta", "delta"]


def stop_statuses(world: World) -> int:
    """Apply blocks without their statuses until nothing waits for these any more; returns the last height."""
    world.apply(*(diffs(height, new(height)) for height in range(1, MOST_GIVEN_UP + 1)))
    world.time_ns += 6 * SECOND_NS
    world.give_up_waiting()
    return MOST_GIVEN_UP


def test_a_node_that_writes_no_statuses_any_more_holds_up_neither_changes_nor_snapshots(
    world: World, follower: Follower
) -> None:
    """Its directory is still there: nothing else says that they have ended."""
    last = stop_statuses(world)
    follower.take()
    for height in range(last + 1, last + 4):
        world.apply(diffs(height, new(height)))
        assert [changes_of(event) for event in follower.take()] == [[(ADDED, height, False)]]
        newcomer, rebuilt = world.follow(orders_topic(world)), RebuiltOrders()
        rebuilt.apply(newcomer.take())
        assert len(rebuilt.side(1)) == height


def test_statuses_are_waited_for_again_once_they_have_caught_up(world: World, follower: Follower) -> None:
    last = stop_statuses(world)
    follower.take()
    world.apply(statuses(last - 1, status(last - 1)), diffs(last + 1, new(last + 1)))
    told = [change for event in follower.take() for change in changes_of(event)]
    assert told == [(ATTRIBUTES, last - 1, True), (ADDED, last + 1, False)]
    world.apply(statuses(last + 1, status(last + 1)), diffs(last + 2, new(last + 2)))
    told = [change for event in follower.take() for change in changes_of(event)]
    assert told == [(ATTRIBUTES, last + 1, True)]
    world.apply(statuses(last + 2, status(last + 2)))
    assert [changes_of(event) for event in follower.take()] == [[(ADDED, last + 2, True)]]
