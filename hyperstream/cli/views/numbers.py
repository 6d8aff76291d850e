"""Numbers as people read them: aligned digits, compact amounts, ages, bars, sparklines."""

from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import define

from hyperstream.market.decimals import PLACES, SCALE

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
BASIS_POINTS = 10_000

_EIGHTHS = " ▏▎▍▌▋▊▉"
_SPARKS = "▁▂▃▄▅▆▇█"


def places_of(value_e8: int) -> int:
    """Return how many decimal places a value needs: 0 for 81311, 5 for 0.61488."""
    places = PLACES
    while places and value_e8 % 10 == 0:
        value_e8 //= 10
        places -= 1
    return places


def fixed(value_e8: int, places: int) -> str:
    """Return a value with thousands grouped and exactly ``places`` decimals; never rounds up.

    Digits beyond ``places`` are cut, so callers that must not lose any pass what
    ``places_of`` returned.
    """
    whole, fraction = divmod(value_e8, SCALE)
    if not places:
        return f"{whole:,}"
    return f"{whole:,}.{fraction:08d}"[: places - PLACES or None]


def compact(value: float) -> str:
    """Return an amount in at most six characters: ``980``, ``12.3k``, ``4.56M``, ``1.20B``."""
    for limit, divisor, letter in ((1e3, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (1e12, 1e9, "B")):
        if value < limit * 0.9995:
            scaled = value / divisor
            places = (
                0
                if not letter and value == int(value)
                else 2
                if scaled < 9.995
                else 1
                if scaled < 99.95
                else 0
            )
            return f"{scaled:.{places}f}{letter}"
    return f"{value / 1e12:.1f}T"


def duration(nanoseconds: int) -> str:
    """Return a time span: ``83 ms``, ``4.2 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if abs(nanoseconds) < SECOND:
        return f"{nanoseconds // MILLISECOND} ms"
    seconds = nanoseconds / SECOND
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def clock_time(time_ns: int) -> str:
    """Return the time of day in UTC to the millisecond: ``17:03:59.042``."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest // MILLISECOND:03d}"


def basis_points(part_e8: int, whole_e8: int) -> float:
    """Return a part of a price in basis points (hundredths of a percent); 0 of nothing."""
    return part_e8 * BASIS_POINTS / whole_e8 if whole_e8 else 0.0


def bar(share: float, width: int) -> str:
    """Return a horizontal bar for a share of 0 to 1, in eighths of a character, not padded."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if eighths == 0 and share > 0:
        eighths = 1
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def calm_scale(largest: int) -> int:
    """Return 1, 2 or 5 times a power of ten, not below ``largest``: a scale that rarely moves."""
    power = int("1" + "0" * (len(str(largest)) - 1))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest)


def sparkline(values: Sequence[int], width: int) -> str:
    """Return the last ``width`` values as a line of blocks between their least and their greatest."""
    shown = values[-width:] if width > 0 else ()
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if low == high:
        return _SPARKS[3] * len(shown)
    return "".join(_SPARKS[(value - low) * (len(_SPARKS) - 1) // (high - low)] for value in shown)


@define(eq=False)
class Places:
    """The decimal places a column needs so far; only ever grows, so columns do not jump."""

    price: int = 0
    size: int = 0

    def see(self, price_e8: int, size_e8: int) -> None:
        """Take note of a price and a size, both integers of 10^-8."""
        self.price = max(self.price, places_of(price_e8))
        self.size = max(self.size, places_of(size_e8))
