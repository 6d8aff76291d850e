"""Books as a subscriber rebuilds them, strictly: a hole or an unknown level is an error."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Level = tuple[str, str, int]
Sides = tuple[tuple[Level, ...], tuple[Level, ...]]


class RebuiltBook:
    """The levels of one market, from a snapshot and the deltas after it."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.epoch = 0
        self.sequence = 0
        self.height = 0
        self._sides: tuple[dict[str, tuple[str, int]], ...] = ({}, {})

    def take_snapshot(self, snapshot: Any) -> None:
        """Begin anew."""
        self._sides = ({}, {})
        for side, levels in self._pairs(snapshot):
            for level in levels:
                assert level.price not in side, f"{snapshot.symbol}: twice {level.price} in a snapshot"
                side[level.price] = level.size, level.order_count
        assert [[level.price for level in levels] for levels in (snapshot.bids, snapshot.asks)] == [
            [price for price, _, _ in levels] for levels in self.sides()
        ], f"{snapshot.symbol}: a snapshot is not sorted best first"
        self._take_head(snapshot)

    def take_delta(self, delta: Any) -> None:
        """Apply what changed."""
        where = f"{delta.symbol} at {delta.height}, sequence {delta.sequence}"
        assert delta.epoch == self.epoch, f"{where}: epoch {delta.epoch} without a snapshot"
        assert delta.previous_sequence == self.sequence, f"{where}: the book stands at {self.sequence}"
        assert delta.sequence == self.sequence + 1, where
        assert delta.height >= self.height, where
        for side, levels in self._pairs(delta):
            for level in levels:
                if level.size == "0":
                    assert level.price in side, f"{where}: removes {level.price}, which is not there"
                    del side[level.price]
                else:
                    side[level.price] = level.size, level.order_count
            assert len(side) <= self.depth, f"{where}: {len(side)} levels in a depth of {self.depth}"
        self._take_head(delta)

    def sides(self) -> Sides:
        """Bids and asks, best first."""
        bids, asks = self._sides
        return (
            tuple((price, *bids[price]) for price in sorted(bids, key=Decimal, reverse=True)),
            tuple((price, *asks[price]) for price in sorted(asks, key=Decimal)),
        )

    def _pairs(self, update: Any) -> tuple[tuple[dict[str, tuple[str, int]], Any], ...]:
        return ((self._sides[0], update.bids), (self._sides[1], update.asks))

    def _take_head(self, update: Any) -> None:
        self.epoch, self.sequence, self.height = update.epoch, update.sequence, update.height
        if update.node_time_ns:  # a snapshot of the node tells its height and no times
            assert 0 < update.read_time_ns <= update.publish_time_ns
