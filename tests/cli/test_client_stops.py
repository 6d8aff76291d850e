"""The waiting orders a subscriber rebuilds, against a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.cli.client_book import Outcome
from hyperstream.cli.client_stops import ClientStops
from hyperstream.v1 import stop_order_pb2

ADDED = stop_order_pb2.STOP_ORDER_CHANGE_KIND_ADDED
REMOVED = stop_order_pb2.STOP_ORDER_CHANGE_KIND_REMOVED


def order(oid: int, size: int = 1) -> stop_order_pb2.StopOrder:
    return stop_order_pb2.StopOrder(oid=oid, size=f"{size}.0")


def snapshot(
    *orders: stop_order_pb2.StopOrder, chunk: int = 0, last: bool = True, sequence: int = 1
) -> stop_order_pb2.StopOrdersSnapshot:
    return stop_order_pb2.StopOrdersSnapshot(
        symbol="BTC", epoch=1, sequence=sequence, orders=orders, chunk=chunk, last_chunk=last
    )


def delta(
    *changes: stop_order_pb2.StopOrderChange, sequence: int = 2, previous: int = 1, epoch: int = 1
) -> stop_order_pb2.StopOrdersDelta:
    return stop_order_pb2.StopOrdersDelta(
        symbol="BTC", epoch=epoch, sequence=sequence, previous_sequence=previous, changes=changes
    )


def test_chunks_of_a_snapshot_add_up_and_the_next_one_begins_anew() -> None:
    market = ClientStops("BTC")
    was_current = []
    for part in (snapshot(order(1), last=False), snapshot(order(2), chunk=1)):
        assert market.apply_snapshot(part) is Outcome.SNAPSHOT
        was_current.append(market.is_current)
    assert was_current == [False, True]
    assert set(market.orders) == {1, 2}
    market.apply_snapshot(snapshot(order(3), sequence=7))
    assert set(market.orders) == {3}


def test_a_missing_chunk_is_a_hole() -> None:
    market = ClientStops("BTC")
    market.apply_snapshot(snapshot(order(1), last=False))
    assert market.apply_snapshot(snapshot(order(2), chunk=2)) is Outcome.HOLE
    assert not market.is_current


def test_a_delta_that_does_not_continue_is_a_hole_and_those_after_it_wait() -> None:
    market = ClientStops("BTC")
    assert market.apply_delta(delta()) is Outcome.IGNORED
    for broken in (delta(sequence=9, previous=8), delta(epoch=2)):
        market.apply_snapshot(snapshot(order(1)))
        assert market.apply_delta(broken) is Outcome.HOLE
        assert market.apply_delta(delta()) is Outcome.IGNORED


@given(st.lists(st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(1, 3)), max_size=4)))
def test_deltas_leave_what_a_plain_dictionary_holds(blocks: list[list[tuple[bool, int, int]]]) -> None:
    market = ClientStops("BTC")
    market.apply_snapshot(snapshot(order(1)))
    naive = {1: order(1)}
    for number, block in enumerate(blocks, start=1):
        changes = []
        for is_added, oid, size in block:
            if is_added:
                naive[oid] = order(oid, size)
            else:
                naive.pop(oid, None)
            kind = ADDED if is_added else REMOVED
            changes.append(stop_order_pb2.StopOrderChange(kind=kind, order=order(oid, size)))
        assert market.apply_delta(delta(*changes, sequence=number + 1, previous=number)) is Outcome.DELTA
        assert market.orders == naive
