"""Bar intervals: spelling, and where a bar begins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.market.intervals import SECOND_NS, Interval


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * SECOND_NS  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "spelled", "seconds"),
    [
        ("1s", "1s", 1),
        ("90s", "90s", 90),
        ("60s", "1m", 60),
        ("3m", "3m", 180),
        ("60m", "1h", 3600),
        ("4h", "4h", 14_400),
        ("24h", "1d", 86_400),
        ("3d", "3d", 259_200),
        ("7d", "7d", 604_800),
        ("1w", "1w", 604_800),
        ("2w", "2w", 1_209_600),
        ("366d", "366d", 31_622_400),
    ],
)
def test_an_interval_has_one_spelling(text: str, spelled: str, seconds: int) -> None:
    interval = Interval.parse(text)
    assert (interval.text, str(interval), interval.duration_ns) == (spelled, spelled, seconds * SECOND_NS)
    assert Interval.parse(spelled) == interval


def test_seven_days_are_no_week() -> None:
    assert Interval.parse("7d") != Interval.parse("1w")


@pytest.mark.parametrize(
    "text",
    ["", "1", "m", "0m", "-1m", "1.5h", "1M", "1y", " 1m", "1m ", "1 m", "01m", "367d", "1e3s", "\u0661m"],
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="interval"):
        Interval.parse(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("1s", (2026, 11, 20, 13, 47, 58)),
        ("5m", (2026, 11, 20, 13, 45)),
        ("1h", (2026, 11, 20, 13)),
        ("4h", (2026, 11, 20, 12)),
        ("1d", (2026, 11, 20)),
        ("1w", (2026, 11, 16)),
    ],
)
def test_where_a_bar_begins(text: str, start: tuple[int, ...]) -> None:
    """2026-11-20 is a Friday; its week began on Monday 2026-11-16."""
    interval = Interval.parse(text)
    at = ns(2026, 11, 20, 13, 47, 58) + 999_999_999
    assert interval.start_of(at) == ns(*start)
    assert interval.start_of(ns(*start)) == ns(*start)
    assert interval.start_of(ns(*start) - 1) == ns(*start) - interval.duration_ns


@given(st.integers(0, 2 * 10**18), st.integers(1, 5000), st.sampled_from("smhdw"))
def test_a_time_is_inside_the_bar_that_holds_it(time_ns: int, count: int, unit: str) -> None:
    try:
        interval = Interval.parse(f"{count}{unit}")
    except FormatError:
        return
    start = interval.start_of(time_ns)
    assert start <= time_ns < start + interval.duration_ns
    assert interval.start_of(start + interval.duration_ns - 1) == start
    assert Interval.parse(interval.text) == interval


def test_what_is_made_of_what() -> None:
    def is_made(coarse: str, fine: str) -> bool:
        return Interval.parse(coarse).is_made_of(Interval.parse(fine))

    assert is_made("5m", "1m")
    assert is_made("1w", "1d")
    assert is_made("1d", "1d")
    assert not is_made("5m", "2m")
    assert not is_made("1m", "5m")
    assert is_made("2w", "1w")
    assert not is_made("7d", "1w")
    assert not is_made("1w", "7d")
