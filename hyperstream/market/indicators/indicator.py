"""An indicator at work on one series: of ticks, of bars, or of snapshots of a book.

``update`` commits an input; ``peek`` says what the forming bar would give and commits nothing. ``value``
is worked out when it is read, so an update costs what the computation costs. It is None while
warming and where the result is undefined (a division by zero): never NaN, never infinite.

Until the first value is possible the inputs are gathered, at most LONGEST_WARM_UP of them; then the
computation is started on them as if they had been its history. So the values are those of TA-Lib's
array function over history, gathered inputs and updates in one series, to the last bit, wherever
the borders between them are.

An indicator is neither copied nor pickled (a copy would go on sharing TA-Lib's state): start another.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, NoReturn, SupportsIndex, cast

from hyperstream.errors import IndicatorFault
from hyperstream.market.history import BarHistory, BarValues, PriceHistory
from hyperstream.market.indicators.kind import (
    BookFormula,
    BookLevels,
    NotEnough,
    Output,
    Running,
    SeriesFormula,
)
from hyperstream.market.indicators.spec import IndicatorSpec

Value = tuple[float, ...]


class _Indicator:
    """What all three have: a specification, a warmth and a value."""

    __slots__ = ("_raw", "_warmed", "needed", "spec")

    def __init__(self, spec: IndicatorSpec) -> None:
        self.spec = spec
        self.needed = spec.kind.warm_up(spec.values)
        self._warmed = 0
        self._raw: Output | None = None

    @property
    def value(self) -> Value | None:
        """The outputs after the last update, in the order of ``spec.kind.outputs``, or None."""
        return _defined(self._raw)

    @property
    def warmed(self) -> int:
        """How many of the ``needed`` inputs there have been."""
        return self._warmed

    @property
    def is_warm(self) -> bool:
        """Whether enough has come in for a value."""
        return self._warmed >= self.needed

    @property
    def is_undefined(self) -> bool:
        """Whether it is warm and has no value: the result is not a number, or not finite."""
        return self.is_warm and _defined(self._raw) is None

    def _fault(self, doing: str, error: Exception) -> IndicatorFault:
        return IndicatorFault(f"{self.spec.key}: {doing}: {error}")

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("an indicator is neither copied nor pickled: start another and warm it")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.spec.key} {self._warmed}/{self.needed} {self.value}>"


class _SeriesIndicator(_Indicator):
    """One that gathers its inputs until it can start."""

    __slots__ = ("_formula", "_gathered", "_peek", "_update")

    def __init__(self, spec: IndicatorSpec, input_count: int) -> None:
        super().__init__(spec)
        self._formula = cast(SeriesFormula, spec.kind.formula)
        self._gathered = tuple(array("d") for _ in range(input_count))
        self._update: Callable[..., Output] | None = None
        self._peek: Callable[..., Output] | None = None

    def _warm(self, columns: tuple[array[float], ...]) -> None:
        for column in columns:
            if not isfinite(sum(column)) and not all(map(isfinite, column)):
                raise self._fault("the history is of no use", ValueError("a number in it is not finite"))
        if len(columns[0]) < self.needed or not self._start(columns):
            self._gathered = columns
            self._update = self._peek = self._raw = None
            self._warmed = len(columns[0])

    def _gather(self, inputs: Sequence[float]) -> None:
        """Add to what is gathered, and start when it is enough."""
        if not all(map(isfinite, inputs)):
            raise self._fault(f"cannot take {inputs}", ValueError("a number is not finite, or not known"))
        for column, value in zip(self._gathered, inputs, strict=True):
            column.append(value)
        self._warmed = len(self._gathered[0])
        if self._warmed >= self.needed:
            try:
                self._start(self._gathered)
            except IndicatorFault:
                for column in self._gathered:
                    column.pop()
                self._warmed -= 1
                raise

    def _start(self, columns: tuple[array[float], ...]) -> bool:
        running = self._begin(columns)
        if running is None:
            self.needed = len(columns[0]) + 1
            return False
        self._update, self._peek = running.update, running.peek
        self._raw = running.value
        self._warmed = self.needed
        self._gathered = tuple(array("d") for _ in columns)
        return True

    def _begin(self, columns: tuple[array[float], ...]) -> Running | None:
        """Start a computation on a history; None when it is too short after all."""
        try:
            return self._formula.start(self.spec.values, columns)
        except NotEnough:
            return None
        except Exception as error:  # TA-Lib raises plain Exception for whatever it refuses
            raise self._fault("cannot start", error) from error

    def _peek_gathered(self, inputs: Sequence[float]) -> Value | None:
        """Answer ``peek`` when the forming bar is the last one that is missing."""
        if self._warmed + 1 < self.needed:
            return None
        if not all(map(isfinite, inputs)):
            raise self._fault(f"cannot take {inputs}", ValueError("a number is not finite, or not known"))
        columns = tuple(column[:] for column in self._gathered)
        for column, value in zip(columns, inputs, strict=True):
            column.append(value)
        running = self._begin(columns)
        return _defined(None if running is None else running.value)


class PriceIndicator(_SeriesIndicator):
    """One on ticks: each price is an input."""

    __slots__ = ()

    def __init__(self, spec: IndicatorSpec) -> None:
        super().__init__(spec, 1)

    def warm(self, history: PriceHistory) -> None:
        """Begin anew on these prices. Raises IndicatorFault; then everything is as before."""
        self._warm((history.prices(),))

    def update(self, price: float) -> None:
        """Take a price. Raises IndicatorFault if it cannot be computed; then everything is as before."""
        update = self._update
        if update is None:
            self._gather((price,))
            return
        try:
            self._raw = update(price)
        except Exception as error:  # TA-Lib raises plain Exception for whatever it refuses
            raise self._fault(f"cannot take {price}", error) from error

    def peek(self, price: float) -> Value | None:
        """Return what the value would be after this price, None where it would have none. Changes nothing."""
        peek = self._peek
        if peek is None:
            return self._peek_gathered((price,))
        try:
            return _defined(peek(price))
        except Exception as error:
            raise self._fault(f"cannot take {price}", error) from error


class BarIndicator(_SeriesIndicator):
    """One on bars: each closed bar is an input."""

    __slots__ = ("_pick",)

    def __init__(self, spec: IndicatorSpec) -> None:
        names = self._input_names(spec)
        super().__init__(spec, len(names))
        places = [BarValues._fields.index(name) for name in names]
        # With one place itemgetter gives the number and not a tuple; a slice always gives a tuple.
        pick = itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
        self._pick = cast("Callable[[BarValues], tuple[float, ...]]", pick)

    def warm(self, history: BarHistory) -> None:
        """Begin anew on these closed bars. Raises IndicatorFault; then everything is as before."""
        self._warm(history.columns(self._input_names(self.spec)))

    def update(self, bar: BarValues) -> None:
        """Take a closed bar. Raises IndicatorFault if it cannot be computed; then everything is as before."""
        inputs = self._pick(bar)
        update = self._update
        if update is None:
            self._gather(inputs)
            return
        try:
            self._raw = update(*inputs)
        except Exception as error:  # TA-Lib raises plain Exception for whatever it refuses
            raise self._fault(f"cannot take {inputs}", error) from error

    def peek(self, bar: BarValues) -> Value | None:
        """Return what the value would be if this bar closed as it is, None where it would have none."""
        inputs = self._pick(bar)
        peek = self._peek
        if peek is None:
            return self._peek_gathered(inputs)
        try:
            return _defined(peek(*inputs))
        except Exception as error:
            raise self._fault(f"cannot take {inputs}", error) from error

    @staticmethod
    def _input_names(spec: IndicatorSpec) -> tuple[str, ...]:
        return tuple("close" if name == "price" else name for name in spec.kind.inputs)


class BookIndicator(_Indicator):
    """One on snapshots of a book. ``levels`` is how many of each side it looks at."""

    __slots__ = ("_running", "levels")

    def __init__(self, spec: IndicatorSpec) -> None:
        super().__init__(spec)
        formula = cast(BookFormula, spec.kind.formula)
        self.levels = formula.levels(spec.values)
        self._running = formula.start(spec.values)

    def update(self, bids: BookLevels, asks: BookLevels) -> None:
        """Take one consistent snapshot: (price_e12, size_e12) of each level, best first.

        Raises IndicatorFault if it cannot be computed; then the value is as before.
        """
        try:
            self._raw = self._running.update(bids, asks)
        except Exception as error:
            raise self._fault("cannot take this book", error) from error
        if self._raw is not None:
            self._warmed = self.needed
        elif self._warmed + 1 < self.needed:
            self._warmed += 1


AnyIndicator = PriceIndicator | BarIndicator | BookIndicator


def start_indicator(spec: IndicatorSpec) -> AnyIndicator:
    """Return a cold indicator of the right sort for a specification."""
    if spec.kind.inputs == ("book",):
        return BookIndicator(spec)
    return PriceIndicator(spec) if spec.interval is None else BarIndicator(spec)


def _defined(raw: Output | None) -> Value | None:
    """Return the outputs as a tuple, or None if there are none or one is not finite."""
    if raw is None:
        return None
    outputs: tuple[Any, ...] = raw if isinstance(raw, tuple) else (raw,)
    return outputs if all(map(isfinite, outputs)) else None
