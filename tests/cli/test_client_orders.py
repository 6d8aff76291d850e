"""The resting orders a subscriber rebuilds, against a naive list in priority order."""

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.cli.client_book import Outcome
from hyperstream.cli.client_orders import ClientOrders
from hyperstream.v1 import common_pb2, orderbook_pb2

ADDED = orderbook_pb2.ORDER_CHANGE_KIND_ADDED
UPDATED = orderbook_pb2.ORDER_CHANGE_KIND_UPDATED
REMOVED = orderbook_pb2.ORDER_CHANGE_KIND_REMOVED
ATTRIBUTES = orderbook_pb2.ORDER_CHANGE_KIND_ATTRIBUTES
BID, ASK = common_pb2.SIDE_BID, common_pb2.SIDE_ASK


def order(
    oid: int, price: int = 10, side: common_pb2.Side = BID, size: int = 1, user: str = "0xa"
) -> orderbook_pb2.Order:
    return orderbook_pb2.Order(oid=oid, user=user, side=side, price=f"{price}.0", size=f"{size}.0")


def change(
    kind: orderbook_pb2.OrderChangeKind, body: orderbook_pb2.Order, before: int = 0
) -> orderbook_pb2.OrderChange:
    return orderbook_pb2.OrderChange(kind=kind, order=body, insert_before_oid=before)


def snapshot(
    *orders: orderbook_pb2.Order, chunk: int = 0, last: bool = True, sequence: int = 1
) -> orderbook_pb2.OrdersSnapshot:
    return orderbook_pb2.OrdersSnapshot(
        symbol="BTC", epoch=1, sequence=sequence, orders=orders, chunk=chunk, last_chunk=last
    )


def delta(
    *changes: orderbook_pb2.OrderChange, sequence: int = 2, previous: int = 1
) -> orderbook_pb2.OrdersDelta:
    return orderbook_pb2.OrdersDelta(
        symbol="BTC", epoch=1, sequence=sequence, previous_sequence=previous, changes=changes
    )


def oids(market: ClientOrders, side: common_pb2.Side = BID) -> list[int]:
    return [resting.oid for resting in market.best_queue(side)]


def test_chunks_of_a_snapshot_add_up() -> None:
    market = ClientOrders("BTC")
    was_current = []
    for part in (snapshot(order(1), last=False), snapshot(order(2), order(3, side=ASK), chunk=1)):
        market.apply_snapshot(part)
        was_current.append(market.is_current)
    assert was_current == [False, True]
    assert (len(market), oids(market), oids(market, ASK)) == (3, [1, 2], [3])


def test_a_missing_chunk_is_a_hole() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1), last=False))
    assert market.apply_snapshot(snapshot(order(3), chunk=2)) is Outcome.HOLE
    assert (market.holes, market.is_current) == (1, False)


def test_a_new_snapshot_empties_what_was_held() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1, user="0xold")))
    market.apply_snapshot(snapshot(order(2), sequence=9))
    assert (oids(market), dict(market.users)) == ([2], {"0xa": 1})


def test_an_order_may_join_before_another() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1), order(2)))
    assert market.apply_delta(delta(change(ADDED, order(3), before=2))) is Outcome.DELTA
    assert oids(market) == [1, 3, 2]


def test_an_update_keeps_the_place_and_attributes_keep_the_size() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1, size=5), order(2)))
    told = order(1, size=9)
    told.order_type = "Limit"
    market.apply_delta(delta(change(UPDATED, order(1, size=4)), change(ATTRIBUTES, told)))
    first = market.best_queue(BID)[0]
    assert (first.oid, first.size, first.order_type) == (1, "4.0", "Limit")


def test_an_order_updated_to_nothing_has_left_and_its_removal_is_no_contradiction() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1), order(2)))
    market.apply_delta(delta(change(UPDATED, order(1, size=0))))
    assert (oids(market), len(market), dict(market.users)) == ([2], 1, {"0xa": 1})
    market.apply_delta(delta(change(REMOVED, order(1, size=0)), sequence=3, previous=2))
    assert (len(market), market.contradictions) == (1, 0)
    market.apply_delta(delta(change(REMOVED, order(1)), sequence=4, previous=3))
    assert market.contradictions == 1, "only one removal was to come"


def test_a_hole_in_the_sequence_waits_for_a_snapshot() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1)))
    assert market.apply_delta(delta(change(REMOVED, order(1)), sequence=4, previous=3)) is Outcome.HOLE
    assert market.apply_delta(delta(sequence=2, previous=1)) is Outcome.IGNORED
    assert (len(market), market.is_current) == (1, False)


def test_changes_that_do_not_fit_are_counted() -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot(order(1)))
    market.apply_delta(
        delta(
            change(REMOVED, order(7)), change(ADDED, order(1, price=11)), change(ADDED, order(2), before=99)
        )
    )
    assert market.contradictions == 3
    assert sorted(market._orders) == [1, 2]
    assert oids(market) == [1], "the repeated order moved to its new price"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "jump", "update", "remove"]),
            st.integers(1, 4),
            st.sampled_from([BID, ASK]),
            st.integers(0, 50),
        ),
        max_size=40,
    )
)
def test_any_story_gives_the_same_queues_as_a_list(
    story: list[tuple[str, int, common_pb2.Side, int]],
) -> None:
    market = ClientOrders("BTC")
    market.apply_snapshot(snapshot())
    truth: list[orderbook_pb2.Order] = []
    changes = []
    for oid, (what, price, side, pick) in enumerate(story, start=1):
        here = [held for held in truth if held.price == f"{price}.0" and held.side == side]
        if what == "add" or not here:
            truth.append(order(oid, price, side))
            changes.append(change(ADDED, order(oid, price, side)))
            continue
        chosen = here[pick % len(here)]
        if what == "jump":
            truth.insert(truth.index(chosen), order(oid, price, side))
            changes.append(change(ADDED, order(oid, price, side), before=chosen.oid))
        elif what == "update":
            changed = order(chosen.oid, price, side, size=oid)
            truth[truth.index(chosen)] = changed
            changes.append(change(UPDATED, changed))
        else:
            truth.remove(chosen)
            changes.append(change(REMOVED, chosen))
    market.apply_delta(delta(*changes))
    assert market.contradictions == 0
    assert len(market) == len(truth)
    for side, best in ((BID, max), (ASK, min)):
        prices = [held.price for held in truth if held.side == side]
        expected = [
            (held.oid, held.size)
            for held in truth
            if prices and held.side == side and held.price == best(prices)
        ]
        assert [(held.oid, held.size) for held in market.best_queue(side)] == expected
