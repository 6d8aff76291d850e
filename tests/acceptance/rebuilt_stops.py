"""The stop and take-profit orders of a market as a subscriber rebuilds them, strictly."""

from __future__ import annotations

from typing import Any

from hyperstream.testing import TrueOrder

from .contract import number


class RebuiltStops:
    """One market's waiting orders, from the chunks of a snapshot and the changes after it."""

    def __init__(self) -> None:
        self.epoch = 0
        self.sequence = 0
        self.orders: dict[int, Any] = {}
        self.removals: list[str] = []
        self._chunks: list[Any] = []

    @property
    def is_whole(self) -> bool:
        """Whether a snapshot's last chunk has come."""
        return bool(self.epoch) and not self._chunks

    def take_chunk(self, chunk: Any) -> None:
        """A part of a snapshot."""
        assert chunk.chunk == len(self._chunks), chunk.symbol
        self._chunks.append(chunk)
        assert len({(one.epoch, one.sequence, one.height) for one in self._chunks}) == 1
        if chunk.last_chunk:
            listed = [order for one in self._chunks for order in one.orders]
            self.orders = {order.oid: order for order in listed}
            assert len(self.orders) == len(listed), f"{chunk.symbol}: an order is listed twice"
            self._chunks = []
        self.epoch, self.sequence = chunk.epoch, chunk.sequence

    def take_delta(self, delta: Any) -> None:
        """The changes of a block."""
        where = f"{delta.symbol} at {delta.height}, sequence {delta.sequence}"
        assert self.is_whole, where
        assert (delta.epoch, delta.previous_sequence) == (self.epoch, self.sequence), where
        assert delta.sequence == self.sequence + 1, where
        assert delta.changes, where
        for change in delta.changes:
            oid = change.order.oid
            if change.kind == number("STOP_ORDER_CHANGE_KIND_ADDED"):
                assert not change.status, where
                self.orders[oid] = change.order
            else:
                assert change.kind == number("STOP_ORDER_CHANGE_KIND_REMOVED"), where
                assert change.order == self.orders.pop(oid), f"{where}: order {oid}"
                self.removals.append(change.status)
        self.sequence = delta.sequence


def described(order: Any) -> tuple[Any, ...]:
    """A received order, comparable with ``truly_described``."""
    return (
        order.oid,
        order.user,
        order.side,
        order.trigger_price,
        order.trigger_condition,
        order.limit_price,
        order.size,
        order.order_type,
        order.reduce_only,
        order.is_position_tpsl,
        order.tif,
        order.cloid,
        order.placed_time_ns,
    )


def truly_described(order: TrueOrder) -> tuple[Any, ...]:
    """The node's own order in the words of the contract."""
    assert order.is_trigger
    words, _, _ = order.trigger_condition.rpartition(" ")
    condition = {"Price above": "TRIGGER_CONDITION_ABOVE", "Price below": "TRIGGER_CONDITION_BELOW"}[words]
    return (
        order.oid,
        order.user,
        number("SIDE_BID" if order.side == "B" else "SIDE_ASK"),
        order.trigger_price,
        number(condition),
        order.price,
        order.size,
        order.order_type,
        order.reduce_only,
        order.is_position_tpsl,
        order.tif or "",
        order.cloid or "",
        order.timestamp * 1_000_000,
    )
