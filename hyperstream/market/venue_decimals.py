"""Exact decimals of exchanges: integers of 10^-12 units (``_e12`` in names).

Spot markets of other venues have prices of up to ten decimal places, two more than ``market.decimals``
knows. As there nothing is ever rounded: more digits are an error, not a guess.
"""

from __future__ import annotations

from hyperstream.errors import DecimalError
from hyperstream.market.decimals import DecimalCache

PLACES = 12
SCALE = 1_000_000_000_000
_MOST_DIGITS = 24


def parse_e12(text: str) -> int:
    """Return the plain decimal string as an integer of 10^-12 units; raises DecimalError."""
    if isinstance(text, str) and text.isascii():
        whole, point, fraction = text.partition(".")
        if whole.isdigit() and len(whole) <= _MOST_DIGITS:
            if not point:
                return int(whole) * SCALE
            if len(fraction) > PLACES:
                fraction = fraction[:PLACES] + fraction[PLACES:].rstrip("0")
            if fraction.isdigit() and len(fraction) <= PLACES:
                return int(whole) * SCALE + int(fraction.ljust(PLACES, "0"))
    raise DecimalError(f"not a plain decimal of at most {PLACES} places: {str(text)[:80]!r}")


def format_e12(value: int) -> str:
    """Return the shortest spelling, with at least one place (``"84143.0"``)."""
    whole, fraction = divmod(value, SCALE)
    if fraction == 0:
        return f"{whole}.0"
    return f"{whole}.{fraction:012d}".rstrip("0")


class VenueDecimals(DecimalCache):
    """Remembers parsed decimals; ``decimals[text]`` is ``parse_e12(text)``."""

    def __init__(self, limit: int = 20_000) -> None:
        super().__init__(limit, parse_e12)


decimals = VenueDecimals()
