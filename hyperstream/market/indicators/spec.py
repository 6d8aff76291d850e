"""What somebody asked for: an indicator, its parameters and its interval, checked and complete.

Two who ask for the same have equal specifications, however they spelled it: parameters left out
are filled in, numbers are of one type, an interval has one spelling. So instances are shared by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

from attrs import field, frozen

from hyperstream.errors import FormatError, IndicatorError
from hyperstream.market.indicators.catalogue import kind_named
from hyperstream.market.indicators.kind import (
    LONGEST_WARM_UP,
    IndicatorKind,
    Needs,
    Parameter,
    ParameterType,
    ParameterValue,
)
from hyperstream.market.intervals import Interval

_MOST_TEXT = 500
_TEXT = re.compile(r"(?P<name>[^:(@]+)(?::(?P<list>[^(@]*)|\((?P<call>[^)@]*)\))?(?:@(?P<interval>.*))?")
# Left out of a written list, a parameter is what the one before it was given as: bbands:20,3.
_FOLLOWS = {("bbands", "nbdevdn"): "nbdevup"}


@frozen
class IndicatorSpec:
    """One indicator as asked for. ``interval`` is None for ticks and for what needs the book.

    ``parameters`` holds every parameter of the kind, in its order. Made by ``of`` or ``parse``,
    which check; hashable; equal when it is the same computation.
    """

    name: str
    parameters: tuple[tuple[str, ParameterValue], ...] = ()
    interval: Interval | None = field(default=None)

    @classmethod
    def of(
        cls, name: str, parameters: Mapping[str, object] | None = None, interval: str = ""
    ) -> IndicatorSpec:
        """Check what a request says. ``parameters`` are numbers or strings; an empty interval is ticks.

        Raises IndicatorError naming the field, what was wrong with it and what it may be.
        """
        kind = kind_named(name)
        given = dict(parameters or {})
        known = {parameter.name for parameter in kind.parameters}
        for unknown in given.keys() - known:
            has = ", ".join(parameter.name for parameter in kind.parameters) or "none"
            raise IndicatorError(f"parameters.{unknown}", f"{name} has no such parameter; it has {has}")
        values = {
            parameter.name: _checked(parameter, given.get(parameter.name, parameter.default))
            for parameter in kind.parameters
        }
        warm_up = kind.warm_up(values)
        if warm_up > LONGEST_WARM_UP:
            raise IndicatorError(
                "parameters",
                f"the first value would need {warm_up} inputs; at most {LONGEST_WARM_UP} are possible",
            )
        return cls(kind.name, tuple(values.items()), _checked_interval(kind, interval))

    @classmethod
    def parse(cls, text: str) -> IndicatorSpec:
        """Read ``rsi``, ``rsi:14``, ``rsi:14@1m``, ``macd:12,26,9``, ``bbands:timeperiod=20``, or a ``key``.

        Values without a name fill the parameters in their order: a number the next that is a
        number, a name the next that is a choice. ``bbands:20,3`` is 3 deviations on both sides.
        Raises IndicatorError.
        """
        match = _TEXT.fullmatch(text) if len(text) <= _MOST_TEXT else None
        if match is None:
            raise IndicatorError(
                "name", f"not an indicator: {text[:80]!r}; write rsi, rsi:14 or rsi:14@1m (bars of a minute)"
            )
        interval = match["interval"]
        if interval == "":
            raise IndicatorError("interval", "nothing follows the @; write rsi:14@1m, or no @ for ticks")
        kind = kind_named(match["name"])
        written = match["list"] or match["call"] or ""
        return cls.of(kind.name, _assigned(kind, written), interval or "")

    @property
    def kind(self) -> IndicatorKind:
        """The entry of the catalogue."""
        return kind_named(self.name)

    @property
    def values(self) -> dict[str, ParameterValue]:
        """The parameters by name."""
        return dict(self.parameters)

    @property
    def key(self) -> str:
        """The one spelling of this specification: ``rsi(timeperiod=14)@1m``. ``parse`` reads it."""
        inside = ",".join(f"{name}={_spelled(value)}" for name, value in self.parameters)
        return f"{self.name}({inside})" + (f"@{self.interval}" if self.interval else "")

    def __str__(self) -> str:
        return self.key


def _assigned(kind: IndicatorKind, written: str) -> dict[str, object]:
    """Return the values of a written list by the parameters they are for."""
    given: dict[str, object] = {}
    parts = [part.strip() for part in written.split(",")] if written.strip() else []
    unnamed = [part for part in parts if "=" not in part]
    for part in parts:
        name, equals, value = part.partition("=")
        if equals:
            if name.strip() in given:
                raise IndicatorError(f"parameters.{name.strip()}", "is given twice")
            given[name.strip()] = value.strip()
    for value in unnamed:
        is_choice = value.isidentifier()
        free = (
            parameter.name
            for parameter in kind.parameters
            if parameter.name not in given and (parameter.type is ParameterType.ENUM) == is_choice
        )
        name = next(free, "")
        if not name:
            has = ", ".join(parameter.name for parameter in kind.parameters) or "no parameters"
            raise IndicatorError("parameters", f"{value!r} fits none of those left; {kind.name} has {has}")
        given[name] = value
    for (owner, follower), leader in _FOLLOWS.items():
        if owner == kind.name and leader in given and unnamed:
            given.setdefault(follower, given[leader])
    return given


def _checked(parameter: Parameter, value: object) -> ParameterValue:
    """Return the value in the parameter's own type. Raises IndicatorError."""
    if parameter.type is ParameterType.ENUM:
        return _checked_choice(parameter, value)
    number: float | None = None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = None
    is_within = (
        number is not None
        and isfinite(number)
        and (parameter.minimum is None or number >= parameter.minimum)
        and (parameter.maximum is None or number <= parameter.maximum)
    )
    if number is None or not is_within:
        raise _refused(parameter, value)
    if parameter.type is ParameterType.INT:
        if not number.is_integer():
            raise _refused(parameter, value)
        return int(number)
    return number + 0.0  # one zero: -0.0 becomes 0.0


def _checked_choice(parameter: Parameter, value: object) -> str:
    """Return a choice by its name; it may be given by its position too."""
    text = str(value).strip().lower() if isinstance(value, int | float | str) else ""
    if text in parameter.choices:
        return text
    try:
        position = float(text)
    except ValueError:
        position = -1.0
    if position.is_integer() and 0 <= position < len(parameter.choices) and not isinstance(value, bool):
        return parameter.choices[int(position)]
    raise _refused(parameter, value)


def _refused(parameter: Parameter, value: object) -> IndicatorError:
    shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}…"
    return IndicatorError(f"parameters.{parameter.name}", f"must be {parameter.allowed}, not {shown}")


def _checked_interval(kind: IndicatorKind, text: str) -> Interval | None:
    if kind.needs is Needs.BOOK:
        if text:
            raise IndicatorError(
                "interval", f"{kind.name} is computed from the book, not from bars; leave the interval out"
            )
        return None
    if not text:
        if kind.needs is Needs.BARS:
            inputs = ", ".join(kind.inputs)
            raise IndicatorError(
                "interval", f"{kind.name} needs {inputs}, which ticks do not have; give one, such as 1m"
            )
        return None
    try:
        return Interval.parse(text)
    except FormatError as error:
        raise IndicatorError("interval", str(error)) from error


def _spelled(value: ParameterValue) -> str:
    return (
        f"{value:.0f}"
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        else f"{value}"
    )
