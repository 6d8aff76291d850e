"""Fills, as the node writes them, and the trades they make.

``["0xuser",{"coin":"BTC","px":"81308.0","sz":"0.00033","side":"B","time":1778002753024,…,"hash":"0x…","oid":412036451245,"crossed":true,…,"tid":316059956208702,…}]``

Source: Hyperliquid's "L1 data schemas" and recorded files.
"""

from collections.abc import Callable
from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.market.decimals import parse_e8
from hyperstream.market.order import MAX_OID
from hyperstream.market.trades import Trade

_TRADE_ID = b'"tid":'

Fill = tuple[str, dict[str, Any]]
MAX_TIME_MS = (2**63 - 1) // 1_000_000  # the last that fits 64 bits in nanoseconds


def parse_fills(line: bytes) -> list[list[Any]]:
    """Return every fill of a node's line, as a pair; raises FormatError if it holds none."""
    try:
        events = orjson.loads(line)["events"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise FormatError("not a JSON envelope") from exc
    return _pairs(events)


def parse_fill_texts(events: bytes) -> list[list[Any]]:
    """Return the fills of a JSON array; raises FormatError if it holds anything else."""
    try:
        return _pairs(orjson.loads(events))
    except orjson.JSONDecodeError as exc:
        raise FormatError("the events are not what this source holds") from exc


def _pairs(events: Any) -> list[list[Any]]:
    if not isinstance(events, list) or (events and set(map(type, events)) != {list}):
        raise FormatError("the events are not what this source holds")
    return events


def count_fills(line: bytes) -> int:
    """Return how many fills a line of the node holds, without parsing it."""
    return line.count(_TRADE_ID)


def pair_fills(events: list[list[Any]], report: Callable[[str], None]) -> list[Trade]:
    """Return a block's trades in the order of their first fill.

    A fill without its other half makes a one-sided trade. ``report`` is told of fills that
    cannot be read; they are left out.
    """
    halves: dict[tuple[str, int], list[Fill]] = {}
    for event in events:
        try:
            user, fill = event
            _check(user, fill)
            halves.setdefault((fill["coin"], fill["tid"]), []).append((user, fill))
        except (TypeError, ValueError, KeyError, FormatError) as exc:
            report(f"{exc!r} in {event!r:.300}")
    trades: list[Trade] = []
    for fills in halves.values():
        try:
            trades.extend(_trades(fills))
        except (TypeError, KeyError, FormatError) as exc:
            report(f"{exc!r} in {fills!r:.300}")
    return trades


def _check(user: object, fill: dict[str, Any]) -> None:
    """Raise FormatError unless what is passed on as it stands is of the documented type."""
    parse_e8(fill["px"])
    parse_e8(fill["sz"])
    texts = (user, fill["coin"], fill["hash"])
    if not all(isinstance(text, str) for text in texts):
        raise FormatError("user, coin or hash of a fill is not a string")
    numbers = ((fill["tid"], MAX_OID), (fill["oid"], MAX_OID), (fill["time"], MAX_TIME_MS))
    if not all(type(number) is int and 0 <= number <= limit for number, limit in numbers):
        raise FormatError("tid, oid or time of a fill is not a possible number")


def _trades(fills: list[Fill]) -> list[Trade]:
    """The trades of fills with one tid: normally the two halves of one."""
    buys = [fill for fill in fills if fill[1]["side"] == "B"]
    sells = [fill for fill in fills if fill[1]["side"] == "A"]
    if len(buys) + len(sells) != len(fills):
        raise FormatError("a fill has neither side B nor A")
    pairs: list[tuple[Fill | None, Fill | None]] = list(zip(buys, sells, strict=False))
    pairs += [(buy, None) for buy in buys[len(sells) :]]
    pairs += [(None, sell) for sell in sells[len(buys) :]]
    return [_trade(buy, sell) for buy, sell in pairs]


def _trade(buy: Fill | None, sell: Fill | None) -> Trade:
    halves = [half for half in (buy, sell) if half is not None]
    taker = next((fill for _, fill in halves if fill["crossed"]), halves[0][1])
    if len(halves) == 1 and not taker["crossed"]:
        side = "A" if taker["side"] == "B" else "B"  # only the maker is known; the taker was opposite
    else:
        side = taker["side"]
    return Trade(
        symbol=taker["coin"],
        trade_id=taker["tid"],
        price=taker["px"],
        size=taker["sz"],
        side=side,
        time_ms=taker["time"],
        hash=taker["hash"],
        buyer=buy[0] if buy else "",
        seller=sell[0] if sell else "",
        buyer_oid=buy[1]["oid"] if buy else 0,
        seller_oid=sell[1]["oid"] if sell else 0,
        is_liquidation=any(fill.get("liquidation") for _, fill in halves),
    )
