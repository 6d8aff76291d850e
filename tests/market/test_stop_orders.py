"""The waiting orders of a market, against a plain dictionary."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.stop_orders import StopChange, StopOrder, StopOrders, TriggerCondition


def waiting(oid: int, trigger_price: str = "77409.0", **more: Any) -> StopOrder:
    fields: dict[str, Any] = {
        "oid": oid,
        "user": "0x" + "a" * 40,
        "is_bid": False,
        "trigger_price": trigger_price,
        "trigger_condition": TriggerCondition.BELOW,
        "limit_price": "76635.0",
        "size": "0.00012",
        "order_type": "Stop Market",
        "reduce_only": True,
        "is_position_tpsl": False,
        "tif": "",
        "cloid": "",
        "placed_time_ns": 1_777_582_003_843_000_000,
    }
    return StopOrder(**fields | more)


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ("Price above 76717", TriggerCondition.ABOVE),
        ("Price below 77409", TriggerCondition.BELOW),
        ("N/A", TriggerCondition.UNKNOWN),
        ("Triggered", TriggerCondition.UNKNOWN),
        ("Price near 1", TriggerCondition.UNKNOWN),
    ],
)
def test_the_condition_is_read_from_the_nodes_words(words: str, condition: TriggerCondition) -> None:
    assert TriggerCondition.parse(words) is condition


oids = st.integers(1, 6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), oids, st.sampled_from(["1.0", "2.0"])),
        st.tuples(st.just("remove"), oids, st.sampled_from(["triggered", "canceled"])),
        st.tuples(st.just("take"), st.none(), st.none()),
        st.tuples(st.just("keep"), st.booleans(), st.none()),
    ),
    max_size=60,
)


@given(steps)
def test_orders_and_changes_are_those_of_a_plain_dictionary(each: list[tuple[str, Any, Any]]) -> None:
    orders = StopOrders()
    naive: dict[int, StopOrder] = {}
    followed: dict[int, StopOrder] | None = None

    def take() -> None:
        """Do to a follower's copy what changes say; it must hold what waits."""
        nonlocal followed
        changes = orders.take_changes()
        if followed is None:
            assert not changes
            return
        for change in changes:
            if change.status:
                assert followed.pop(change.order.oid) == change.order
            else:
                assert followed.get(change.order.oid) != change.order
                followed[change.order.oid] = change.order
        assert followed == naive

    for what, which, detail in each:
        if what == "add":
            order = waiting(which, detail)
            orders.add(order)
            naive[which] = order
        elif what == "remove":
            orders.remove(which, detail)
            naive.pop(which, None)
        elif what == "take":
            take()
        else:
            orders.keep_changes(which)
            followed = dict(naive) if which else None
        assert {order.oid: order for order in orders.orders()} == naive
        assert len(orders) == len(naive)
        assert all((oid in orders) == (oid in naive) for oid in range(1, 7))
    take()


def test_an_order_told_twice_in_a_row_is_one_change() -> None:
    orders = StopOrders()
    orders.keep_changes(True)
    orders.add(waiting(1, "1.0"))
    orders.add(waiting(1, "2.0"))
    orders.add(waiting(1, "2.0"))
    assert orders.take_changes() == [StopChange(waiting(1, "2.0"))]
    orders.remove(1, "triggered")
    orders.remove(1, "canceled")
    assert orders.take_changes() == [StopChange(waiting(1, "2.0"), "triggered")]
    assert orders.take_changes() == []
