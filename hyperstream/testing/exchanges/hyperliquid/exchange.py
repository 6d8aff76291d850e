"""The fake Hyperliquid: ``/ws`` and ``POST /info`` on one port."""

from collections.abc import Iterator, Sequence
from random import Random

import orjson
import trio

from hyperstream.testing.exchanges.board import Topic
from hyperstream.testing.exchanges.flow import Activity, MarketFlow, UpdateIds
from hyperstream.testing.exchanges.hyperliquid import info, payloads
from hyperstream.testing.exchanges.hyperliquid.limits import CADENCES, LIMITS, Cadences, HyperliquidLimits
from hyperstream.testing.exchanges.hyperliquid.session import HyperliquidSession
from hyperstream.testing.exchanges.hyperliquid.subscriptions import Fatal, Subscription, check_figures
from hyperstream.testing.exchanges.hyperliquid.topics import (
    BboTopic,
    BookTopic,
    CandleTopic,
    PeriodicTopic,
    TradesTopic,
)
from hyperstream.testing.exchanges.instruments import each_once, hyperliquid_instrument
from hyperstream.testing.exchanges.quotas import Windows
from hyperstream.testing.exchanges.trouble_rates import NONE, TroubleRates
from hyperstream.testing.exchanges.truth import TrueMarket
from hyperstream.testing.exchanges.venue import START_MS, FakeVenue, OpenSession, Urls
from hyperstream.testing.http import Answer, Question
from hyperstream.testing.listings import SPOT, MarketSpec, market_spec

DEFAULT_COINS = ("BTC", "ETH", "SOL", "@107")
DELISTED = ("MATIC",)
_MALFORMED = "Failed to deserialize the JSON body into the target type"


class FakeHyperliquid(FakeVenue):
    """Main and HIP-3 perpetuals and spot, under the names the venue uses in its data.

    A coin in ``delisted`` may be subscribed to and has empty books for ever.
    """

    name = "hyperliquid"

    def __init__(
        self,
        *,
        seed: int | str = 1,
        symbols: Sequence[str] = DEFAULT_COINS,
        activity: Activity | None = None,
        start_ms: int = START_MS,
        trouble: TroubleRates = NONE,
        limits: HyperliquidLimits = LIMITS,
        cadences: Cadences = CADENCES,
    ) -> None:
        super().__init__(seed=seed, activity=activity, start_ms=start_ms, trouble=trouble)
        self.limits = limits
        self.cadences = cadences
        self.delisted = tuple(coin for coin in DELISTED if coin not in symbols)
        self.messages = Windows(limits.messages_per_minute, 60.0)
        self._new_sockets = Windows(limits.new_sockets_per_minute, 60.0)
        self._weights = Windows(limits.weight_per_minute, 60.0)
        ids = UpdateIds(Random(f"ids {seed}").randrange(10**9, 10**10))
        self.markets = {
            coin: self.add_market(hyperliquid_instrument(coin), ids) for coin in each_once(symbols)
        }
        self.specs: tuple[MarketSpec, ...] = tuple(market_spec(coin) for coin in symbols)

    def urls(self, address: str, *, is_tls: bool) -> Urls:
        """Return where to find what."""
        s = "s" if is_tls else ""
        stream, rest = f"ws{s}://{address}/ws", f"http{s}://{address}"
        info_url = f"{rest}/info"
        settings = {
            "feeds.hyperliquid.url": stream,
            "feeds.hyperliquid.rest_url": info_url,
            "feeds.hyperliquid.coins": ",".join(self.markets),
        }
        return Urls(stream=stream, rest=rest, info=info_url, settings=settings)

    def truth(self, symbol: str, *, depth: int | None = None) -> TrueMarket:
        """Return what is true of a market."""
        return TrueMarket.of(self.markets[symbol], depth)

    def listed(self) -> Iterator[tuple[MarketSpec, MarketFlow]]:
        """Yield the markets with their specifications."""
        return zip(self.specs, self.markets.values(), strict=True)

    def mids(self, dex: str | None) -> dict[str, str]:
        """Return the middles of the main perpetuals and spot, or of one dex."""
        return {
            spec.symbol: payloads.mid(flow) for spec, flow in self.listed() if (spec.dex or "") == (dex or "")
        }

    # -- sessions ---------------------------------------------------------------------------

    def open_session(self, question: Question) -> OpenSession | Answer:
        """Return the session of ``/ws``, unless the address has too many."""
        if question.path != "/ws":
            return Answer.text("not found", 404)
        now, limits, peer = trio.current_time(), self.limits, question.peer
        if limits.sockets and len(self.sessions_of(peer)) >= limits.sockets:
            return Answer.too_many(429, 1.0)
        attempts = self._new_sockets[peer]
        return HyperliquidSession if attempts.take(now) else Answer.too_many(429, attempts.wait_seconds(now))

    def is_full(self, peer: str) -> bool:
        """Whether an address has all the subscriptions it may have."""
        held = sum(len(session.topics) for session in self.sessions_of(peer))
        return bool(self.limits.subscriptions) and held >= self.limits.subscriptions

    def check(self, wanted: Subscription) -> None:
        """Raise Fatal for what does not exist."""
        if wanted.coin and wanted.coin not in self.markets and wanted.coin not in self.delisted:
            raise Fatal(f"no such coin: {wanted.coin}")
        if wanted.kind == "l2Book":
            check_figures(wanted.fields["nSigFigs"], wanted.fields["mantissa"])

    def topic(self, wanted: Subscription) -> Topic:
        """Return the topic of a subscription that was checked; on the board it is called by its JSON."""
        flow = self.markets.get(wanted.coin)
        topic = self.board.open(wanted.json, lambda: self._make(wanted, flow), self.now_ms)
        assert topic is not None
        return topic

    def _make(self, wanted: Subscription, flow: MarketFlow | None) -> Topic:
        name, cadences = wanted.json, self.cadences
        if wanted.kind == "allMids":
            return self._all_mids(name, wanted.fields["dex"])
        if flow is None:
            return self._dead(wanted)
        match wanted.kind:
            case "l2Book":
                return self._book(wanted, flow)
            case "bbo":
                return BboTopic(name, 0, flow=flow)
            case "trades":
                return TradesTopic(name, 0, flow=flow)
            case "candle":
                interval = wanted.fields["interval"]
                return CandleTopic(name, 0, flow=flow, interval=interval, beat_ms=cadences.candle_ms)
        is_spot = market_spec(flow.symbol).kind == SPOT
        return PeriodicTopic(
            name,
            cadences.context_ms,
            channel="activeSpotAssetCtx" if is_spot else "activeAssetCtx",
            data=lambda: {"coin": flow.symbol, "ctx": payloads.context(flow)},
        )

    def _book(self, wanted: Subscription, flow: MarketFlow) -> Topic:
        figures, mantissa, is_fast = (wanted.fields[name] for name in ("nSigFigs", "mantissa", "fast"))
        depth = payloads.FAST_LEVELS if is_fast else payloads.BOOK_LEVELS
        return BookTopic(
            wanted.json,
            self.cadences.fast_book_ms if is_fast else self.cadences.book_ms,
            book=lambda: payloads.book(flow, depth=depth, figures=figures, mantissa=mantissa),
        )

    def _all_mids(self, name: str, dex: str | None) -> Topic:
        def data() -> object:
            return {"dex": dex, "mids": self.mids(dex)} if dex else {"mids": self.mids(None)}

        return PeriodicTopic(name, self.cadences.all_mids_ms, channel="allMids", data=data)

    def _dead(self, wanted: Subscription) -> Topic:
        """Return the topic of a delisted coin: its empty book at every beat, of other kinds nothing."""
        if wanted.kind == "l2Book":
            coin = wanted.coin
            period = self.cadences.fast_book_ms if wanted.fields["fast"] else self.cadences.book_ms
            return BookTopic(wanted.json, period, book=lambda: payloads.empty_book(coin, self.now_ms))
        return SilentTopic(wanted.json, 0)

    # -- REST -------------------------------------------------------------------------------

    def rest(self, question: Question) -> Answer:
        """Answer ``POST /info``."""
        if question.path != "/info":
            return Answer.text("not found", 404)
        if question.method != "POST":
            return Answer.text("", 405)
        try:
            asked = orjson.loads(question.body)
        except orjson.JSONDecodeError:
            return Answer.text(_MALFORMED, 422)
        if not isinstance(asked, dict):
            return Answer.text(_MALFORMED, 422)
        weights, now = self._weights[question.peer], trio.current_time()
        if not weights.take(now, info.weight(asked)):
            return Answer.too_many(429, weights.wait_seconds(now))
        found = info.answer(self, asked)
        if found is info.UNKNOWN:
            return Answer.text(_MALFORMED, 422)
        return Answer.json(found, 500 if found is None else 200)


class SilentTopic(Topic):
    """A topic that never has anything to say."""

    def emit(self, now_ms: int) -> tuple[()]:  # noqa: ARG002 - nothing, at any time
        """Nothing."""
        return ()
