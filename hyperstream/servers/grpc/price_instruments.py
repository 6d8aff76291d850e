"""Venues and indicators as GetInstruments describes them."""

from __future__ import annotations

from functools import cache

from hyperstream.hub.price_directory import VenueReport
from hyperstream.market.indicators import (
    IndicatorKind,
    Needs,
    Parameter,
    ParameterType,
    ParameterValue,
    catalogue,
)
from hyperstream.v1 import price_pb2

_SOURCES = {
    Needs.SERIES: price_pb2.INDICATOR_SOURCE_PRICES,
    Needs.BARS: price_pb2.INDICATOR_SOURCE_BARS,
    Needs.BOOK: price_pb2.INDICATOR_SOURCE_BOOK,
}
_TYPES = {
    ParameterType.INT: price_pb2.PARAMETER_TYPE_INTEGER,
    ParameterType.FLOAT: price_pb2.PARAMETER_TYPE_REAL,
    ParameterType.ENUM: price_pb2.PARAMETER_TYPE_CHOICE,
}


def describe_venue(report: VenueReport, *, with_instruments: bool) -> price_pb2.Venue:
    """A Venue message."""
    instruments = report.instruments if with_instruments else ()
    return price_pb2.Venue(
        name=report.name,
        state=f"FEED_STATE_{report.state.upper()}",
        detail=report.detail,
        state_time_ns=report.state_time_ns,
        listed=report.is_listed,
        instruments=[
            price_pb2.Instrument(
                symbol=each.symbol,
                base=each.base,
                quote=each.quote,
                kind=each.kind,
                price_step=each.price_step,
                size_step=each.size_step,
                active=each.is_active,
            )
            for each in instruments
        ],
    )


@cache
def describe_indicators() -> tuple[price_pb2.Indicator, ...]:
    """An Indicator message for each there is; made once, because there are hundreds."""
    return tuple(_indicator(kind) for kind in catalogue())


def _indicator(kind: IndicatorKind) -> price_pb2.Indicator:
    return price_pb2.Indicator(
        name=kind.name,
        title=kind.title,
        group=kind.group,
        source=_SOURCES[kind.needs],
        inputs=kind.inputs,
        parameters=[_parameter(each) for each in kind.parameters],
        outputs=kind.outputs,
        warm_up=kind.warm_up({each.name: each.default for each in kind.parameters}),
        price_scale=kind.is_on_price_scale,
        cumulative=kind.is_cumulative,
    )


def _parameter(parameter: Parameter) -> price_pb2.IndicatorParameter:
    return price_pb2.IndicatorParameter(
        name=parameter.name,
        type=_TYPES[parameter.type],
        default=as_number(parameter, parameter.default),
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        choices=[
            price_pb2.ParameterChoice(value=place, name=name) for place, name in enumerate(parameter.choices)
        ],
    )


def as_number(parameter: Parameter, value: ParameterValue) -> float:
    """A parameter's value as requests give it: a choice is its place."""
    return float(parameter.choices.index(value) if isinstance(value, str) else value)
