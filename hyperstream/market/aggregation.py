"""Prices aggregated by significant figures and mantissa, as Hyperliquid's book requests do.

With prices as integers v of 10^-8 units and D the number of decimal digits of v:

    step = mantissa * 10^max(0, D - significant_figures)
    bid bucket = floor(v / step) * step
    ask bucket = ceil(v / step) * step

Sizes and order counts of a bucket are summed over the whole side before the depth is cut.
Source: levels.rs of Hyperliquid's public order_book_server, equal to what its API shows. That
server walks from the best price and opens a bucket at each price outside the last one; because
every power of ten is a multiple of the step, this is the same as bucketing each price by itself.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from attrs import field, frozen

from hyperstream.market.book import BookSide
from hyperstream.market.decimals import format_e8
from hyperstream.market.level import Bucket


@frozen
class Aggregation:
    """How prices are put together: 2 to 5 significant figures; mantissa 2 or 5 only with 5 figures.

    A mantissa of 1 is the plain step. Raises ValueError for anything else.
    """

    significant_figures: int = field()
    mantissa: int = 1

    def __attrs_post_init__(self) -> None:
        if not 2 <= self.significant_figures <= 5:
            raise ValueError(f"significant_figures must be 2, 3, 4 or 5, not {self.significant_figures}")
        if self.mantissa not in (1, 2, 5):
            raise ValueError(f"mantissa must be 2 or 5 (or left out), not {self.mantissa}")
        if self.mantissa != 1 and self.significant_figures != 5:
            raise ValueError("mantissa is only possible with significant_figures 5")

    def step_e8(self, price_e8: int) -> int:
        """The width of the bucket that holds this price."""
        power: int = 10 ** max(0, len(str(price_e8)) - self.significant_figures)
        return self.mantissa * power

    def bucket_key(self, key: int) -> int:
        """The key of the bucket that a level's key falls into (see Level: asks are negative).

        Flooring the key rounds bids down and asks up.
        """
        step = self.step_e8(abs(key))
        return key // step * step

    def bucket_range(self, key: int) -> tuple[int, int]:
        """The bucket of a level's key, and the first greater key that may belong to another.

        Going to greater keys ask prices fall: below a power of ten they have a digit less, and a finer step.
        """
        step = self.step_e8(abs(key))
        low = key // step * step
        if key > 0:
            return low, low + step
        power: int = 10 ** (len(str(-key)) - 1)
        return low, min(low + step, 1 - power)


class AggregatedSide:
    """One side of a book in buckets, kept up by what changed underneath.

    Has the same ``levels``, ``keys``, ``touched`` and ``sign`` as a BookSide. ``follow`` must be
    called after each block, before the book's own ``touched`` is cleared.
    """

    __slots__ = ("_aggregation", "_seen", "_source", "keys", "levels", "sign", "touched")

    def __init__(self, source: BookSide, aggregation: Aggregation) -> None:
        self.sign = source.sign
        self.levels: dict[int, Bucket] = {}
        self.keys: list[int] = []
        self.touched: set[int] = set()
        self._aggregation = aggregation
        self._source = source
        self._seen: dict[int, tuple[int, int, int]] = {}  # level key -> bucket key, size_e8, order count
        self._take_all()

    def _take_all(self) -> None:
        """Bucket a side that may have thirty thousand levels; those of a bucket are neighbours."""
        bucket, low, high = Bucket(0, ""), 0, -(2**63)
        for key in self._source.keys:
            level = self._source.levels[key]
            if key >= high:
                low, high = self._aggregation.bucket_range(key)
                found = self.levels.get(low)
                if found is None:
                    found = self.levels[low] = Bucket(low, format_e8(abs(low)))
                    self.keys.append(low)
                bucket = found
            size_e8, count = level.size_e8, len(level.orders)
            self._seen[key] = low, size_e8, count
            bucket.size_e8 += size_e8
            bucket.order_count += count

    def follow(self) -> None:
        """Bring the buckets up to the levels touched since the last call."""
        for key in self._source.touched:
            self._take(key)

    def _take(self, key: int) -> None:
        level = self._source.levels.get(key)
        size_e8, count = (level.size_e8, len(level.orders)) if level is not None else (0, 0)
        seen = self._seen.get(key)
        if seen is None:
            if level is None:
                return
            bucket_key, old_size_e8, old_count = self._aggregation.bucket_key(key), 0, 0
        else:
            bucket_key, old_size_e8, old_count = seen
            if size_e8 == old_size_e8 and count == old_count:
                return
        if count:
            self._seen[key] = bucket_key, size_e8, count
        else:
            del self._seen[key]
        bucket = self.levels.get(bucket_key)
        if bucket is None:
            bucket = self.levels[bucket_key] = Bucket(bucket_key, format_e8(abs(bucket_key)))
            insort(self.keys, bucket_key)
        bucket.size_e8 += size_e8 - old_size_e8
        bucket.order_count += count - old_count
        bucket.protobuf_bytes = bucket.json_bytes = None
        self.touched.add(bucket_key)
        if not bucket.order_count:
            del self.levels[bucket_key]
            del self.keys[bisect_left(self.keys, bucket_key)]


def best_buckets(side: BookSide, aggregation: Aggregation, depth: int) -> list[Bucket]:
    """The best ``depth`` buckets of a side, best first, for who asks once.

    Price by price away from the best: what is not beyond the edge of the last bucket belongs to it.
    """
    buckets: list[Bucket] = []
    for key in reversed(side.keys):
        if not buckets or key < buckets[-1].key:
            if len(buckets) == depth:
                break
            low = aggregation.bucket_key(key)
            buckets.append(Bucket(low, format_e8(abs(low))))
        level, bucket = side.levels[key], buckets[-1]
        bucket.size_e8 += level.size_e8
        bucket.order_count += len(level.orders)
    return buckets
