"""What a server needs to know of prices, bars and indicators; the prices engine provides it.

Servers and engine do not know each other: both know this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from attrs import frozen

from hyperstream.hub.topic import Topic
from hyperstream.market.price_updates import SeriesName
from hyperstream.market.venues import VenueInstrument


@frozen
class VenueReport:
    """A venue as GetInstruments describes it.

    ``state`` is connecting, connected, down or off, since ``state_time_ns``. Without ``is_listed`` its
    instruments are not known yet.
    """

    name: str
    state: str
    detail: str
    state_time_ns: int
    is_listed: bool
    instruments: Iterable[VenueInstrument]


class PriceDirectory(Protocol):
    """All venues with their markets. What is asked for by name is made when it is first opened."""

    def venues(self) -> Sequence[VenueReport]:
        """Every venue, switched off or not."""

    def locate(self, venue: str, symbol: str) -> str:
        """The venue a selection means: the one named, or the first that has the symbol.

        Raises SelectionError if there is no such venue or market, or it cannot be had now.
        """

    def open(self, name: SeriesName) -> Sequence[Topic]:
        """The topics of a series: one, or one of closed and one of forming bars.

        The venue and symbol must have been located. Raises SelectionError if it cannot be had.
        """
