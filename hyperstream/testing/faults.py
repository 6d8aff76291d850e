"""What can go wrong between a node and its reader, as values.

Give faults to ``FakeNode(faults=[…])`` with a height (``at``) or a chance per block
(``probability``), or to ``FakeNode.inject`` for the next block. Each docstring says what a
correct reader must do. ``stem`` names the file a fault strikes; None means all of them.
"""

from random import Random

from attrs import field, frozen, validators

from hyperstream.errors import ConfigurationError
from hyperstream.testing.lines import DIFFS, STATUSES, STEMS

_POSITIVE = validators.ge(1)


def _is_stem(_instance: object, _attribute: object, value: str | None) -> None:
    if value is not None and value not in STEMS:
        raise ValueError(f"stem must be None or one of {', '.join(STEMS)}, not {value!r}")


@frozen(kw_only=True)
class Fault:
    """Base of all faults: when to strike."""

    at: int | None = None
    probability: float = field(default=0.0, validator=validators.and_(validators.ge(0), validators.le(1)))

    def is_due(self, height: int, rng: Random) -> bool:
        """Whether the fault strikes the block at this height."""
        return self.at == height or (self.probability > 0 and rng.random() < self.probability)


@frozen(kw_only=True)
class TornLine(Fault):
    """A line arrives in pieces: the first now, one more with each later block.

    Everything written to the file after it waits behind it. A reader must keep the bytes
    after the last newline and parse complete lines only; nothing is lost.
    """

    stem: str | None = field(default=STATUSES, validator=_is_stem)
    pieces: int = field(default=2, validator=validators.ge(2))


@frozen(kw_only=True)
class Stall(Fault):
    """No block for a while after this one; then the chain goes on with the next height.

    A reader must report staleness, and must neither reconnect its books nor lose anything.
    """

    seconds: float = field(default=2.0, validator=validators.ge(0))


@frozen(kw_only=True)
class LateLines(Fault):
    """One file falls behind the others by ``blocks`` blocks, then catches up at once.

    A reader must wait for the file, or go on without order attributes after a deadline, and
    pair the late lines by height when they come.
    """

    stem: str | None = field(default=STATUSES, validator=_is_stem)
    blocks: int = field(default=3, validator=_POSITIVE)


@frozen(kw_only=True)
class RepeatedHeights(Fault):
    """The node restarted: the last ``blocks`` blocks are appended again, byte for byte.

    A reader must ignore heights it has already seen in that file.
    """

    blocks: int = field(default=3, validator=validators.and_(_POSITIVE, validators.le(8)))


@frozen(kw_only=True)
class MissingBlock(Fault):
    """The height never appears, in one file or (``stem=None``) in any.

    That is lost data. A reader must notice the gap, say so, and take a new snapshot.
    """

    stem: str | None = field(default=None, validator=_is_stem)


@frozen(kw_only=True)
class Rollover(Fault):
    """This block is the last of its hour (or day): the next one goes to a new file.

    With ``straggler`` the second half of this block's lines reaches the old files only after
    the new ones have got their first block. A reader must go on reading the old file to its
    end before it trusts the new one, and lose nothing.
    """

    to: str = field(default="hour", validator=validators.in_(("hour", "day")))
    straggler: bool = False


@frozen(kw_only=True)
class Truncation(Fault):
    """After the block was written the file is cut to ``keep`` of its bytes.

    The cut may go through a line, which later bytes are then glued to. A reader must notice
    that the file shrank, read on from its new end, drop the broken line, and if a height is
    lost by it treat that as a missing block.
    """

    stem: str | None = field(default=DIFFS, validator=_is_stem)
    keep: float = field(default=0.0, validator=validators.and_(validators.ge(0), validators.lt(1)))


@frozen(kw_only=True)
class RecreatedFile(Fault):
    """After the block was written the file is unlinked and made anew, empty, under the same name.

    A reader must notice that the name is another inode, finish the old one and start the new
    one from its beginning; nothing is lost.
    """

    stem: str | None = field(default=DIFFS, validator=_is_stem)


@frozen(kw_only=True)
class VanishedFile(Fault):
    """Files of past hours are deleted, as the node's pruner does. Nothing happens without such files.

    A reader must not mind: it has long moved on.
    """


@frozen(kw_only=True)
class GarbageLine(Fault):
    """A complete line that is not JSON stands before the block's own.

    A reader must log it, skip it and go on with the next line; nothing is lost.
    """

    stem: str | None = field(default=STATUSES, validator=_is_stem)
    line: bytes = b'{"local_time":"2026-\xff\x00 not json\n'


DIVERGENCES = ("unknown_remove", "unknown_update", "impossible_size", "dropped_diff")


@frozen(kw_only=True)
class Divergence(Fault):
    """The diffs contradict the truth: ``kind`` is one of ``DIVERGENCES``, None draws one.

    ``unknown_remove`` and ``unknown_update`` name an order that never was; ``impossible_size``
    updates a resting order to a negative, absurd or unreadable size; ``dropped_diff`` leaves
    one out. A reader must count it, keep its other markets untouched, and repair the market
    from a snapshot when its book is no longer sure. ``Block.diverged`` names the market.
    """

    kind: str | None = field(default=None, validator=validators.optional(validators.in_(DIVERGENCES)))


BY_NAME: dict[str, type[Fault]] = {
    "torn": TornLine,
    "stall": Stall,
    "late": LateLines,
    "repeated": RepeatedHeights,
    "missing": MissingBlock,
    "rollover": Rollover,
    "truncated": Truncation,
    "recreated": RecreatedFile,
    "vanished": VanishedFile,
    "garbage": GarbageLine,
    "divergence": Divergence,
}


def parse_fault(text: str) -> Fault:
    """Return the fault written as ``name:probability`` or ``name@height``, ``torn:0.05`` for example.

    Raises ConfigurationError when the text is neither.
    """
    separator = "@" if "@" in text else ":"
    name, _, number = text.partition(separator)
    try:
        kind = BY_NAME[name]
        return kind(at=int(number)) if separator == "@" else kind(probability=float(number))
    except (KeyError, ValueError):
        raise ConfigurationError(
            f"not a fault: {text!r}; write name:probability or name@height, "
            f"with a name of {', '.join(BY_NAME)}"
        ) from None
