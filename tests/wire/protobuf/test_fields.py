"""Single fields, against the encoder of the protobuf library."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyperstream.v1 import common_pb2, orderbook_pb2
from hyperstream.wire.protobuf.fields import bytes_field, string_field, tag_bytes, varint, varint_field

from . import values


@given(values.UINT64)
@example(0)
@example(0x7F)
@example(0x80)
@example(0x3FFF)
@example(0x4000)
@example(2**64 - 1)
def test_a_varint_field_is_spelled_as_the_library_spells_it(value: int) -> None:
    expected = common_pb2.ResumePoint(epoch=value).SerializeToString()
    assert varint_field(2, value) == expected
    assert expected == (b"\x10" + varint(value) if value else b"")


@given(st.integers(0, 2**200))
def test_a_varint_of_any_size_reads_back(value: int) -> None:
    read = 0
    encoded = varint(value)
    for place, byte in enumerate(encoded):
        read |= (byte & 0x7F) << 7 * place
        assert bool(byte & 0x80) == (place < len(encoded) - 1)
    assert read == value


@given(st.integers(max_value=-1))
def test_a_negative_number_is_refused_instead_of_spelled_as_another(value: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        varint(value)


@given(values.TEXTS)
def test_a_string_field_is_spelled_as_the_library_spells_it(text: str) -> None:
    assert string_field(1, text) == orderbook_pb2.Level(price=text).SerializeToString()


@given(st.binary(max_size=40_000))
def test_a_length_may_take_several_bytes(body: bytes) -> None:
    field = bytes_field(tag_bytes(1), body)
    assert field == b"\x0a" + varint(len(body)) + body
