"""One side of a book as exchanges tell it: price levels without orders, in the venue's own strings.

A level is the pair ``(price, size)`` the venue wrote. It is found and ordered by an integer key, its
price in 10^-12 units (``venue_decimals.py``). Prices are kept in a plain sorted list, the best last, so
that the top of a side of 5,000 levels is a slice (docs/decisions/0001-sorted-levels.md).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from hyperstream.market.venue_decimals import decimals

MAX_LEVELS = 20_000

PriceSize = tuple[str, str]


class VenueSide:
    """Bids (``sign`` 1) or asks (``sign`` -1) of one market, ``key = price_e12 * sign``.

    Beyond ``max_levels`` the worst prices are forgotten, so that no peer can fill the memory.
    """

    __slots__ = ("_keys", "_levels", "max_levels", "sign")

    def __init__(self, sign: int, max_levels: int = MAX_LEVELS) -> None:
        self.sign = sign
        self.max_levels = max_levels
        self._levels: dict[int, PriceSize] = {}
        self._keys: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def replace(self, levels: Iterable[Sequence[str]]) -> None:
        """Take these levels instead of all there were; those of size zero are no levels.

        Raises DecimalError, or ValueError where a level is no pair; the side is empty then.
        """
        self.clear()
        sign = self.sign
        found: dict[int, PriceSize] = {}
        for price, size in levels:
            if decimals[size]:
                found[decimals[price] * sign] = (price, size)
        self._levels = found
        self._keys = sorted(found)
        self._forget_the_worst()

    def apply(self, levels: Iterable[Sequence[str]]) -> None:
        """Set each level to its size; size zero removes it, whether it is there or not.

        Raises DecimalError, or ValueError where a level is no pair; what came before it is applied.
        """
        sign, held, keys = self.sign, self._levels, self._keys
        for price, size in levels:
            key = decimals[price] * sign
            if decimals[size]:
                if key not in held:
                    insort(keys, key)
                held[key] = (price, size)
            elif held.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]
        if len(keys) > self.max_levels:
            self._forget_the_worst()

    def _forget_the_worst(self) -> None:
        surplus = len(self._keys) - self.max_levels
        if surplus > 0:
            for key in self._keys[:surplus]:
                del self._levels[key]
            del self._keys[:surplus]

    def clear(self) -> None:
        """Forget every level."""
        self._levels = {}
        self._keys = []

    def top(self, depth: int) -> list[PriceSize]:
        """The best ``depth`` levels, best first; costs what ``depth`` costs, not what the side holds."""
        if depth <= 0:
            return []
        levels = self._levels
        return [levels[key] for key in reversed(self._keys[-depth:])]
