"""Bybit v5's market data, key by key in its order, which differs between spot and linear."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any
from uuid import UUID

import orjson

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.bybit.windows import Window
from hyperstream.testing.exchanges.flow import MarketFlow
from hyperstream.testing.exchanges.truth import Day, spell_signed, spell_value

LINEAR, SPOT = "linear", "spot"
INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h",
    "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip
_EIGHT_HOURS_MS = 8 * 3600 * 1000


def frame(
    topic: str, kind: str, now_ms: int, data: object, more: Mapping[str, Any], *, is_time_first: bool
) -> bytes:
    """Return a message: ``ts`` before ``type`` or after it."""
    head: dict[str, Any] = {"topic": topic}
    head |= {"ts": now_ms, "type": kind} if is_time_first else {"type": kind, "ts": now_ms}
    return orjson.dumps({**head, "data": data, **more})


def book(window: Window, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """The ``data`` of an order book message."""
    flow = window.flow
    return {
        "s": flow.symbol,
        "b": [_level(flow, price, size) for price, size in bids],
        "a": [_level(flow, price, size) for price, size in asks],
        "u": window.u,
        "seq": window.seq,
    }


def _level(flow: MarketFlow, price_e8: int, size_e8: int) -> tuple[str, str]:
    return flow.instrument.price(price_e8), flow.instrument.size(size_e8) if size_e8 else "0"


def trade(flow: MarketFlow, item: Trade, direction: str, seq: int, *, is_spot: bool) -> dict[str, Any]:
    """One of ``publicTrade``. The tick direction is told on derivatives only."""
    data: dict[str, Any] = {
        "T": item.time_ms, "s": flow.symbol, "S": "Buy" if item.is_buy else "Sell",
        "v": flow.instrument.size(item.size_e8), "p": flow.instrument.price(item.price_e8),
    }  # fmt: skip
    if not is_spot:
        data["L"] = direction
    return data | {"i": trade_id(flow, item, is_spot=is_spot), "BT": False, "RPI": False, "seq": seq}


def trade_id(flow: MarketFlow, item: Trade, *, is_spot: bool) -> str:
    """A UUID on derivatives, a number on spot; always the same for the same trade."""
    if is_spot:
        return str(2_290_000_000_000_000_000 + item.trade_id)
    return str(UUID(int=Random(f"{flow.symbol} {item.trade_id}").getrandbits(128), version=5))


def linear_ticker(flow: MarketFlow) -> dict[str, Any]:
    """Every field of a linear ticker."""
    day, price, size = Day.of(flow), flow.instrument.price, flow.instrument.size
    bid, bid_size, ask, ask_size = flow.book.touch()
    last, middle, index = flow.last_trade, flow.book.mid_e8, flow.fair_e8
    previous = flow.recent_trades[-2].price_e8 if len(flow.recent_trades) > 1 else last.price_e8
    interest = day.volume_e8 * 5
    return {
        "symbol": flow.symbol, "tickDirection": tick_direction(previous, last.price_e8, "ZeroPlusTick"),
        "price24hPcnt": spell_signed(day.change_e8, day.open_e8, 6), "lastPrice": price(last.price_e8),
        "prevPrice24h": price(day.open_e8), "highPrice24h": price(day.high_e8),
        "lowPrice24h": price(day.low_e8), "prevPrice1h": price(flow.bars["1h"].forming.open_e8),
        "markPrice": price(middle), "indexPrice": price(index), "openInterest": size(interest),
        "openInterestValue": spell_value(interest * middle, 2), "turnover24h": spell_value(day.value_e16, 4),
        "volume24h": size(day.volume_e8), "fundingIntervalHour": "8", "fundingCap": "0.005",
        "nextFundingTime": str(flow.time_ms - flow.time_ms % _EIGHT_HOURS_MS + _EIGHT_HOURS_MS),
        "fundingRate": spell_signed(middle - index, 8 * index, 8), "bid1Price": price(bid),
        "bid1Size": size(bid_size), "ask1Price": price(ask), "ask1Size": size(ask_size), "preOpenPrice": "",
        "preQty": "", "curPreListingPhase": "",
    }  # fmt: skip


def spot_ticker(flow: MarketFlow) -> dict[str, Any]:
    """Every field of a spot ticker; there are no best prices in it."""
    day, price = Day.of(flow), flow.instrument.price
    return {
        "symbol": flow.symbol, "lastPrice": price(day.close_e8), "highPrice24h": price(day.high_e8),
        "lowPrice24h": price(day.low_e8), "prevPrice24h": price(day.open_e8),
        "volume24h": flow.instrument.size(day.volume_e8), "turnover24h": spell_value(day.value_e16, 8),
        "price24hPcnt": spell_signed(day.change_e8, day.open_e8, 4),
        "usdIndexPrice": spell_value(flow.fair_e8 * 10**8, 6),
    }  # fmt: skip


def tick_direction(before_e8: int, now_e8: int, last: str) -> str:
    """Return the direction of a price after another; an equal one continues the last direction."""
    if now_e8 == before_e8:
        return "ZeroPlusTick" if "Plus" in last else "ZeroMinusTick"
    return "PlusTick" if now_e8 > before_e8 else "MinusTick"


def dumps(message: object) -> bytes:
    """Return the JSON."""
    return orjson.dumps(message)


def candle(flow: MarketFlow, bar: Bar, interval: str, now_ms: int) -> dict[str, Any]:
    """One of ``kline``; ``timestamp`` is the last trade's time."""
    price = flow.instrument.price
    return {
        "start": bar.start_ms, "end": bar.end_ms - 1, "interval": interval, "open": price(bar.open_e8),
        "close": price(bar.close_e8), "high": price(bar.high_e8), "low": price(bar.low_e8),
        "volume": flow.instrument.size(bar.volume_e8), "turnover": spell_value(bar.value_e16, 4),
        "confirm": bar.is_closed, "timestamp": bar.last_trade_ms or now_ms,
    }  # fmt: skip
