"""Every indicator there is: TA-Lib's functions that stream, and our own.

TA-Lib is loaded by the first question about it, not when this is imported.
"""

from __future__ import annotations

import difflib
from functools import cache

from hyperstream.errors import IndicatorError
from hyperstream.market.indicators.book import BOOK_KINDS
from hyperstream.market.indicators.kind import IndicatorKind
from hyperstream.market.indicators.own_bars import BAR_KINDS

_OWN = {kind.name: kind for kind in (*BOOK_KINDS, *BAR_KINDS)}


@cache
def catalogue() -> tuple[IndicatorKind, ...]:
    """Return every kind, sorted by name. The first call loads TA-Lib and asks it (about 0.1 s)."""
    return tuple(kind_named(name) for name in sorted({*_OWN, *_ta_lib_names()}))


@cache
def kind_named(name: str) -> IndicatorKind:
    """Return a kind by its name. Raises IndicatorError with the nearest names if there is none."""
    own = _OWN.get(name)
    if own is not None:
        return own
    if name not in _ta_lib_names():
        raise IndicatorError("name", f"there is no indicator {name!r}{_nearest(name)}")
    from hyperstream.market.indicators import ta_lib

    return ta_lib.kind_of(name)


def _nearest(name: str) -> str:
    found = difflib.get_close_matches(name.lower(), [*_OWN, *_ta_lib_names()], n=3)
    return f"; did you mean {' or '.join(found)}?" if found else "; GetInstruments lists what there is"


@cache
def _ta_lib_names() -> frozenset[str]:
    from hyperstream.market.indicators import ta_lib

    return frozenset(ta_lib.function_names())
