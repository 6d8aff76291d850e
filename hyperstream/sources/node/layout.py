"""Which of the node's three ways of writing is in use, and where its files are.

``--batch-by-block`` writes ``node_raw_book_diffs_by_block/hourly/…``, ``--stream-with-block-info``
``…_streaming/hourly/…``, neither of them ``node_raw_book_diffs/hourly/…`` with bare events that do
not tell their block and cannot be used.
"""

from pathlib import Path

from attrs import frozen

from hyperstream.errors import LayoutError
from hyperstream.sources.node.blocks import LAYOUTS
from hyperstream.sources.node.hours import newest_hour
from hyperstream.sources.node.reader import DIFFS, FILLS, KINDS, STATUSES

STEMS = {DIFFS: "node_raw_book_diffs", STATUSES: "node_order_statuses", FILLS: "node_fills"}
FLAGS = {DIFFS: "--write-raw-book-diffs", STATUSES: "--write-order-statuses", FILLS: "--write-fills"}
_LAYOUT_FLAGS = {"by_block": "--batch-by-block", "streaming": "--stream-with-block-info"}
_BOTH_FRESH_SECONDS = 60


@frozen
class Layout:
    """The layout found; ``doubt`` is a sentence if another one is being written, too."""

    name: str
    doubt: str = ""


@frozen
class NotYet:
    """No layout can be told yet; ``waiting_for`` says what is missing."""

    waiting_for: str


def directory_of(data_dir: Path, kind: str, layout: str) -> Path:
    """Return the directory that holds the dates of one source."""
    return data_dir / f"{STEMS[kind]}_{layout}" / "hourly"


def existing_sources(data_dir: Path, layout: str) -> frozenset[str]:
    """Return which of the three sources the node writes in this layout so far."""
    return frozenset(kind for kind in KINDS if directory_of(data_dir, kind, layout).is_dir())


def find_layout(data_dir: Path, wanted: str = "auto") -> Layout | NotYet:
    """Look once; raises LayoutError if the node writes only what cannot be used."""
    if not data_dir.is_dir():
        return NotYet(f"{data_dir} to appear; is it node.data_dir, and does the node run?")
    allowed = LAYOUTS if wanted == "auto" else (wanted,)
    present = [name for name in allowed if directory_of(data_dir, DIFFS, name).is_dir()]
    if not present:
        return _why_nothing(data_dir, allowed)
    written = {name: _newest_write(data_dir, name) for name in present}
    if len(present) == 1:
        return Layout(present[0])
    freshest = max(present, key=lambda name: written[name])
    if not written[freshest]:
        return NotYet(
            f"the first file of {' or '.join(directory_of(data_dir, DIFFS, n).name for n in present)}"
        )
    other = min(present, key=lambda name: written[name])
    if written[freshest] - written[other] < _BOTH_FRESH_SECONDS:
        return Layout(freshest, f"{freshest} and {other} are both being written; set node.layout to choose")
    return Layout(freshest)


def _newest_write(data_dir: Path, layout: str) -> float:
    """Return when the newest diffs file was written (seconds since 1970), 0 without files."""
    directory = directory_of(data_dir, DIFFS, layout)
    newest = newest_hour(directory)
    try:
        return (directory / newest.file).stat().st_mtime if newest is not None else 0.0
    except FileNotFoundError:
        return 0.0


def _why_nothing(data_dir: Path, allowed: tuple[str, ...]) -> NotYet:
    others = [name for name in LAYOUTS if name not in allowed]
    for name in allowed:
        if directory_of(data_dir, STATUSES, name).is_dir() or directory_of(data_dir, FILLS, name).is_dir():
            return NotYet(f"{directory_of(data_dir, DIFFS, name)}; start the node with {FLAGS[DIFFS]}")
    for name in others:
        if directory_of(data_dir, DIFFS, name).is_dir():
            return NotYet(
                f"{directory_of(data_dir, DIFFS, allowed[0])}; the node writes {name}: set node.layout to it "
                f"or start the node with {_LAYOUT_FLAGS[allowed[0]]}"
            )
    bare = [stem for stem in STEMS.values() if (data_dir / stem).is_dir()]
    if bare:
        raise LayoutError(
            f"{data_dir / bare[0]} holds single events that do not say which block they belong to; start the "
            f"node with {' or '.join(_LAYOUT_FLAGS.values())}"
        )
    return NotYet(
        f"{directory_of(data_dir, DIFFS, allowed[0])}; start the node with {FLAGS[DIFFS]} and "
        f"{_LAYOUT_FLAGS[allowed[0]]}"
    )
