"""The data of Bybit's frames and of its list of instruments, read into values.

Source: Bybit's v5 documentation, and measured frames. JSON keys come in any order. Functions raise
FormatError or one of ``MALFORMED`` for what is not as documented; the decoder maps these.
"""

from __future__ import annotations

from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.market.venue_book import BookUpdate
from hyperstream.market.venue_levels import VenueSide
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import BYBIT, Quote, VenueBar, VenueInstrument, VenueTrade
from hyperstream.wire.venue_fields import (
    MALFORMED,
    NS_PER_MS,
    Levels,
    flag,
    levels,
    malformed,
    name,
    optional_decimal,
    require_decimals,
    time_ns,
    whole,
)
from hyperstream.wire.venue_lists import optional_name, read_each, step

TO_BYBIT = {
    "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120", "4h": "240",
    "6h": "360", "12h": "720", "1d": "D", "1w": "W", "1M": "M",
}  # fmt: skip
_FROM_BYBIT = {spelling: interval for interval, spelling in TO_BYBIT.items()}
_TICKER_FIELDS = {
    "lastPrice": "last_price",
    "markPrice": "mark_price",
    "indexPrice": "index_price",
    "usdIndexPrice": "index_price",
    "fundingRate": "funding_rate",
    "openInterest": "open_interest",
}


def read_book(symbol: str, message: Any, receive_time_ns: int) -> BookUpdate:
    """``orderbook.<depth>``: u is the update id, cts the matching engine's time."""
    data, kind = message["data"], message["type"]
    if kind not in ("snapshot", "delta"):
        raise FormatError(f"a book's type is {kind!r:.40}, not snapshot or delta")
    update_id = whole(data["u"])
    event_time_ns = time_ns(message["cts"] if "cts" in message else message["ts"])
    return BookUpdate(
        symbol, kind == "snapshot", update_id, update_id, update_id - 1, levels(data["b"]),
        levels(data["a"]), event_time_ns, receive_time_ns,
    )  # fmt: skip


def read_quote(symbol: str, message: Any, receive_time_ns: int, before: Quote | None = None) -> Quote:
    """``orderbook.1``: at most one level a side; usually the whole, else what changed since ``before``."""
    data = message["data"]
    bids, asks = levels(data["b"]), levels(data["a"])
    if message.get("type") == "delta":
        if before is None:
            raise FormatError("a change of the best prices, and no snapshot before it")
        bids = _changed(1, before.bid, before.bid_size, bids)
        asks = _changed(-1, before.ask, before.ask_size, asks)
    bid = bid_size = ask = ask_size = ""
    if bids:
        bid, bid_size = bids[0]
        require_decimals(bid, bid_size)
    if asks:
        ask, ask_size = asks[0]
        require_decimals(ask, ask_size)
    event_time_ns = time_ns(message["cts"] if "cts" in message else message["ts"])
    return Quote(
        BYBIT, symbol, bid, bid_size, ask, ask_size, event_time_ns, receive_time_ns, whole(data["u"])
    )


def _changed(sign: int, price: str, size: str, changes: Levels) -> Levels:
    """A side of one level after a change: what leaves it is told with size zero, as in deeper books."""
    side = VenueSide(sign, max_levels=1)
    if price:
        side.replace([(price, size)])
    side.apply(changes)
    return side.top(1)


def read_trades(symbol: str, message: Any, receive_time_ns: int) -> list[VenueTrade]:
    """``publicTrade``: new trades, oldest first; S is the taker's side, i a UUID (on spot a number)."""
    found = []
    for trade in message["data"]:
        price, size, side = trade["p"], trade["v"], trade["S"]
        require_decimals(price, size)
        if side not in ("Buy", "Sell"):
            raise FormatError(f"the side of a trade is {side!r:.40}, not Buy or Sell")
        found.append(
            VenueTrade(
                BYBIT, symbol, name(trade["i"]), price, size, side == "Buy", time_ns(trade["T"]),
                receive_time_ns,
            )
        )  # fmt: skip
    return found


def read_ticker(symbol: str, message: Any, receive_time_ns: int) -> TickerUpdate:
    """``tickers``: a snapshot, then deltas whose absent fields are unchanged."""
    kind, data = message["type"], message["data"]
    if kind not in ("snapshot", "delta"):
        raise FormatError(f"a ticker's type is {kind!r:.40}, not snapshot or delta")
    fields = {
        ours: optional_decimal(data[theirs]) for theirs, ours in _TICKER_FIELDS.items() if theirs in data
    }
    return TickerUpdate(symbol, kind == "snapshot", fields, time_ns(message["ts"]), receive_time_ns)


def read_bars(symbol: str, message: Any, receive_time_ns: int) -> list[VenueBar]:
    """``kline``: at a rollover the closing bar and the new one. Has no count of trades (0)."""
    found = []
    for bar in message["data"]:
        opened, high, low, closed = bar["open"], bar["high"], bar["low"], bar["close"]
        volume, turnover = bar["volume"], bar["turnover"]
        require_decimals(opened, high, low, closed, volume, turnover)
        found.append(
            VenueBar(
                BYBIT, symbol, _FROM_BYBIT[bar["interval"]], time_ns(bar["start"]),
                time_ns(bar["end"]) + NS_PER_MS, opened, high, low, closed, volume, turnover, 0,
                flag(bar["confirm"]), receive_time_ns,
            )
        )  # fmt: skip
    return found


def read_instruments(answer: bytes, odd: list[str]) -> tuple[list[VenueInstrument], str]:
    """Read a page of ``/v5/market/instruments-info``: instruments, and the cursor of the next page or ``""``.

    Raises FormatError, also where the venue answers with an error of its own. Odd members are told in
    ``odd``.
    """
    try:
        page = orjson.loads(answer)
        if page.get("retCode", 0) != 0:
            raise FormatError(f"{page.get('retMsg')} (retCode {page['retCode']})")
        result = page["result"]
        kind = optional_name(result.get("category"))
        found = read_each(result["list"], lambda listed: _instrument(listed, kind), odd)
        return found, name(result.get("nextPageCursor") or "")
    except MALFORMED as exc:
        raise malformed("bybit's instruments-info", answer, exc) from exc


def _instrument(listed: Any, kind: str) -> VenueInstrument:
    """Derivatives have qtyStep, spot has basePrecision; options have no contractType."""
    prices, sizes = listed.get("priceFilter") or {}, listed.get("lotSizeFilter") or {}
    return VenueInstrument(
        name(listed["symbol"]),
        optional_name(listed.get("baseCoin")),
        optional_name(listed.get("quoteCoin")),
        optional_name(listed.get("contractType")) or kind,
        step(prices.get("tickSize")),
        step(sizes.get("qtyStep")) or step(sizes.get("basePrecision")),
        listed.get("status", "Trading") == "Trading",
    )
