"""Finding the layout: the fresh one, calm waiting, and errors that name the flag."""

import os
from pathlib import Path

import pytest

from hyperstream.errors import LayoutError
from hyperstream.sources.node.layout import Layout, NotYet, directory_of, existing_sources, find_layout
from tests.sources.node.node_lines import write


def diffs_file(data_dir: Path, layout: str, age_seconds: int = 0) -> None:
    path = write(directory_of(data_dir, "diffs", layout), "20260505/9", b"x")
    os.utime(path, (1_000_000 - age_seconds,) * 2)


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_the_only_layout_is_taken(tmp_path: Path, layout: str) -> None:
    diffs_file(tmp_path, layout)
    assert find_layout(tmp_path) == Layout(layout)
    assert find_layout(tmp_path, layout) == Layout(layout)


def test_the_layout_written_last_wins(tmp_path: Path) -> None:
    diffs_file(tmp_path, "by_block", age_seconds=3600)
    diffs_file(tmp_path, "streaming")
    assert find_layout(tmp_path) == Layout("streaming")
    assert find_layout(tmp_path, "by_block") == Layout("by_block")


def test_two_fresh_layouts_are_doubtful(tmp_path: Path) -> None:
    diffs_file(tmp_path, "by_block")
    diffs_file(tmp_path, "streaming", age_seconds=5)
    found = find_layout(tmp_path)
    assert isinstance(found, Layout)
    assert found.name == "by_block"
    assert "set node.layout" in found.doubt


def test_single_events_are_an_error_that_names_both_flags(tmp_path: Path) -> None:
    write(tmp_path / "node_raw_book_diffs" / "hourly", "20260505/9", b"{}")
    with pytest.raises(LayoutError, match="--batch-by-block or --stream-with-block-info"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("made", "wanted", "said"),
    [
        ("", "auto", "--write-raw-book-diffs and --batch-by-block"),
        ("node_order_statuses_by_block/hourly", "auto", "start the node with --write-raw-book-diffs"),
        ("node_raw_book_diffs_streaming/hourly", "by_block", "the node writes streaming"),
        ("node_raw_book_diffs_streaming/hourly", "streaming", ""),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, made: str, wanted: str, said: str) -> None:
    (tmp_path / made).mkdir(parents=True, exist_ok=True)
    found = find_layout(tmp_path, wanted)
    assert isinstance(found, NotYet) == bool(said)
    assert not isinstance(found, NotYet) or said in found.waiting_for


def test_a_missing_data_directory_is_waited_for(tmp_path: Path) -> None:
    found = find_layout(tmp_path / "data")
    assert isinstance(found, NotYet)
    assert str(tmp_path / "data") in found.waiting_for


def test_two_layouts_without_files_are_waited_for(tmp_path: Path) -> None:
    for layout in ("by_block", "streaming"):
        directory_of(tmp_path, "diffs", layout).mkdir(parents=True)
    assert isinstance(find_layout(tmp_path), NotYet)


def test_sources_that_exist_are_told(tmp_path: Path) -> None:
    for kind in ("diffs", "fills"):
        directory_of(tmp_path, kind, "by_block").mkdir(parents=True)
    assert existing_sources(tmp_path, "by_block") == {"diffs", "fills"}
    assert existing_sources(tmp_path, "streaming") == frozenset()
