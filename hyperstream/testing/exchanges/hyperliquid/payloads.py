"""Hyperliquid's market data as JSON values, key by key in its order."""

import zlib
from typing import Any

from hyperstream.market.decimals import format_e8
from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.book import Levels
from hyperstream.testing.exchanges.flow import MarketFlow
from hyperstream.testing.exchanges.truth import Day, spell_signed, spell_value
from hyperstream.testing.listings import SPOT, market_spec

BOOK_LEVELS = 20
FAST_LEVELS = 5
_USERS = 200


def order_count(flow: MarketFlow, price_e8: int, size_e8: int) -> int:
    """Return how many orders a level is made of: made up, but always the same for the same level."""
    return 1 + (size_e8 // flow.instrument.lot_e8 + price_e8 // flow.instrument.tick_e8) % 40


def level(price_e8: int, size_e8: int, orders: int) -> dict[str, Any]:
    """One level."""
    return {"px": format_e8(price_e8), "sz": format_e8(size_e8), "n": orders}


def side(
    flow: MarketFlow, levels: Levels, *, is_bid: bool, depth: int, figures: int | None, mantissa: int | None
) -> list[dict[str, Any]]:
    """Return a side, aggregated over its whole depth and then cut.

    Bids round down and asks up to mantissa * 10^(digits - figures), digits of the price in 10^-8.
    """
    buckets: dict[int, tuple[int, int]] = {}
    for price, size in levels:
        bucket = price
        if figures is not None:
            step = (mantissa or 1) * 10 ** max(0, len(str(price)) - figures)
            bucket = price // step * step if is_bid else -(-price // step) * step
        total, orders = buckets.get(bucket, (0, 0))
        buckets[bucket] = (total + size, orders + order_count(flow, price, size))
    return [level(price, size, orders) for price, (size, orders) in list(buckets.items())[:depth]]


def book(
    flow: MarketFlow, *, depth: int = BOOK_LEVELS, figures: int | None = None, mantissa: int | None = None
) -> dict[str, Any]:
    """``l2Book``."""
    whole = None if figures is not None else depth
    levels = [
        side(flow, each.top(whole), is_bid=each.is_bid, depth=depth, figures=figures, mantissa=mantissa)
        for each in (flow.book.bids, flow.book.asks)
    ]
    return {"coin": flow.symbol, "time": flow.time_ms, "levels": levels}


def bbo(flow: MarketFlow) -> dict[str, Any]:
    """``bbo``."""
    bid, bid_size, ask, ask_size = flow.book.touch()
    best = [
        level(bid, bid_size, order_count(flow, bid, bid_size)),
        level(ask, ask_size, order_count(flow, ask, ask_size)),
    ]
    return {"coin": flow.symbol, "time": flow.time_ms, "bbo": best}


def trade(flow: MarketFlow, item: Trade) -> dict[str, Any]:
    """One of ``trades``: users are buyer and seller; tid is made of both orders."""
    draw = zlib.crc32(f"{flow.symbol}{item.trade_id}".encode())
    users = [f"0x{user % _USERS + 1:040x}" for user in (draw, draw >> 8)]
    return {
        "coin": flow.symbol,
        "side": "B" if item.is_buy else "A",
        "px": format_e8(item.price_e8),
        "sz": format_e8(item.size_e8),
        "time": item.time_ms,
        "hash": f"0x{draw:08x}{item.order:056x}",
        "tid": (draw << 18 | item.trade_id & 0x3FFFF) & ((1 << 50) - 1),
        "users": users,
    }


def candle(flow: MarketFlow, bar: Bar) -> dict[str, Any]:
    """``candle``."""
    return {
        "t": bar.start_ms, "T": bar.end_ms - 1, "s": flow.symbol, "i": bar.interval,
        "o": format_e8(bar.open_e8), "c": format_e8(bar.close_e8), "h": format_e8(bar.high_e8),
        "l": format_e8(bar.low_e8), "v": format_e8(bar.volume_e8), "n": bar.trades,
    }  # fmt: skip


def mid(flow: MarketFlow) -> str:
    """The middle between the best prices."""
    return format_e8(flow.book.mid_e8)


def context(flow: MarketFlow) -> dict[str, Any]:
    """The context of ``activeAssetCtx`` and ``metaAndAssetCtxs``: perpetuals and spot differ."""
    day, middle = Day.of(flow), flow.book.mid_e8
    mark = middle // flow.instrument.tick_e8 * flow.instrument.tick_e8
    volume = {"prevDayPx": format_e8(day.open_e8), "dayNtlVlm": spell_value(day.value_e16, 10)}
    if market_spec(flow.symbol).kind == SPOT:
        supply = {"circulatingSupply": "1000000000.0", "coin": flow.symbol, "totalSupply": "1000000000.0"}
        base = {"dayBaseVlm": format_e8(day.volume_e8)}
        return {**volume, "markPx": format_e8(mark), "midPx": format_e8(middle), **supply, **base}
    oracle = flow.fair_e8
    bid, _, ask, _ = flow.book.touch()
    premium = spell_signed(max(bid - oracle, 0) - max(oracle - ask, 0), oracle, 10)
    return {
        "funding": spell_signed(middle - oracle, 8 * oracle, 10),
        "openInterest": format_e8(day.volume_e8 * 7),
        **volume, "premium": premium, "oraclePx": format_e8(oracle), "markPx": format_e8(mark),
        "midPx": format_e8(middle), "impactPxs": [format_e8(bid), format_e8(ask)],
        "dayBaseVlm": format_e8(day.volume_e8),
    }  # fmt: skip


def empty_book(coin: str, time_ms: int) -> dict[str, Any]:
    """The book of a delisted coin."""
    return {"coin": coin, "time": time_ms, "levels": [[], []]}
