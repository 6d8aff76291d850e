"""What the lists of all exchanges share: members are read one by one, and what is not needed may be odd.

A list has hundreds of members, of which some are unlike the others: not launched yet, delisted, of a kind
that did not exist last year. One that cannot be read is left out and told, and takes no other with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from hyperstream.errors import FormatError
from hyperstream.market.venues import VenueInstrument
from hyperstream.wire.venue_fields import MALFORMED

_is_decimal = re.compile(r"[0-9]{1,24}(?:\.[0-9]{1,24})?").fullmatch
_PLACES = 12


def read_each(
    members: Iterable[Any], read: Callable[[Any], VenueInstrument], odd: list[str]
) -> list[VenueInstrument]:
    """Read every member of a list; what is wrong with those that cannot be read is put into ``odd``.

    Raises FormatError where none can be read: then it is the list that is unlike what it was.
    """
    found = []
    problems = []
    for member in members:
        try:
            found.append(read(member))
        except MALFORMED as exc:
            problems.append(f"{exc!r:.100}: {member!r:.100}")
    if problems and not found:
        raise FormatError(f"none of its {len(problems)} members can be read; the first: {problems[0]}")
    odd += problems
    return found


def step(value: Any) -> str:
    """Return a price's or size's step as a decimal string, ``""`` for what is none.

    Venues write strings; a number, should one come, is spelled out.
    """
    if type(value) is str:
        return value if _is_decimal(value) else ""
    if type(value) in (int, float) and 0 < value < 10**_PLACES:
        return f"{value:.{_PLACES}f}".rstrip("0").rstrip(".")
    return ""


def optional_name(value: Any) -> str:
    """Return a venue's string, ``""`` for anything else: nothing depends on it."""
    return value if type(value) is str else ""
