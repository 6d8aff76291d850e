"""Binance's market-data payloads, key by key in its order. ``units`` is times per millisecond."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.book import Levels
from hyperstream.testing.exchanges.flow import MarketFlow
from hyperstream.testing.exchanges.truth import Day, spell_signed, spell_value, spelled

Payload = dict[str, Any]
USD_M = {"st": 1}


def levels(flow: MarketFlow, sizes: Mapping[int, int] | Levels) -> list[tuple[str, str]]:
    """Return levels as pairs of strings; a size of 0 takes a level out."""
    pairs = list(sizes.items()) if isinstance(sizes, Mapping) else sizes
    return list(spelled(flow, pairs))


def trade(flow: MarketFlow, item: Trade, event_ms: int, units: int) -> Payload:
    """Spot ``trade``."""
    return {
        "e": "trade", "E": event_ms * units, "s": flow.symbol, "t": item.trade_id,
        "p": flow.instrument.price(item.price_e8), "q": flow.instrument.size(item.size_e8),
        "T": item.time_ms * units, "m": not item.is_buy, "M": True,
    }  # fmt: skip


def futures_trade(flow: MarketFlow, item: Trade, event_ms: int) -> Payload:
    """USD-M ``trade``."""
    return {
        "e": "trade", "E": event_ms, "T": item.time_ms, "s": flow.symbol, "t": item.trade_id,
        "p": flow.instrument.price(item.price_e8), "q": flow.instrument.size(item.size_e8),
        "X": "MARKET", "m": not item.is_buy,
    }  # fmt: skip


def aggregate(
    flow: MarketFlow, number: int, trades: list[Trade], event_ms: int, units: int, *, is_futures: bool
) -> Payload:
    """``aggTrade``: trades of one side at one price."""
    first, last = trades[0], trades[-1]
    size = flow.instrument.size(sum(item.size_e8 for item in trades))
    head: Payload = {
        "e": "aggTrade", "E": event_ms * units, "s": flow.symbol, "a": number,
        "p": flow.instrument.price(first.price_e8), "q": size,
    }  # fmt: skip
    if is_futures:
        head["nq"] = size
    head |= {"f": first.trade_id, "l": last.trade_id, "T": last.time_ms * units, "m": not first.is_buy}
    return head | (USD_M if is_futures else {"M": True})


def book_ticker(flow: MarketFlow, event_ms: int, *, is_futures: bool) -> Payload:
    """``bookTicker``; on spot without type and time."""
    bid, bid_size, ask, ask_size = flow.book.touch()
    price, size = flow.instrument.price, flow.instrument.size
    best = {"b": price(bid), "B": size(bid_size), "a": price(ask), "A": size(ask_size)}
    if not is_futures:
        return {"u": flow.update_id, "s": flow.symbol, **best}
    head = {"e": "bookTicker", "u": flow.update_id, "s": flow.symbol, "ps": flow.symbol}
    return {**head, **best, "T": flow.time_ms, "E": event_ms, **USD_M}


def kline(flow: MarketFlow, bar: Bar, event_ms: int, units: int, *, is_futures: bool) -> Payload:
    """``kline``."""
    price, size = flow.instrument.price, flow.instrument.size
    inner = {
        "t": bar.start_ms * units, "T": bar.end_ms * units - 1, "s": flow.symbol, "i": bar.interval,
        "f": bar.first_id, "L": bar.last_id, "o": price(bar.open_e8), "c": price(bar.close_e8),
        "h": price(bar.high_e8), "l": price(bar.low_e8), "v": size(bar.volume_e8), "n": bar.trades,
        "x": bar.is_closed, "q": spell_value(bar.value_e16), "V": size(bar.taker_buy_volume_e8),
        "Q": spell_value(bar.taker_buy_value_e16), "B": "0",
    }  # fmt: skip
    head = {"e": "kline", "E": event_ms * units, "s": flow.symbol, "k": inner}
    return head | USD_M if is_futures else head


def mini_ticker(flow: MarketFlow, event_ms: int, units: int, *, is_futures: bool) -> Payload:
    """``24hrMiniTicker``."""
    day, price = Day.of(flow), flow.instrument.price
    payload = {
        "e": "24hrMiniTicker", "E": event_ms * units, "s": flow.symbol, "c": price(day.close_e8),
        "o": price(day.open_e8), "h": price(day.high_e8), "l": price(day.low_e8),
        "v": flow.instrument.size(day.volume_e8), "q": spell_value(day.value_e16),
    }  # fmt: skip
    return payload | {"ps": flow.symbol, **USD_M} if is_futures else payload


def ticker(flow: MarketFlow, event_ms: int, units: int, *, is_futures: bool) -> Payload:
    """``24hrTicker``; on futures without the price before the window and the best prices."""
    day, price, size = Day.of(flow), flow.instrument.price, flow.instrument.size
    last = flow.last_trade
    payload: Payload = {
        "e": "24hrTicker", "E": event_ms * units, "s": flow.symbol,
        "p": spell_signed(day.change_e8, 10**8, 8), "P": spell_signed(100 * day.change_e8, day.open_e8, 3),
        "w": spell_value(day.average_e8 * 10**8),
    }  # fmt: skip
    if not is_futures:
        payload["x"] = price(day.open_e8)
    payload |= {"c": price(day.close_e8), "Q": size(last.size_e8)}
    if not is_futures:
        bid, bid_size, ask, ask_size = flow.book.touch()
        payload |= {"b": price(bid), "B": size(bid_size), "a": price(ask), "A": size(ask_size)}
    payload |= {
        "o": price(day.open_e8), "h": price(day.high_e8), "l": price(day.low_e8),
        "v": size(day.volume_e8), "q": spell_value(day.value_e16), "O": day.open_ms * units,
        "C": event_ms * units, "F": day.first_id, "L": day.last_id, "n": day.trades,
    }  # fmt: skip
    return payload | USD_M if is_futures else payload


def mark_price(flow: MarketFlow, event_ms: int) -> Payload:
    """USD-M ``markPriceUpdate``: the mark follows the middle, the index the market it is anchored to."""
    mark = flow.book.mid_e8
    index = flow.anchor.book.mid_e8 if flow.anchor is not None else flow.fair_e8
    average = (3 * mark + flow.fair_e8) // 4
    eight_hours = 8 * 3600 * 1000
    return {
        "e": "markPriceUpdate", "E": event_ms, "s": flow.symbol, "p": spell_value(mark * 10**8),
        "i": spell_value(index * 10**8), "P": spell_value(average * 10**8),
        "r": spell_signed(mark - index, 8 * index, 8), "ap": spell_value(average * 10**8),
        "T": event_ms - event_ms % eight_hours + eight_hours, **USD_M,
    }  # fmt: skip


def compact(payload: Payload | Iterable[Payload]) -> bytes:
    """Return the JSON."""
    return orjson.dumps(payload if isinstance(payload, dict) else list(payload))
