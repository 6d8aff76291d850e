"""Exact decimals: strings at the edges, integers scaled by 10^8 inside.

A venue writes a price as ``"81311.0"`` and a size as ``"0.61488"``. Inside, both are
integers of 10^-8 units (``_e8`` in names), so sums are exact and comparisons cheap.
Hyperliquid's prices and sizes have at most eight decimal places ("Tick and lot size" in
its documentation), so nothing is ever rounded; more digits are an error, not a guess.
"""

from collections.abc import Callable

from hyperstream.errors import DecimalError

SCALE = 100_000_000
PLACES = 8

_MOST_DIGITS = 24
_FRACTION_UNITS: list[int] = [10 ** (PLACES - places) for places in range(PLACES + 1)]


def parse_e8(text: str) -> int:
    """Return the decimal string as an integer of 10^-8 units.

    Raises DecimalError for signs, exponents, blanks, more than eight significant places
    or anything else that is not a plain decimal.
    """
    if isinstance(text, str):
        whole, point, fraction = text.partition(".")
        if len(fraction) > PLACES:
            fraction = fraction[:PLACES] + fraction[PLACES:].rstrip("0")
        digits = whole + fraction
        if (
            digits.isdigit()
            and digits.isascii()
            and 0 < len(whole) <= _MOST_DIGITS
            and len(fraction) <= PLACES
            and (fraction or not point)
        ):
            return int(digits) * _FRACTION_UNITS[len(fraction)]
    raise DecimalError(f"not a plain decimal of at most {PLACES} places: {text!r}")


def format_e8(value: int) -> str:
    """Return the venue's own spelling: shortest digits, at least one place (``"84143.0"``)."""
    whole, fraction = divmod(value, SCALE)
    if fraction == 0:
        return f"{whole}.0"
    return f"{whole}.{fraction:08d}".rstrip("0")


class DecimalCache(dict[str, int]):
    """Remembers parsed decimals: a market repeats the same few thousand strings.

    ``cache[text]`` is ``parse(text)``; a hit costs one dictionary look-up. The cache
    empties itself at ``limit`` entries, so memory stays bounded whatever arrives.
    """

    def __init__(self, limit: int = 200_000, parse: Callable[[str], int] = parse_e8) -> None:
        super().__init__()
        self.limit = limit
        self.parse = parse

    def __missing__(self, text: str) -> int:
        if len(self) >= self.limit:
            self.clear()
        value = self[text] = self.parse(text)
        return value
