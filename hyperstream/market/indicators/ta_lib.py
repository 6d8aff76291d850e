"""TA-Lib's functions: found by asking it, and computed by its streaming handles.

The one file that imports talib (and with it numpy, 45 ms and 20 MB): import it where the first
indicator is needed, not before. TA-Lib's global settings (unstable periods, compatibility) are
never touched.

What TA-Lib tells of a function is its name, group, inputs, parameters with defaults, outputs and
lookback; not the range of a parameter. A range is found by asking for the lookback of candidates,
which is -1 for what the function refuses. Reals are limited by round numbers (REAL_LIMITS).
"""

from __future__ import annotations

from array import array
from typing import Any, cast

import numpy as np
import talib
from attrs import frozen
from talib import abstract, stream

from hyperstream.errors import IndicatorError
from hyperstream.market.indicators.kind import (
    LONGEST_PERIOD,
    IndicatorKind,
    Needs,
    NotEnough,
    Parameter,
    Parameters,
    ParameterType,
    ParameterValue,
    Running,
)

# Their inline types leave these out.
_TALIB = cast(Any, talib)
_Function = cast(Any, abstract).Function

BAR_INPUTS = frozenset({"open", "high", "low", "close", "volume"})
REAL_LIMITS = (0.0, 0.01, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0, 2.0, 5.0, 10.0, 100.0, 1_000.0)

_ANY_REAL = 3e37
_STREAMS = "Function has a streaming API"
_PRICE_SCALE = "Output scale same as input"
_CUMULATIVE = "Output is path-dependent"


def function_names() -> list[str]:
    """Return the names of the functions that can be offered, in lower case.

    Those with a streaming handle whose inputs are fields of a bar. MAVP is not among them: it
    needs a second series, of periods.
    """
    return [name.lower() for name in _TALIB.get_functions() if _is_offered(_Function(name).info)]


def kind_of(name: str) -> IndicatorKind:
    """Describe one of ``function_names``."""
    info = _Function(name.upper()).info
    flags = info["function_flags"] or []
    inputs = _inputs(info)
    needs = Needs.SERIES if inputs == ("close",) else Needs.BARS
    outputs = tuple(info["output_names"])
    return IndicatorKind(
        name=name,
        title=info["display_name"],
        group=info["group"],
        needs=needs,
        inputs=("price",) if needs is Needs.SERIES else inputs,
        parameters=tuple(
            _parameter(name, parameter, default) for parameter, default in info["parameters"].items()
        ),
        outputs=("value",) if outputs in (("real",), ("integer",)) else outputs,
        is_on_price_scale=_PRICE_SCALE in flags,
        is_cumulative=_CUMULATIVE in flags,
        formula=TaLibFormula(name),
    )


@frozen
class TaLibFormula:
    """One TA-Lib function."""

    name: str

    def warm_up(self, parameters: Parameters) -> int:
        """Return the lookback plus one. Raises IndicatorError for values that do not go together."""
        lookback = _lookback(self.name, _arguments(parameters))
        if lookback < 0:
            told = ", ".join(f"{name}={value}" for name, value in parameters.items())
            raise IndicatorError("parameters", f"TA-Lib refuses {self.name} with {told}")
        return lookback + 1

    def start(self, parameters: Parameters, columns: tuple[array[float], ...]) -> Running:
        """Open a handle on a history. Raises NotEnough when it is too short."""
        history = [np.frombuffer(column) for column in columns]
        try:
            handle: Running = getattr(stream, self.name.upper())(*history, **_arguments(parameters))
        except _TALIB.InsufficientHistory as error:
            raise NotEnough from error
        return handle


def _is_offered(info: dict[str, Any]) -> bool:
    return _STREAMS in (info["function_flags"] or []) and BAR_INPUTS.issuperset(_inputs(info))


def _inputs(info: dict[str, Any]) -> tuple[str, ...]:
    """Return the fields of a bar that go in, in the order of the arguments."""
    inputs: list[str] = []
    for given in info["input_names"].values():
        inputs += given if isinstance(given, list) else [given]
    return tuple(inputs)


def _parameter(function: str, name: str, default: float) -> Parameter:
    if name.endswith("matype"):
        choices = moving_averages()
        return Parameter(name, ParameterType.ENUM, choices[int(default)], choices=choices)
    if isinstance(default, int):
        return Parameter(name, ParameterType.INT, default, *_int_range(function, name, default))
    return Parameter(name, ParameterType.FLOAT, default, *_real_range(function, name))


def moving_averages() -> tuple[str, ...]:
    """Return the names of TA-Lib's moving averages, each at the place of its number."""
    kinds = _TALIB.MA_Type
    names = {getattr(kinds, name): name.lower() for name in dir(kinds) if name.isupper()}
    return tuple(names[number] for number in range(len(names)))


def _int_range(function: str, name: str, default: int) -> tuple[int, int]:
    low = next(value for value in (*range(min(default, 4)), default) if _accepts(function, name, value))
    if _accepts(function, name, LONGEST_PERIOD):
        return low, LONGEST_PERIOD
    high, refused = default, LONGEST_PERIOD
    while refused - high > 1:
        middle = (high + refused) // 2
        if _accepts(function, name, middle):
            high = middle
        else:
            refused = middle
    return low, high


def _real_range(function: str, name: str) -> tuple[float | None, float | None]:
    accepted = [value for value in REAL_LIMITS if _accepts(function, name, value)]
    low = None if _accepts(function, name, -_ANY_REAL) else accepted[0]
    high = None if _accepts(function, name, _ANY_REAL) else accepted[-1]
    return low, high


def _accepts(function: str, name: str, value: float) -> bool:
    return _lookback(function, {name: value}) >= 0


def _lookback(function: str, arguments: dict[str, int | float]) -> int:
    lookback: int = _Function(function.upper(), **arguments).lookback
    return lookback


def _arguments(parameters: Parameters) -> dict[str, int | float]:
    return {name: _argument(value) for name, value in parameters.items()}


def _argument(value: ParameterValue) -> int | float:
    return moving_averages().index(value) if isinstance(value, str) else value
