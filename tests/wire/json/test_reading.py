"""What strangers send is read only if it could be quoted to them."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.wire.json.reading import read_json


@pytest.mark.parametrize("depth", [255, 600, 1024, 5000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_deeper_than_it_could_be_written_is_refused(
    depth: int, opening: str, closing: str
) -> None:
    with pytest.raises(FormatError):
        read_json(opening * depth + "1" + closing * depth)


def test_what_is_nested_less_deep_is_read() -> None:
    assert read_json("[" * 200 + "]" * 200)


@given(st.one_of(st.text(), st.binary()))
def test_any_bytes_are_a_value_that_can_be_written_or_our_error(data: str | bytes) -> None:
    try:
        value = read_json(data)
    except FormatError:
        return
    orjson.dumps(value)
