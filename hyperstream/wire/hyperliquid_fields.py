"""The data of Hyperliquid's frames and the answers of its info server, read into values.

Functions raise FormatError or one of ``MALFORMED`` for what is not as documented; the decoder and
``hyperliquid_instruments`` map these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import HYPERLIQUID, Quote, VenueBar, VenueInstrument, VenueMids, VenueTrade
from hyperstream.wire.venue_fields import (
    MALFORMED,
    NS_PER_MS,
    flag,
    malformed,
    name,
    optional_decimal,
    require_decimals,
    time_ns,
    whole,
)
from hyperstream.wire.venue_lists import optional_name, read_each


def read_quote(data: Any, receive_time_ns: int) -> Quote:
    """``bbo``: a side may be null."""
    bid, ask = data["bbo"]
    bid_price = bid_size = ask_price = ask_size = ""
    if bid is not None:
        bid_price, bid_size = bid["px"], bid["sz"]
        require_decimals(bid_price, bid_size)
    if ask is not None:
        ask_price, ask_size = ask["px"], ask["sz"]
        require_decimals(ask_price, ask_size)
    return Quote(
        HYPERLIQUID,
        name(data["coin"]),
        bid_price,
        bid_size,
        ask_price,
        ask_size,
        time_ns(data["time"]),
        receive_time_ns,
    )


def read_trades(data: Any, receive_time_ns: int) -> list[VenueTrade]:
    """``trades``: all of one coin; side is the taker's, B or A."""
    found = []
    coin = None
    for trade in data:
        price, size, side = trade["px"], trade["sz"], trade["side"]
        require_decimals(price, size)
        if side not in ("A", "B"):
            raise FormatError(f"the side of a trade is {side!r:.40}, not A or B")
        if coin is None:
            coin = name(trade["coin"])
        elif trade["coin"] != coin:
            raise FormatError("trades of several coins in one frame")
        found.append(
            VenueTrade(
                HYPERLIQUID, coin, str(whole(trade["tid"])), price, size, side == "B",
                time_ns(trade["time"]), receive_time_ns,
            )
        )  # fmt: skip
    return found


def read_candles(data: Any, receive_time_ns: int) -> list[VenueBar]:
    """``candle``: one object (the documentation says a list); never marked as closed."""
    return [_candle(candle, receive_time_ns) for candle in (data if isinstance(data, list) else [data])]


def _candle(candle: Any, receive_time_ns: int) -> VenueBar:
    opened, high, low, closed, volume = candle["o"], candle["h"], candle["l"], candle["c"], candle["v"]
    require_decimals(opened, high, low, closed, volume)
    return VenueBar(
        HYPERLIQUID, name(candle["s"]), name(candle["i"]), time_ns(candle["t"]),
        time_ns(candle["T"]) + NS_PER_MS, opened, high, low, closed, volume, "", whole(candle["n"]), False,
        receive_time_ns,
    )  # fmt: skip


def read_asset(data: Any, receive_time_ns: int) -> TickerUpdate:
    """``activeAssetCtx`` of a perp, and ``activeSpotAssetCtx``: has no last price and no time."""
    context = data["ctx"]
    fields = {
        "mark_price": optional_decimal(context.get("markPx")),
        "index_price": optional_decimal(context.get("oraclePx")),
        "funding_rate": optional_decimal(context.get("funding")),
        "open_interest": optional_decimal(context.get("openInterest")),
    }
    return TickerUpdate(name(data["coin"]), False, fields, 0, receive_time_ns)


def read_mids(data: Any, receive_time_ns: int) -> VenueMids:
    """``allMids``: the dex it is about is there unless it is the main one."""
    mids = {name(coin): optional_decimal(mid) for coin, mid in data["mids"].items()}
    return VenueMids(HYPERLIQUID, name(data.get("dex") or ""), mids, receive_time_ns)


def read_meta(answer: bytes, dex: str, tokens: Mapping[int, str], odd: list[str]) -> list[VenueInstrument]:
    """Read ``meta``: the perps of a dex, which are named ``dex:COIN``; raises FormatError.

    They are quoted in the dex's collateral, by its name among the ``tokens``. Odd members are told in
    ``odd``.
    """
    try:
        meta = orjson.loads(answer)
        quote = tokens.get(meta.get("collateralToken", 0), "")
        return read_each(meta["universe"], lambda coin: _perp(coin, dex, quote), odd)
    except MALFORMED as exc:
        raise malformed(f"hyperliquid's meta {dex}".rstrip(), answer, exc) from exc


def _perp(coin: Any, dex: str, quote: str) -> VenueInstrument:
    """isDelisted is absent or null where it is not true."""
    symbol = name(coin["name"])
    return VenueInstrument(
        symbol if not dex or ":" in symbol else f"{dex}:{symbol}",
        symbol.rpartition(":")[2],
        quote,
        "perpetual",
        "",
        _step(coin["szDecimals"]),
        not flag(coin.get("isDelisted") or False),
    )


def read_dexes(answer: bytes) -> list[str]:
    """Read ``perpDexs``: the names of the dexes beside the main one; raises FormatError."""
    try:
        return [name(dex["name"]) for dex in orjson.loads(answer) if dex is not None]
    except MALFORMED as exc:
        raise malformed("hyperliquid's perpDexs", answer, exc) from exc


def read_spot_meta(answer: bytes, odd: list[str]) -> tuple[list[VenueInstrument], dict[int, str]]:
    """Read ``spotMeta``: the pairs, and the names of all tokens by their number; raises FormatError.

    Pairs are named ``@index``, but for PURR/USDC. Odd pairs are told in ``odd``.
    """
    try:
        meta = orjson.loads(answer)
        tokens = {
            token["index"]: token for token in meta["tokens"] if isinstance(token, dict) and "index" in token
        }
        pairs = read_each(meta["universe"], lambda pair: _pair(pair, tokens), odd)
        return pairs, {number: optional_name(token.get("name")) for number, token in tokens.items()}
    except MALFORMED as exc:
        raise malformed("hyperliquid's spotMeta", answer, exc) from exc


def _pair(pair: Any, tokens: Mapping[int, Any]) -> VenueInstrument:
    base, quote = (tokens[number] for number in pair["tokens"])
    symbol = f"@{whole(pair['index'])}" if pair["index"] else "PURR/USDC"
    return VenueInstrument(
        symbol, name(base["name"]), name(quote["name"]), "spot", "", _step(base["szDecimals"])
    )


def _step(places: Any) -> str:
    """The smallest size of a market whose sizes have so many decimal places."""
    if type(places) is not int or not 0 <= places <= 18:
        raise FormatError(f"not a number of decimal places: {places!r:.40}")
    return f"0.{'1'.rjust(places, '0')}" if places else "1"
