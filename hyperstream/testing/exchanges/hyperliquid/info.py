"""Hyperliquid's info requests: over POST /info, and as ``post`` over the WebSocket."""

from typing import TYPE_CHECKING, Any, Final

from hyperstream.testing import meta
from hyperstream.testing.exchanges.flow import MarketFlow
from hyperstream.testing.exchanges.hyperliquid import payloads
from hyperstream.testing.exchanges.hyperliquid.subscriptions import INTERVALS, Fatal, check_figures
from hyperstream.testing.listings import SPOT

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.hyperliquid.exchange import FakeHyperliquid

UNKNOWN: Final = object()
MOST_CANDLES = 5_000
_LIGHT = (
    "l2Book",
    "allMids",
    "clearinghouseState",
    "orderStatus",
    "spotClearinghouseState",
    "exchangeStatus",
)


def weight(question: dict[str, Any]) -> int:
    """Return the weight of a request."""
    return 2 if question.get("type") in _LIGHT else 20


def answer(venue: "FakeHyperliquid", question: dict[str, Any]) -> object:
    """Return the answer, None for an unknown coin, ``UNKNOWN`` for what is no such request."""
    match question:
        case {"type": "meta"}:
            return _meta(venue, question.get("dex"))
        case {"type": "metaAndAssetCtxs"}:
            universe = _meta(venue, question.get("dex"))
            return UNKNOWN if universe is UNKNOWN else [universe, _contexts(venue, universe)]
        case {"type": "spotMeta"}:
            return meta.spot_meta(venue.specs)
        case {"type": "spotMetaAndAssetCtxs"}:
            spots = [flow for spec, flow in venue.listed() if spec.kind == SPOT]
            return [meta.spot_meta(venue.specs), [payloads.context(flow) for flow in spots]]
        case {"type": "perpDexs"}:
            return [None, *(meta.dex_entry(name) for name in meta.dexes(venue.specs))]
        case {"type": "allMids"}:
            return venue.mids(question.get("dex"))
        case {"type": "exchangeStatus"}:
            return {"time": venue.now_ms, "specialStatuses": None}
        case {"type": "l2Book", "coin": str(coin)}:
            return _book(venue, coin, question)
        case {"type": "recentTrades", "coin": str(coin)}:
            flow = venue.markets.get(coin)
            return flow and [payloads.trade(flow, item) for item in list(flow.recent_trades)[:-11:-1]]
        case {"type": "candleSnapshot", "req": {"coin": str(coin), "interval": str(interval)} as wanted}:
            return _candles(venue.markets.get(coin), interval, wanted)
    return UNKNOWN


def _meta(venue: "FakeHyperliquid", dex: object) -> Any:
    if dex is None or dex == "":
        return meta.perp_meta(venue.specs, None)
    return meta.perp_meta(venue.specs, str(dex)) if dex in meta.dexes(venue.specs) else UNKNOWN


def _contexts(venue: "FakeHyperliquid", universe: dict[str, Any]) -> list[dict[str, Any]]:
    """Contexts have no coin: they stand in the order of the universe, delisted ones included."""
    names = [entry["name"] for entry in universe["universe"]]
    return [payloads.context(venue.markets[name]) if name in venue.markets else _DEAD for name in names]


_DEAD = {
    "funding": "0.0", "openInterest": "0.0", "prevDayPx": "0.3785", "dayNtlVlm": "0.0", "premium": None,
    "oraclePx": "0.3785", "markPx": "0.3785", "midPx": None, "impactPxs": None, "dayBaseVlm": "0.0",
}  # fmt: skip


def _book(venue: "FakeHyperliquid", coin: str, question: dict[str, Any]) -> object:
    figures, mantissa = question.get("nSigFigs"), question.get("mantissa")
    if any(value is not None and type(value) is not int for value in (figures, mantissa)):
        return UNKNOWN
    try:
        check_figures(figures, mantissa)
    except Fatal:
        return None
    if coin in venue.delisted:
        return payloads.empty_book(coin, venue.now_ms)
    flow = venue.markets.get(coin)
    return flow and payloads.book(flow, figures=figures, mantissa=mantissa)


def _candles(flow: MarketFlow | None, interval: str, wanted: dict[str, Any]) -> object:
    if interval not in INTERVALS:
        return UNKNOWN
    if flow is None:
        return None
    start, end = wanted.get("startTime", 0), wanted.get("endTime") or flow.time_ms
    if type(start) is not int or type(end) is not int:
        return UNKNOWN
    bars = [bar for bar in flow.bars[interval].all() if bar.end_ms > start and bar.start_ms <= end]
    return [payloads.candle(flow, bar) for bar in bars[-MOST_CANDLES:]]
