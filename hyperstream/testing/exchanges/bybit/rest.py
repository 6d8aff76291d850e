"""Bybit v5's market REST, as far as a reader needs it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hyperstream.testing.exchanges.bybit import payloads
from hyperstream.testing.exchanges.bybit.payloads import LINEAR
from hyperstream.testing.exchanges.flow import MarketFlow
from hyperstream.testing.exchanges.truth import spell_value, spelled
from hyperstream.testing.http import Answer, Question

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.bybit.exchange import FakeBybit

PREFIX = "/v5/market/"
REST_DEPTH = 1_000
_MOST_LEVELS = {"linear": 500, "spot": 200}


class Refused(Exception):
    """A request that gets another ``retCode`` than 0."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def answer(venue: "FakeBybit", question: Question) -> Answer:
    """Answer ``GET /v5/market/<call>``."""
    calls: dict[str, Callable[[FakeBybit, str, Question], dict[str, Any]]] = {
        "orderbook": _orderbook,
        "instruments-info": _instruments,
        "kline": _kline,
        "time": lambda venue, *_: {
            "timeSecond": str(venue.now_ms // 1000),
            "timeNano": f"{venue.now_ms}000000",
        },
    }
    call = question.path.removeprefix(PREFIX)
    if not question.path.startswith(PREFIX) or call not in calls or question.method != "GET":
        return Answer.text("not found", 404)
    category = question.query.get("category", "linear" if call == "kline" else "")
    code, message, result = 0, "OK", {}
    try:
        if call != "time" and category not in venue.markets:
            raise Refused("params error: Category is invalid")
        result = calls[call](venue, category, question)
    except Refused as exc:
        code, message = 10_001, exc.message
    body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": venue.now_ms}
    return Answer.json(body)


def _flow(venue: "FakeBybit", category: str, question: Question) -> MarketFlow:
    flow = venue.markets[category].get(question.query.get("symbol", ""))
    if flow is None:
        raise Refused("params error: symbol invalid")
    return flow


def _limit(question: Question, default: int, most: int) -> int:
    text = question.query.get("limit", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refused("params error: limit invalid")
    return int(text)


def _orderbook(venue: "FakeBybit", category: str, question: Question) -> dict[str, Any]:
    """The book of the 1,000-level stream, with its ``u`` and ``seq``."""
    flow = _flow(venue, category, question)
    limit = _limit(question, 25 if category == LINEAR else 1, _MOST_LEVELS[category])
    window = venue.window(category, flow, REST_DEPTH)
    bids, asks = list(window.bids.items()), list(window.asks.items())
    time_ms, u, seq = window.time_ms, window.u, window.seq
    if venue.trouble.spend("stale_snapshot"):
        copy = flow.past[0]
        bids, asks, time_ms, seq = copy.bids, copy.asks, copy.time_ms, copy.update_id
        u -= 1
    return {
        "s": flow.symbol, "b": spelled(flow, bids[:limit]), "a": spelled(flow, asks[:limit]),
        "ts": venue.now_ms, "u": u, "seq": seq, "cts": time_ms,
    }  # fmt: skip


def _instruments(venue: "FakeBybit", category: str, question: Question) -> dict[str, Any]:
    flows = list(venue.markets[category].values())
    if "symbol" in question.query:
        flows = [_flow(venue, category, question)]
    listed = [_instrument(flow, is_spot=category != LINEAR) for flow in flows]
    return {"category": category, "list": listed, "nextPageCursor": ""}


def _instrument(flow: MarketFlow, *, is_spot: bool) -> dict[str, Any]:
    instrument = flow.instrument
    tick, lot = instrument.price(instrument.tick_e8), instrument.size(instrument.lot_e8)
    names = {"baseCoin": instrument.base, "quoteCoin": instrument.quote, "status": "Trading"}
    if is_spot:
        lots = {"basePrecision": lot, "quotePrecision": "0.00000001", "minOrderQty": lot}
        return {"symbol": flow.symbol, **names, "lotSizeFilter": lots, "priceFilter": {"tickSize": tick}}
    prices = {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick}
    lots = {"minOrderQty": lot, "maxOrderQty": "1190.000", "qtyStep": lot}
    places = len(tick.partition(".")[2])
    return {
        "symbol": flow.symbol, "contractType": "LinearPerpetual", **names, "settleCoin": instrument.quote,
        "priceScale": str(places), "priceFilter": prices, "lotSizeFilter": lots, "fundingInterval": 480,
    }  # fmt: skip


def _kline(venue: "FakeBybit", category: str, question: Question) -> dict[str, Any]:
    """Newest candle first."""
    flow = _flow(venue, category, question)
    interval = payloads.INTERVALS.get(question.query.get("interval", ""))
    if interval is None:
        raise Refused("params error: interval invalid")
    limit = _limit(question, 200, 1_000)
    price, size = flow.instrument.price, flow.instrument.size
    rows = [
        [
            str(bar.start_ms), price(bar.open_e8), price(bar.high_e8), price(bar.low_e8), price(bar.close_e8),
            size(bar.volume_e8), spell_value(bar.value_e16, 4),
        ]
        for bar in reversed(flow.bars[interval].all()[-limit:])
    ]  # fmt: skip
    return {"symbol": flow.symbol, "category": category, "list": rows}
