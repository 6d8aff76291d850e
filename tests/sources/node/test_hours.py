"""The hourly files of a directory: numeric order, and nothing but hours."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import LayoutError
from hyperstream.sources.node.hours import list_hours, newest_hour, parse_hour
from tests.sources.node.node_lines import write


def test_hour_ten_comes_after_hour_nine_and_midnight_after_hour_23(tmp_path: Path) -> None:
    for file in ("20260506/0", "20260505/10", "20260505/9", "20260505/23"):
        write(tmp_path, file)
    assert [hour.file for hour in list_hours(tmp_path)] == [
        "20260505/9", "20260505/10", "20260505/23", "20260506/0",
    ]  # fmt: skip
    newest = newest_hour(tmp_path)
    assert newest is not None
    assert newest.file == "20260506/0"


def test_other_names_are_not_hours(tmp_path: Path) -> None:
    for file in ("20260505/24", "20260505/9.tmp", "20260505/-1", "2026050/5", "latest/5", "20260505/³"):
        write(tmp_path, file)
    assert list_hours(tmp_path) == []
    assert newest_hour(tmp_path) is None


def test_a_leading_zero_keeps_its_spelling_and_counts_once(tmp_path: Path) -> None:
    write(tmp_path, "20260505/09")
    write(tmp_path, "20260505/9")
    assert [hour.file for hour in list_hours(tmp_path)] == ["20260505/09"]


def test_a_missing_directory_has_no_hours(tmp_path: Path) -> None:
    assert list_hours(tmp_path / "absent") == []
    assert newest_hour(tmp_path / "absent") is None


def test_an_empty_newer_date_does_not_hide_the_newest_file(tmp_path: Path) -> None:
    write(tmp_path, "20260505/23")
    (tmp_path / "20260506").mkdir()
    newest = newest_hour(tmp_path)
    assert newest is not None
    assert newest.file == "20260505/23"


@given(st.text(max_size=10), st.text(max_size=4))
def test_any_names_are_hours_or_not(date: str, name: str) -> None:
    hour = parse_hour(date, name)
    assert hour is None or (hour.file == f"{date}/{name}" and 0 <= hour.hour < 24)


def test_a_directory_that_may_not_be_listed_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(LayoutError, match="give the user of hyperstream access"):
        list_hours(tmp_path)
