"""Mark prices as they are published."""

from __future__ import annotations

from attrs import define, frozen

from hyperstream.market.mark_price import MarkInput
from hyperstream.market.updates import Update


@frozen
class Absence:
    """Of a source that could be a part of the mark nothing is used: a sentence says why."""

    source: str
    reason: str


@frozen
class Mark:
    """A market's mark price and what made it.

    ``price`` is exact, in the venue's spelling, and empty if there is none. ``venue_price`` is the venue's
    own, empty while unknown; ``difference_basis_points`` is how far ``price`` is above it, None without both.
    """

    price: str = ""
    inputs: tuple[MarkInput, ...] = ()
    absent: tuple[Absence, ...] = ()
    venue_price: str = ""
    difference_basis_points: float | None = None
    averaging_since_ns: int = 0


@define(eq=False)
class MarkUpdate(Update):
    """The mark price of one market."""

    mark: Mark
