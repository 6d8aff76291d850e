"""The envelope of a node's line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.wire.node_lines import parse_envelope, parse_time_ns


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.integers(0, 9), st.integers(0, 10**9 - 1))  # noqa: DTZ001 - the node's times are naive
def test_times_with_any_number_of_fractional_digits(moment: datetime, digits: int, fraction: int) -> None:
    fraction -= fraction % 10 ** (9 - digits)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction:09d}"[: digits + 1] if digits else "")
    seconds = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
    assert parse_time_ns(text.encode()) == seconds * 10**9 + (fraction if digits else 0)


@given(st.binary(max_size=40))
def test_any_other_bytes_are_our_own_error(text: bytes) -> None:
    try:
        assert parse_time_ns(text) >= 0
    except FormatError:
        return


@pytest.mark.parametrize(
    "text",
    [
        b"2026-13-01T00:00:00",
        b"2026-01-01T25:00:00",
        b"2026-01-01 00:00:00",
        b"2026-01-01T00:00:00.",
        b"2026-01-01T00:00:00.1234567890",
        b"2026-01-01T00:00:00ZZ",
        b"2026-01-01T00:00:00.Z",
        b"2026-01-01T00:00:00.12Z3",
        b"2026-01-01T00:00:00+00:00",
        b"",
    ],
)
def test_what_is_not_a_time_of_the_node(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_time_ns(text)


@pytest.mark.parametrize(
    "text", ["2026-05-05T17:39:13", "2026-05-05T17:39:13.024", "2026-05-05T17:39:13.024084407"]
)
def test_a_time_that_says_it_is_utc_is_the_same_time(text: str) -> None:
    assert parse_time_ns(f"{text}Z".encode()) == parse_time_ns(text.encode())


LINE = (
    b'{"local_time":"2026-05-05T17:39:16.001926658","block_time":"2026-05-05T17:39:13.024",'
    b'"block_number":985148182,"events":[]}'
)


def test_an_envelope() -> None:
    envelope = parse_envelope(LINE)
    assert envelope.height == 985148182
    assert envelope.node_time_ns - envelope.block_time_ns == 2_977_926_658
    assert LINE[envelope.events_at :] == b"]}"


def test_the_order_of_the_fields_does_not_matter() -> None:
    times = b'"block_time":"2026-05-05T17:39:13","local_time":"2026-05-05T17:39:13"'
    swapped = b'{"block_number":7,' + times + b',"events":[]}'
    assert parse_envelope(swapped).height == 7


@pytest.mark.parametrize(
    "cut",
    [
        b'"block_number":985148182,',
        b'"local_time":"2026-05-05T17:39:16.001926658",',
        b'"events":[]',
        b"985148182",
    ],
)
def test_what_is_missing_is_named(cut: bytes) -> None:
    with pytest.raises(FormatError):
        parse_envelope(LINE.replace(cut, b""))


def test_fields_inside_the_events_are_not_taken_for_the_envelopes() -> None:
    with pytest.raises(FormatError):
        parse_envelope(
            b'{"events":[{"block_number":5,"block_time":"2026-05-05T17:39:13","local_time":"2026-05-05T17:39:13"}]}'
        )


@given(st.binary(max_size=200))
def test_any_line_gives_an_envelope_or_our_own_error(line: bytes) -> None:
    try:
        parse_envelope(line)
    except FormatError:
        return
