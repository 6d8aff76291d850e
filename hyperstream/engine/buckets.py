"""The aggregations of one market's book: each is kept once, for all who follow it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import define, field

from hyperstream.market.aggregation import AggregatedSide, Aggregation, best_buckets
from hyperstream.market.book import Book
from hyperstream.market.level import AnyLevel
from hyperstream.market.window import AnySide, best_levels


@define(eq=False)
class Buckets:
    """Bids and asks by aggregation; those of one that nobody has asked for are made when somebody does."""

    book: Book
    _sides: dict[Aggregation, tuple[AggregatedSide, AggregatedSide]] = field(factory=dict)
    _followed_up: set[Aggregation] = field(factory=set)

    def __len__(self) -> int:
        """How many aggregations are kept."""
        return len(self._sides)

    def sides(self, aggregation: Aggregation | None) -> tuple[AnySide, AnySide]:
        """Bids and asks, aggregated if asked for, and kept from then on."""
        if aggregation is None:
            return self.book.sides()
        sides = self._sides.get(aggregation)
        if sides is None:
            bids, asks = self.book.sides()
            sides = AggregatedSide(bids, aggregation), AggregatedSide(asks, aggregation)
            self._sides[aggregation] = sides
        return sides

    def best(
        self, aggregation: Aggregation | None, depth: int
    ) -> tuple[Sequence[AnyLevel], Sequence[AnyLevel]]:
        """The best ``depth`` bids and asks, for who asks once: nothing is kept for it."""
        if aggregation is None or aggregation in self._sides:
            bids, asks = self.sides(aggregation)
            return best_levels(bids, depth), best_levels(asks, depth)
        plain_bids, plain_asks = self.book.sides()
        return best_buckets(plain_bids, aggregation, depth), best_buckets(plain_asks, aggregation, depth)

    def follow_up(self, aggregation: Aggregation) -> None:
        """Bring the buckets up to the block, once."""
        if aggregation not in self._followed_up:
            self._followed_up.add(aggregation)
            for side in self._sides[aggregation]:
                side.follow()

    def end_block(self) -> None:
        """The block has been published: what it touched is told."""
        for aggregation, sides in self._sides.items():
            self.follow_up(aggregation)
            for side in sides:
                side.touched.clear()
        self._followed_up.clear()

    def keep(self, used: Collection[Aggregation | None]) -> None:
        """Drop all but these."""
        self._sides = {key: sides for key, sides in self._sides.items() if key in used}
