"""gzip both ways, and never more than the limit in memory."""

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.servers.grpc.compression import TooLongError, accepts_gzip, deflate, inflate


@given(st.binary(max_size=5000))
def test_what_is_deflated_inflates_again_and_is_gzip_for_others(data: bytes) -> None:
    assert inflate(deflate(data), 5000) == data
    assert gzip.decompress(deflate(data)) == data


def test_a_bomb_is_refused_before_it_is_in_memory() -> None:
    bomb = gzip.compress(bytes(200_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(TooLongError, match="more than 1000000 bytes"):
            inflate(bomb, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300))
def test_any_bytes_inflate_or_are_refused_with_a_sentence(data: bytes) -> None:
    told = ""
    try:
        inflate(data, 1000)
    except ValueError as exc:
        told = str(exc)
    assert told.startswith(("not gzip", "more than")) or data.startswith(b"\x1f\x8b")


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data + b"x", lambda data: b""])
def test_a_stream_cut_short_or_too_long_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(ValueError, match="not gzip"):
        inflate(damage(deflate(b"a message")), 1000)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("identity, deflate, gzip", True), ("gzip", True), ("gzipped", False), ("", False)],
)
def test_gzip_is_found_among_what_a_client_accepts(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected
