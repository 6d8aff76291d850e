"""What ``watch prices`` asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click
from attrs import frozen

from hyperstream.errors import FormatError, IndicatorError
from hyperstream.market.indicators import IndicatorSpec
from hyperstream.market.intervals import Interval
from hyperstream.servers.grpc.client import Client
from hyperstream.servers.grpc.client_stream import EventStream
from hyperstream.servers.grpc.price_instruments import as_number
from hyperstream.v1 import price_pb2


@frozen
class PriceChoices:
    """The markets, and what of each: indicators as ``rsi:14`` or ``rsi:14@1m``, intervals of bars."""

    symbols: Sequence[str]
    venue: str = ""
    indicators: Sequence[str] = ()
    bars: Sequence[str] = ()
    every_tick: bool = False

    def request(self, heartbeat_seconds: int) -> price_pb2.StreamPricesRequest:
        """The request; raises click.UsageError for an indicator or interval that cannot be."""
        request = price_pb2.StreamPricesRequest(
            request_id="watch", operation=price_pb2.OPERATION_ADD, heartbeat_seconds=heartbeat_seconds
        )
        try:
            intervals = [Interval.parse(text).text for text in self.bars]
            specs = [IndicatorSpec.parse(text) for text in self.indicators]
        except (FormatError, IndicatorError) as problem:
            raise click.UsageError(str(problem)) from problem
        request.prices.add(
            venue=self.venue, symbols=self.symbols, bar_intervals=intervals, every_tick=self.every_tick
        )
        for symbol in self.symbols:
            for spec in specs:
                kinds = {parameter.name: parameter for parameter in spec.kind.parameters}
                request.indicators.add(
                    venue=self.venue,
                    symbol=symbol,
                    name=spec.name,
                    parameters={name: as_number(kinds[name], value) for name, value in spec.parameters},
                    interval=spec.interval.text if spec.interval is not None else "",
                )
        return request

    def labels(self) -> dict[str, str]:
        """How indicators are called on the screen, by their place in the request."""
        several = len(self.symbols) > 1
        names = [
            f"{text} {symbol}" if several else text for symbol in self.symbols for text in self.indicators
        ]
        return {f"indicators[{number}]": name for number, name in enumerate(names)}


@asynccontextmanager
async def stream_prices(
    client: Client, request: price_pb2.StreamPricesRequest
) -> AsyncIterator[EventStream[price_pb2.PriceStreamEvent]]:
    """The events of a stream that is asked for once."""
    async with client.stream_prices() as stream:
        stream.request(request)
        yield stream
