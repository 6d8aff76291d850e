"""Payloads that Binance spot and USD-M futures have in common, read into values.

Source: "WebSocket Streams" of Binance's spot documentation, "Websocket Market Streams" of USD-M.
Each function takes the venue and the symbol a stream is about and returns a reader of its data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.market.venue_book import BookSnapshot, BookUpdate
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import Quote, VenueBar, VenueTrade
from hyperstream.wire.venue_fields import (
    MALFORMED,
    NS_PER_MS,
    UNKNOWN,
    Control,
    ReadData,
    Reply,
    ServerShutdown,
    Unknown,
    flag,
    levels,
    malformed,
    require_decimals,
    time_ns,
    whole,
)

INTERVALS = (
    "1s",
    "1m",
    "3m",
    "5m",
    "15m",
    "30m",
    "1h",
    "2h",
    "4h",
    "6h",
    "8h",
    "12h",
    "1d",
    "3d",
    "1w",
    "1M",
)
MAX_STREAMS_PER_MESSAGE = 200
MAX_STREAMS_PER_CONNECTION = 1_024
_SUBSCRIBE = "SUBSCRIBE"
_UNSUBSCRIBE = "UNSUBSCRIBE"


def quotes(venue: str, symbol: str) -> ReadData:
    """``<s>@bookTicker``; spot has no time. A side of price zero is absent."""

    def read(data: Any, receive_time_ns: int) -> Quote:
        bid, bid_size, ask, ask_size = data["b"], data["B"], data["a"], data["A"]
        require_decimals(bid, bid_size, ask, ask_size)
        if _is_zero(bid):
            bid = bid_size = ""
        if _is_zero(ask):
            ask = ask_size = ""
        event_time_ns = time_ns(data["T"]) if "T" in data else 0
        update_id = whole(data["u"])
        return Quote(venue, symbol, bid, bid_size, ask, ask_size, event_time_ns, receive_time_ns, update_id)

    return read


def _is_zero(price: str) -> bool:
    return price[0] == "0" and not price.strip("0.")


def trades(venue: str, symbol: str, id_key: str) -> ReadData:
    """``<s>@trade`` (``id_key`` t) and ``<s>@aggTrade`` (a); m says that the buyer was the maker.

    USD-M's ``<s>@trade`` puts markers among the trades that are none (``"p":"0","q":"0","X":"NA"``,
    some of them every minute): a low of zero, if they were taken for trades.
    """

    def read(data: Any, receive_time_ns: int) -> list[VenueTrade] | Unknown:
        price, size = data["p"], data["q"]
        require_decimals(price, size)
        if _is_zero(price):
            return UNKNOWN
        trade_id, trade_time_ns = str(whole(data[id_key])), time_ns(data["T"])
        is_buyer_taker = not flag(data["m"])
        return [
            VenueTrade(venue, symbol, trade_id, price, size, is_buyer_taker, trade_time_ns, receive_time_ns)
        ]

    return read


def depth(symbol: str) -> ReadData:
    """``<s>@depth@100ms``; pu is there on USD-M alone, whose matching time is T."""

    def read(data: Any, receive_time_ns: int) -> BookUpdate:
        return BookUpdate(
            symbol,
            False,
            whole(data["U"]),
            whole(data["u"]),
            whole(data.get("pu", 0)),
            levels(data["b"]),
            levels(data["a"]),
            time_ns(data["T"] if "T" in data else data["E"]),
            receive_time_ns,
        )

    return read


def bars(venue: str, symbol: str, interval: str) -> ReadData:
    """``<s>@kline_<i>``; T is the last millisecond of the bar."""

    def read(data: Any, receive_time_ns: int) -> list[VenueBar]:
        bar = data["k"]
        opened, high, low, closed = bar["o"], bar["h"], bar["l"], bar["c"]
        volume, turnover = bar["v"], bar["q"]
        require_decimals(opened, high, low, closed, volume, turnover)
        return [
            VenueBar(
                venue, symbol, interval, time_ns(bar["t"]), time_ns(bar["T"]) + NS_PER_MS, opened, high, low,
                closed, volume, turnover, whole(bar["n"]), flag(bar["x"]), receive_time_ns,
            )
        ]  # fmt: skip

    return read


def last_price(symbol: str) -> ReadData:
    """``<s>@miniTicker``: of a ticker, the last price."""

    def read(data: Any, receive_time_ns: int) -> TickerUpdate:
        require_decimals(data["c"])
        return TickerUpdate(symbol, False, {"last_price": data["c"]}, time_ns(data["E"]), receive_time_ns)

    return read


def subscribe_message(streams: Sequence[str], request: int) -> str:
    """The request for streams; at most ``MAX_STREAMS_PER_MESSAGE`` keep the frame reasonable."""
    return orjson.dumps({"method": _SUBSCRIBE, "params": list(streams), "id": request}).decode()


def unsubscribe_message(streams: Sequence[str], request: int) -> str:
    """The request to end streams."""
    return orjson.dumps({"method": _UNSUBSCRIBE, "params": list(streams), "id": request}).decode()


def read_control(message: Any) -> Control:
    """Read what stands outside the combined envelope: answers, refusals, the server's goodbye.

    Refusals are flat (``{"code":2,"msg":"…","id":1}``) or nested (``{"error":{…},"id":1}``).
    """
    request = str(message["id"]) if message.get("id") is not None else ""
    if message.get("e") == "serverShutdown":
        return ServerShutdown()
    error = message.get("error", message)
    if "code" in error:
        return Reply(request, False, f"{error.get('msg', '')} (code {error['code']})")
    if "result" in message:
        return Reply(request, True)
    raise FormatError("neither data nor an answer")


def read_snapshot(venue: str, answer: bytes) -> BookSnapshot:
    """Read the answer of ``/depth``: ``{"lastUpdateId":L,"bids":[…],"asks":[…]}``; raises FormatError."""
    try:
        data = orjson.loads(answer)
        last_id, bids, asks = whole(data["lastUpdateId"]), levels(data["bids"]), levels(data["asks"])
    except MALFORMED as exc:
        raise malformed(f"{venue}'s depth", answer, exc) from exc
    return BookSnapshot(last_id, bids, asks)
