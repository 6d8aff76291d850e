"""Binance spot: names of streams, requests, and frames of the combined stream read into values.

Every data frame is ``{"stream":"btcusdt@trade","data":{…}}``, so a decoder finds how to read it by one
look-up of the stream's name. A stream that does not exist is acknowledged like any other and stays
silent: symbols must be checked beforehand, and silence noticed.
"""

from __future__ import annotations

from typing import Any

import orjson
from attrs import define, field

from hyperstream.errors import TopicError
from hyperstream.market.venues import BINANCE, Channel, FeedTopic, VenueInstrument
from hyperstream.wire.binance_fields import INTERVALS, bars, depth, last_price, quotes, read_control, trades
from hyperstream.wire.venue_fields import (
    MALFORMED,
    SERVER_SHUTDOWN,
    UNKNOWN,
    Message,
    ReadData,
    malformed,
    name,
)
from hyperstream.wire.venue_lists import optional_name, read_each, step

DEPTH = "@depth@100ms"
TRADE_STREAMS = ("trade", "aggTrade")
_SHUTDOWN_STREAM = "!serverShutdown"


def streams_of(topic: FeedTopic, trade_stream: str = "trade") -> tuple[str, ...]:
    """Return the names of the streams a topic is made of; raises TopicError for what there is not."""
    symbol = topic.symbol.lower()
    match topic.channel:
        case Channel.QUOTES:
            return (f"{symbol}@bookTicker",)
        case Channel.TRADES:
            return (f"{symbol}@{trade_stream}",)
        case Channel.BOOK:
            return (f"{symbol}{DEPTH}",)
        case Channel.TICKER:
            return (f"{symbol}@miniTicker",)
        case Channel.BARS if topic.detail in INTERVALS:
            return (f"{symbol}@kline_{topic.detail}",)
        case Channel.BARS:
            raise TopicError(f"binance has no bars of {topic.detail!r}; it has {', '.join(INTERVALS)}")
    raise TopicError(f"binance has no {topic.channel.value}")


def reader_of(stream: str) -> ReadData:
    """Return what reads the data of a stream; raises TopicError for a name it does not know."""
    lower, _, kind = stream.partition("@")
    symbol = lower.upper()
    if kind == "bookTicker":
        return quotes(BINANCE, symbol)
    if kind in TRADE_STREAMS:
        return trades(BINANCE, symbol, "t" if kind == "trade" else "a")
    if f"@{kind}" == DEPTH:
        return depth(symbol)
    if kind == "miniTicker":
        return last_price(symbol)
    if kind.startswith("kline_") and kind.removeprefix("kline_") in INTERVALS:
        return bars(BINANCE, symbol, kind.removeprefix("kline_"))
    raise TopicError(f"binance's stream {stream!r} is not known here")


@define(eq=False)
class BinanceDecoder:
    """Reads the frames of one connection; knows the streams that were followed."""

    venue: str = BINANCE
    _readers: dict[str, ReadData] = field(factory=dict, init=False)

    def follow(self, stream: str) -> None:
        """Read this stream from now on; raises TopicError for an unknown one."""
        self._readers[stream] = self._reader_of(stream)

    def unfollow(self, stream: str) -> None:
        """What still comes of this stream is nobody's."""
        self._readers.pop(stream, None)

    def _reader_of(self, stream: str) -> ReadData:
        return reader_of(stream)

    def decode(self, frame: bytes | str, receive_time_ns: int) -> Message:
        """Return the stream and what the frame says; raises FormatError for anything else."""
        try:
            message = orjson.loads(frame)
            stream = message.get("stream")
            if stream is None:
                return "", read_control(message)
            read = self._readers.get(stream)
            if read is not None:
                return stream, read(message["data"], receive_time_ns)
            return name(stream), SERVER_SHUTDOWN if stream == _SHUTDOWN_STREAM else UNKNOWN
        except MALFORMED as exc:
            raise malformed(self.venue, frame, exc) from exc


def read_instruments(answer: bytes, odd: list[str]) -> list[VenueInstrument]:
    """Read the answer of ``/api/v3/exchangeInfo``; raises FormatError. Odd members are told in ``odd``."""
    try:
        return read_each(orjson.loads(answer)["symbols"], _instrument, odd)
    except MALFORMED as exc:
        raise malformed("binance's exchangeInfo", answer, exc) from exc


def _instrument(symbol: Any) -> VenueInstrument:
    return VenueInstrument(
        name(symbol["symbol"]),
        optional_name(symbol.get("baseAsset")),
        optional_name(symbol.get("quoteAsset")),
        "spot",
        step_of(symbol, "PRICE_FILTER", "tickSize"),
        step_of(symbol, "LOT_SIZE", "stepSize"),
        symbol["status"] == "TRADING",
    )


def step_of(symbol: Any, filter_type: str, key: str) -> str:
    """A symbol's step, as its filters say."""
    for limits in symbol.get("filters") or ():
        if limits.get("filterType") == filter_type:
            return step(limits.get(key))
    return ""
