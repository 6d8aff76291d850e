"""What an indicator is, said once: what goes in, what comes out, which parameters it takes."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

from attrs import field, frozen

LONGEST_PERIOD = 5_000
"""The largest whole-number parameter: some functions look at a whole period in each update."""
LONGEST_WARM_UP = 10_000
"""The most inputs that a first value may need: this many are gathered in memory."""

ParameterValue = int | float | str
Parameters = Mapping[str, ParameterValue]
Output = float | tuple[float, ...]
BookLevels = Sequence[tuple[int, int]]
"""One side of a book: (price_e12, size_e12), best first."""


class Needs(Enum):
    """What an indicator is computed from."""

    SERIES = "series"
    """One number after another: ticks, or the closes of bars."""
    BARS = "bars"
    """Bars: open, high, low, volume."""
    BOOK = "book"
    """One consistent snapshot of a book after another."""


class ParameterType(Enum):
    """How a parameter is written."""

    INT = "int"
    FLOAT = "float"
    ENUM = "enum"


class NotEnough(Exception):
    """The history is too short for a first value; one more input may do. Never leaves this package."""


class Running(Protocol):
    """A computation that has begun. TA-Lib's streaming handles have this shape, and so have ours.

    ``update`` takes the inputs of one closed bar (or one tick), commits them and returns the
    outputs; ``peek`` returns what ``update`` would, and commits nothing. ``value`` is the last
    result of ``update`` or of the history.
    """

    @property
    def value(self) -> Output: ...  # noqa: D102
    def update(self, *inputs: float) -> Output: ...  # noqa: D102
    def peek(self, *inputs: float) -> Output: ...  # noqa: D102


class SeriesFormula(Protocol):
    """How a SERIES or BARS kind is computed."""

    def warm_up(self, parameters: Parameters) -> int:
        """Return how many inputs the first value needs, at least 1. Raises IndicatorError."""

    def start(self, parameters: Parameters, columns: tuple[array[float], ...]) -> Running:
        """Begin on a history: one column for each input, oldest first. Raises NotEnough."""


class RunningBook(Protocol):
    """A computation on snapshots of a book."""

    def update(self, bids: BookLevels, asks: BookLevels) -> Output | None:
        """Take a snapshot; None when it has no value."""


class BookFormula(Protocol):
    """How a BOOK kind is computed."""

    def warm_up(self, parameters: Parameters) -> int:
        """Return how many snapshots the first value needs, at least 1."""

    def levels(self, parameters: Parameters) -> int:
        """Return how many levels of each side are looked at."""

    def start(self, parameters: Parameters) -> RunningBook:
        """Begin with nothing."""


@frozen
class Parameter:
    """One parameter: its name, type, default and what it may be (None: no limit).

    ``choices`` are the values of an ENUM; they may also be given by their position.
    """

    name: str
    type: ParameterType
    default: ParameterValue
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.type is ParameterType.ENUM:
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if self.type is ParameterType.INT else "a number"
        if self.minimum is None and self.maximum is None:
            return kind
        if self.maximum is None:
            return f"{kind} of at least {self.minimum:g}"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


@frozen
class IndicatorKind:
    """One entry of the catalogue.

    ``inputs`` are ``("price",)`` for a SERIES, fields of BarValues for BARS, ``("book",)`` for a
    BOOK. ``is_on_price_scale``: the values are prices, to be drawn over the chart.
    ``is_cumulative``: the value depends on where its series began, for ever (it never forgets).
    """

    name: str
    title: str
    group: str
    needs: Needs
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    is_on_price_scale: bool
    is_cumulative: bool
    formula: SeriesFormula | BookFormula = field(repr=False, eq=False)

    def warm_up(self, parameters: Parameters) -> int:
        """Return how many inputs the first value needs: ``rsi`` with 14 needs 15.

        Raises IndicatorError when these values do not go together.
        """
        return self.formula.warm_up(parameters)
