"""Binance's REST, as far as a reader of market data needs it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from hyperstream.testing.exchanges.bars import INTERVALS_MS, Bar
from hyperstream.testing.exchanges.binance.streams import Product
from hyperstream.testing.exchanges.flow import MarketFlow
from hyperstream.testing.exchanges.truth import spell_value, spelled
from hyperstream.testing.http import Answer, Question

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.binance.exchange import FakeBinance

_SPOT_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
_FUTURES_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}


class Refused(Exception):
    """A request that gets an error body."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.json({"code": code, "msg": message}, 400)


def answer(venue: "FakeBinance", product: Product, call: str, question: Question, now: float) -> Answer:
    """Answer ``GET /api/v3/<call>`` or ``/fapi/v1/<call>``."""
    calls: dict[str, Callable[..., Answer]] = {
        "depth": _depth,
        "exchangeInfo": _exchange_info,
        "klines": _klines,
        "ping": lambda *_: Answer.json({}),
        "time": lambda *_: Answer.json({"serverTime": venue.now_ms}),
    }
    if call not in calls:
        return Answer.text("not found", 404)
    if question.method != "GET":
        return Answer.json({"code": -1100, "msg": "Illegal request method."}, 405)
    try:
        too_many = product.budget.spend(question.peer, _weight(product, call, question), now)
        if too_many is not None:
            return too_many
        found = calls[call](venue, product, question)
    except Refused as exc:
        found = exc.answer
    used = str(product.budget.used_weight(question.peer, now)).encode()
    return Answer(found.status, found.body, headers=[(b"x-mbx-used-weight-1m", used)])


def _weight(product: Product, call: str, question: Question) -> int:
    if call == "depth":
        limit = _limit(product, question)
        if product.is_futures:
            return _FUTURES_WEIGHTS[limit]
        return next(weight for most, weight in _SPOT_WEIGHTS if limit <= most)
    if call == "exchangeInfo":
        return 1 if product.is_futures else 20
    return 2 if call == "klines" else 1


def _limit(product: Product, question: Question) -> int:
    text = question.query.get("limit", "500" if product.is_futures else "100")
    limit = int(text) if text.isdecimal() else 0
    if product.is_futures:
        if limit not in _FUTURES_WEIGHTS:
            raise Refused(-4021, f"'{text}' is not valid depth limit.")
        return limit
    if limit < 1:
        raise Refused(-1100, "Illegal characters found in parameter 'limit'.")
    return min(limit, 5_000)


def _flow(product: Product, question: Question) -> MarketFlow:
    symbol = question.query.get("symbol")
    if symbol is None:
        raise Refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    flow = product.flows.get(symbol)
    if flow is None:
        raise Refused(-1121, "Invalid symbol.")
    return flow


def _depth(venue: "FakeBinance", product: Product, question: Question) -> Answer:
    """A snapshot that agrees with the stream: it contains every change up to ``lastUpdateId``."""
    flow, limit = _flow(product, question), _limit(product, question)
    copy = flow.past[0] if venue.trouble.spend("stale_snapshot") else flow.copy()
    times = {"E": copy.time_ms, "T": copy.time_ms} if product.is_futures else {}
    body = {
        "lastUpdateId": copy.update_id,
        **times,
        "bids": spelled(flow, copy.bids[:limit]),
        "asks": spelled(flow, copy.asks[:limit]),
    }
    return Answer(200, orjson.dumps(body), delay_seconds=venue.snapshot_seconds)


def _exchange_info(venue: "FakeBinance", product: Product, question: Question) -> Answer:
    chosen = list(product.flows.values())
    if "symbol" in question.query:
        chosen = [_flow(product, question)]
    listed = [_symbol(flow, is_futures=product.is_futures) for flow in chosen]
    body: dict[str, Any] = {
        "timezone": "UTC",
        "serverTime": venue.now_ms,
        "rateLimits": [],
        "exchangeFilters": [],
    }
    return Answer.json({**body, "symbols": listed})


def _symbol(flow: MarketFlow, *, is_futures: bool) -> dict[str, Any]:
    instrument = flow.instrument
    tick, step = instrument.price(instrument.tick_e8), instrument.size(instrument.lot_e8)
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000.00000000", "stepSize": step},
    ]
    names = {"baseAsset": instrument.base, "quoteAsset": instrument.quote}
    if is_futures:
        contract = {"pair": flow.symbol, "contractType": "PERPETUAL", "status": "TRADING"}
        margin = {"marginAsset": instrument.quote, "underlyingType": "COIN"}
        return {"symbol": flow.symbol, **contract, **names, **margin, "filters": filters}
    return {
        "symbol": flow.symbol, "status": "TRADING", **names, "baseAssetPrecision": 8, "quotePrecision": 8,
        "isSpotTradingAllowed": True, "filters": filters,
    }  # fmt: skip


def _klines(venue: "FakeBinance", product: Product, question: Question) -> Answer:  # noqa: ARG001 - as the others
    flow, interval = _flow(product, question), question.query.get("interval", "")
    if interval not in INTERVALS_MS:
        raise Refused(-1120, "Invalid interval.")
    text = question.query.get("limit", "500")
    limit = min(1_000, int(text)) if text.isdecimal() and int(text) else 500
    return Answer.json([_kline(flow, bar) for bar in flow.bars[interval].all()[-limit:]])


def _kline(flow: MarketFlow, bar: Bar) -> list[Any]:
    price, size = flow.instrument.price, flow.instrument.size
    return [
        bar.start_ms, price(bar.open_e8), price(bar.high_e8), price(bar.low_e8), price(bar.close_e8),
        size(bar.volume_e8), bar.end_ms - 1, spell_value(bar.value_e16), bar.trades,
        size(bar.taker_buy_volume_e8), spell_value(bar.taker_buy_value_e16), "0",
    ]  # fmt: skip
