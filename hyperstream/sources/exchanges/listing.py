"""What a venue lists, and whether a symbol is among it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from attrs import define, field

from hyperstream.market.venues import VenueInstrument

_CANDIDATES = 500


@define(eq=False)
class Listing:
    """The instruments of a venue by symbol; ``is_known`` once they were told."""

    venue: str
    instruments: dict[str, VenueInstrument] = field(factory=dict)
    is_known: bool = False

    def replace(self, instruments: Iterable[VenueInstrument]) -> bool:
        """Take the venue's newest list; returns whether it differs from what was known."""
        found = {instrument.symbol: instrument for instrument in instruments}
        is_news = not self.is_known or found != self.instruments
        self.instruments, self.is_known = found, True
        return is_news

    def problem(self, symbol: str) -> str:
        """Why a symbol cannot be followed, with the nearest one; ``""`` if it can."""
        instrument = self.instruments.get(symbol)
        if instrument is not None:
            return "" if instrument.is_active else f"{self.venue} does not trade {symbol!r} at present"
        nearest = self._nearest(symbol)
        hint = f"; did you mean {nearest}?" if nearest else ""
        return f"{self.venue} does not list {symbol!r}{hint}"

    def _nearest(self, symbol: str) -> str:
        folded = symbol.casefold()
        for listed in self.instruments:
            if listed.casefold() == folded:
                return listed
        # Comparing with thousands takes a while: only those that begin alike, and not all of them.
        alike = [listed for listed in self.instruments if listed[:1].casefold() == folded[:1]]
        matches = difflib.get_close_matches(symbol, alike[:_CANDIDATES], n=1)
        return matches[0] if matches else ""
