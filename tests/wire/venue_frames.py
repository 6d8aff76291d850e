"""What the tests of the exchanges' decoders share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from hyperstream.errors import FormatError


def equal(found: object, expected: object) -> bool:
    """Compare values by what they hold: what comes by the thousand has no equality of its own."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(equal, found, expected))
    return type(found) is type(expected) and _held(found) == _held(expected)


def _held(value: object) -> dict[str, Any]:
    names = type(value).__slots__  # type: ignore[attr-defined] # every one of them has slots
    return {name: getattr(value, name) for name in names if name != "__weakref__"}


def value_or_one_error(read: Callable[[], object]) -> None:
    """Call it; what it raises must be a FormatError, short enough for a log."""
    try:
        read()
    except FormatError as exc:
        message = str(exc)
    else:
        return
    assert "sent what cannot be read" in message
    assert len(message) < 1_000


def any_json(keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON values whose objects like these keys: what a venue gone mad may send."""
    numbers = st.one_of(st.integers(-5, 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False))
    texts = st.one_of(st.text(max_size=5), st.sampled_from(["0", "1.5", "-1", "nan", "snapshot", "delta"]))
    leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(keys), inner, max_size=len(keys))
        ),
        max_leaves=12,
    )
