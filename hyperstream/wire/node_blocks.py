"""What the node told in one block, as handed from the tailers to the engine.

One block arrives as up to three items (diffs, statuses, fills), in any order and at
different times: each file of the node is read on its own.
"""

from typing import Any

from attrs import define, field, frozen

from hyperstream.wire.diff_lines import Diff, parse_diffs
from hyperstream.wire.fills import count_fills, parse_fills
from hyperstream.wire.statuses import joined_lines


@frozen
class Position:
    """Where a source stands: everything up to here was handed on.

    ``height`` is the last block handed on, ``file`` the hourly file relative to the
    source's directory (``"20260505/17"``), ``offset`` the byte after the last line used.
    """

    height: int
    file: str
    offset: int


@define(eq=False)
class NodeBlock:
    """The envelope of a block in one of the node's files; all times in ns since 1970 UTC."""

    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    position: Position


@define(eq=False)
class DiffBlock(NodeBlock):
    """Raw book diffs of one block, in file order: parsed, or the ``line`` that holds them.

    Those of a line are parsed when they are first asked for; that raises FormatError if the line is broken
    inside. ``is_continuation`` marks lines of a height that was already handed on (streaming layout, a
    pause inside the block): apply them as well.
    """

    _diffs: list[Diff] | None = field(alias="diffs")
    is_continuation: bool = False
    line: bytes = b""

    @property
    def diffs(self) -> list[Diff]:
        """All diffs of the block."""
        if self._diffs is None:
            self._diffs = parse_diffs(self.line)
        return self._diffs


@define(eq=False)
class StatusBlock(NodeBlock):
    """Order statuses of one block, as bytes: lines that touch no order that rests or waits are gone already.

    ``lines`` are complete node lines (one in the by-block layout, any number in the
    streaming layout, possibly none); ``wire.statuses`` takes from them what is needed.
    """

    lines: list[bytes]
    is_continuation: bool = False
    _texts: list[bytes] | None = field(default=None, init=False)

    @property
    def texts(self) -> list[bytes]:
        """The lines as few texts to search: as one, if each holds a status. Joined when first asked for."""
        if self._texts is None:
            self._texts = joined_lines(self.lines)
        return self._texts


@define(eq=False)
class FillBlock(NodeBlock):
    """Fills of one block: parsed, or the ``line`` that holds them.

    ``events`` are the node's ``[user, fill]`` pairs in file order. Those of a line are parsed when they
    are first asked for; that raises FormatError if the line is broken inside.
    """

    _events: list[list[Any]] | None = field(alias="events")
    is_continuation: bool = False
    line: bytes = b""

    @property
    def events(self) -> list[list[Any]]:
        """All fills of the block."""
        if self._events is None:
            self._events = parse_fills(self.line)
        return self._events

    @property
    def count(self) -> int:
        """How many fills there are."""
        return count_fills(self.line) if self._events is None else len(self._events)


@frozen
class HeightGap:
    """Blocks that a source never wrote, or wrote unreadably: first and last height missing.

    ``source`` is ``"diffs"``, ``"statuses"`` or ``"fills"``; ``reason`` a sentence.
    """

    source: str
    first_missing: int
    last_missing: int
    reason: str


@frozen
class SnapshotBegun:
    """An L4 snapshot follows: the orders resting after block ``height``.

    ``is_full`` replaces every book (start-up); otherwise only doubtful markets are repaired.
    """

    height: int
    is_full: bool


@define(eq=False)
class SnapshotOrders:
    """Some of a snapshot's orders, in priority order: ``(user, order object)`` pairs.

    ``side`` is ``"B"`` or ``"A"``. A market's chunks come in order, bids before asks. A market
    without orders comes as one chunk with an empty list. ``triggers`` are orders that wait for their
    price and are not in the book; a node lists each on both sides.
    """

    symbol: str
    side: str
    orders: list[tuple[str, dict[str, Any]]]
    triggers: list[tuple[str, dict[str, Any]]] = field(factory=list)


@frozen
class SnapshotEnded:
    """The snapshot begun is complete (``is_complete``), or broke off: ``reason`` says why.

    ``has_triggers`` says whether it lists the orders that wait for their price, or leaves them out.
    """

    height: int
    is_complete: bool = True
    reason: str = ""
    has_triggers: bool = False


@frozen
class Instrument:
    """What the info server says about one market; ``market_id`` is the venue's asset index."""

    symbol: str
    market_id: int
    size_decimals: int
    display_name: str = ""
    is_delisted: bool = False


@frozen
class InstrumentsListed:
    """The markets the node's info server listed (meta, perpDexs, spotMeta)."""

    instruments: tuple[Instrument, ...]


@frozen
class SourceStarted:
    """Tailing begins: which layout was found and which sources exist.

    Without ``"statuses"`` in ``sources`` orders never get attributes, and nothing waits for them.
    """

    layout: str
    sources: frozenset[str]


NodeItem = (
    DiffBlock
    | StatusBlock
    | FillBlock
    | HeightGap
    | SnapshotBegun
    | SnapshotOrders
    | SnapshotEnded
    | InstrumentsListed
    | SourceStarted
)


@frozen
class RepairRequest:
    """The engine asks for a snapshot: these markets are doubtful; heights of use are > ``after_height``."""

    symbols: frozenset[str]
    after_height: int
    reason: str
