"""Binance USD-M futures: as spot, but for two paths of streams, times in quotes, and the mark price.

Streams live under ``/public`` or ``/market``; a subscription on the wrong one is acknowledged and
silent. Payloads may hold ``st`` (1 is USD-M) and ``ps``; COIN-M symbols are not followed here.
"""

from __future__ import annotations

from typing import Any

import orjson
from attrs import define

from hyperstream.errors import TopicError
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import BINANCE_FUTURES, Channel, FeedTopic, VenueInstrument
from hyperstream.wire.binance import DEPTH, BinanceDecoder, step_of
from hyperstream.wire.binance_fields import INTERVALS, bars, depth, last_price, quotes, trades
from hyperstream.wire.venue_fields import (
    MALFORMED,
    ReadData,
    malformed,
    name,
    optional_decimal,
    require_decimals,
    time_ns,
)
from hyperstream.wire.venue_lists import optional_name, read_each

PUBLIC = "public"
MARKET = "market"
TRADE_STREAMS = ("aggTrade", "trade")
_MARK_PRICE = "@markPrice@1s"
_INTERVALS = INTERVALS[1:]
_PUBLIC_KINDS = ("bookTicker", "trade", DEPTH[1:])


def streams_of(topic: FeedTopic, trade_stream: str = "aggTrade") -> tuple[str, ...]:
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
            return (f"{symbol}{_MARK_PRICE}", f"{symbol}@miniTicker")
        case Channel.BARS if topic.detail in _INTERVALS:
            return (f"{symbol}@kline_{topic.detail}",)
        case Channel.BARS:
            raise TopicError(
                f"binance_futures has no bars of {topic.detail!r}; it has {', '.join(_INTERVALS)}"
            )
    raise TopicError(f"binance_futures has no {topic.channel.value}")


def path_of(stream: str) -> str:
    """Return the path a stream is served under, PUBLIC or MARKET."""
    return PUBLIC if stream.partition("@")[2] in _PUBLIC_KINDS else MARKET


def reader_of(stream: str) -> ReadData:
    """Return what reads the data of a stream; raises TopicError for a name it does not know."""
    lower, _, kind = stream.partition("@")
    symbol = lower.upper()
    if kind == "bookTicker":
        return quotes(BINANCE_FUTURES, symbol)
    if kind in TRADE_STREAMS:
        return trades(BINANCE_FUTURES, symbol, "t" if kind == "trade" else "a")
    if f"@{kind}" == DEPTH:
        return depth(symbol)
    if f"@{kind}" == _MARK_PRICE:
        return mark_price(symbol)
    if kind == "miniTicker":
        return last_price(symbol)
    if kind.startswith("kline_") and kind.removeprefix("kline_") in _INTERVALS:
        return bars(BINANCE_FUTURES, symbol, kind.removeprefix("kline_"))
    raise TopicError(f"binance_futures' stream {stream!r} is not known here")


def mark_price(symbol: str) -> ReadData:
    """``<s>@markPrice@1s``: mark, and where there are such, index and funding rate (``""`` if delivered)."""

    def read(data: Any, receive_time_ns: int) -> TickerUpdate:
        require_decimals(data["p"])
        fields = {
            "mark_price": data["p"],
            "index_price": optional_decimal(data.get("i")),
            "funding_rate": optional_decimal(data.get("r")),
        }
        return TickerUpdate(symbol, False, fields, time_ns(data["E"]), receive_time_ns)

    return read


@define(eq=False)
class BinanceFuturesDecoder(BinanceDecoder):
    """Reads the frames of one connection to either path."""

    venue: str = BINANCE_FUTURES

    def _reader_of(self, stream: str) -> ReadData:
        return reader_of(stream)


def read_instruments(answer: bytes, odd: list[str]) -> list[VenueInstrument]:
    """Read the answer of ``/fapi/v1/exchangeInfo``; raises FormatError. Odd members are told in ``odd``.

    ``kind`` is the contract's type, which is ``""`` before one is launched.
    """
    try:
        return read_each(orjson.loads(answer)["symbols"], _instrument, odd)
    except MALFORMED as exc:
        raise malformed("binance_futures' exchangeInfo", answer, exc) from exc


def _instrument(symbol: Any) -> VenueInstrument:
    return VenueInstrument(
        name(symbol["symbol"]),
        optional_name(symbol.get("baseAsset")),
        optional_name(symbol.get("quoteAsset")),
        optional_name(symbol.get("contractType")).lower(),
        step_of(symbol, "PRICE_FILTER", "tickSize"),
        step_of(symbol, "LOT_SIZE", "stepSize"),
        symbol["status"] == "TRADING",
    )
