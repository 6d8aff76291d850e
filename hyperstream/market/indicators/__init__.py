"""Indicators: what there is, what was asked for, and what computes it.

* ``catalogue()``, ``kind_named()``: every kind with its inputs, parameters and outputs
  (``kind.py``, ``catalogue.py``; TA-Lib's in ``ta_lib.py``, ours in ``book.py`` and ``own_bars.py``);
* ``IndicatorSpec``: a request, checked and complete; equal requests are equal (``spec.py``);
* ``start_indicator()``: a PriceIndicator, BarIndicator or BookIndicator at work (``indicator.py``).

Importing this loads neither TA-Lib nor numpy; asking for the first indicator of TA-Lib does.
"""

from hyperstream.market.indicators.catalogue import catalogue, kind_named
from hyperstream.market.indicators.indicator import (
    AnyIndicator,
    BarIndicator,
    BookIndicator,
    PriceIndicator,
    Value,
    start_indicator,
)
from hyperstream.market.indicators.kind import (
    LONGEST_WARM_UP,
    IndicatorKind,
    Needs,
    Parameter,
    ParameterType,
    ParameterValue,
)
from hyperstream.market.indicators.spec import IndicatorSpec

__all__ = [
    "LONGEST_WARM_UP",
    "AnyIndicator",
    "BarIndicator",
    "BookIndicator",
    "IndicatorKind",
    "IndicatorSpec",
    "Needs",
    "Parameter",
    "ParameterType",
    "ParameterValue",
    "PriceIndicator",
    "Value",
    "catalogue",
    "kind_named",
    "start_indicator",
]
