"""The fake Bybit v5: public linear and spot sockets and market REST on one port."""

import re
from collections.abc import Sequence
from functools import partial
from random import Random

import trio

from hyperstream.testing.exchanges.board import Topic
from hyperstream.testing.exchanges.bybit import rest
from hyperstream.testing.exchanges.bybit.limits import KLINE_MS, LIMITS, BybitLimits
from hyperstream.testing.exchanges.bybit.payloads import INTERVALS, LINEAR, SPOT
from hyperstream.testing.exchanges.bybit.session import BybitSession
from hyperstream.testing.exchanges.bybit.topics import (
    BestTopic,
    BookTopic,
    KlineTopic,
    TickerTopic,
    TradesTopic,
)
from hyperstream.testing.exchanges.bybit.windows import Window
from hyperstream.testing.exchanges.flow import Activity, MarketFlow, UpdateIds
from hyperstream.testing.exchanges.instruments import DEFAULT_SYMBOLS, each_once, usdt_instrument
from hyperstream.testing.exchanges.quotas import Windows
from hyperstream.testing.exchanges.trouble_rates import NONE, TroubleRates
from hyperstream.testing.exchanges.truth import TrueMarket
from hyperstream.testing.exchanges.venue import START_MS, FakeVenue, OpenSession, Urls
from hyperstream.testing.http import Answer, Question

DEPTH_MS = {1: 10, 50: 20, 200: 100, 1_000: 200}
_TICKER_MS = {LINEAR: 100, SPOT: 50}
_PATHS = {f"/v5/public/{category}": category for category in (LINEAR, SPOT)}
_TOPIC = re.compile(
    r"(?:orderbook\.(?P<depth>\d+)|(?P<kind>publicTrade|tickers)|kline\.(?P<interval>\w+))\.(?P<symbol>\w+)",
    re.ASCII,
)


class FakeBybit(FakeVenue):
    """``/v5/public/linear``, ``/v5/public/spot`` and ``/v5/market/…``.

    ``spot_symbols`` are ``symbols`` by default. ``is_quiet_after_refusal``: after a refused
    subscription all streams of that socket stop while pings are answered, as was reported.
    """

    name = "bybit"
    compresses = True

    def __init__(
        self,
        *,
        seed: int | str = 1,
        symbols: Sequence[str] = DEFAULT_SYMBOLS,
        spot_symbols: Sequence[str] | None = None,
        activity: Activity | None = None,
        start_ms: int = START_MS,
        trouble: TroubleRates = NONE,
        limits: BybitLimits = LIMITS,
        is_quiet_after_refusal: bool = False,
    ) -> None:
        super().__init__(seed=seed, activity=activity, start_ms=start_ms, trouble=trouble)
        self.limits = limits
        self.is_quiet_after_refusal = is_quiet_after_refusal
        self._attempts = Windows(limits.connections, limits.connection_window_seconds)
        self._requests = Windows(limits.requests, limits.request_window_seconds)
        self._banned_until: dict[str, float] = {}
        self._windows: dict[tuple[str, str, int], Window] = {}
        self._rng = Random(f"windows {seed}")
        ids = UpdateIds(self._rng.randrange(10**11, 10**12))
        self.markets: dict[str, dict[str, MarketFlow]] = {LINEAR: {}, SPOT: {}}
        for symbol in each_once(spot_symbols if spot_symbols is not None else symbols):
            instrument = usdt_instrument(symbol, lot_shift=3)
            self.markets[SPOT][symbol] = self.add_market(instrument, ids, salt=SPOT)
        for symbol in each_once(symbols):
            anchor = self.markets[SPOT].get(symbol)
            flow = self.add_market(usdt_instrument(symbol), ids, salt=LINEAR, anchor=anchor)
            self.markets[LINEAR][symbol] = flow

    def urls(self, address: str, *, is_tls: bool) -> Urls:
        """Return where to find what."""
        s = "s" if is_tls else ""
        linear, spot = (f"ws{s}://{address}{path}" for path in _PATHS)
        rest_url = f"http{s}://{address}"
        settings = {"feeds.bybit.url": linear, "feeds.bybit.rest_url": rest_url}
        return Urls(stream=linear, spot=spot, rest=rest_url, settings=settings)

    def truth(self, symbol: str, category: str = LINEAR, *, depth: int | None = None) -> TrueMarket:
        """Return what is true of a market of ``"linear"`` or ``"spot"``."""
        return TrueMarket.of(self.markets[category][symbol], depth)

    def restart_service(self) -> None:
        """Restart as the venue does: books begin anew with a snapshot whose ``u`` is 1."""
        for topic in self.board.topics.values():
            if isinstance(topic, BookTopic | BestTopic):
                topic.restart()
        self.trouble.done("restarted_service")

    # -- topics -----------------------------------------------------------------------------

    def window(self, category: str, flow: MarketFlow, depth: int) -> Window:
        """Return the window of a depth, whose ``u`` goes on as long as the exchange."""
        key = (category, flow.symbol, depth)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(flow, depth, self._rng.randrange(10**6, 10**9))
        return window

    def stepped(self) -> None:
        """Move the windows that no topic moves."""
        followed = {
            topic.window for topic in self.board.topics.values() if isinstance(topic, BookTopic | BestTopic)
        }
        for window in self._windows.values():
            if window not in followed:
                window.advance()

    def knows(self, category: str, name: str) -> bool:
        """Whether there is such a topic."""
        return self._make(category, name) is not None

    def topic(self, category: str, name: str) -> Topic | None:
        """Return the topic of a name, or None; on the board it is called ``<category> <name>``."""
        return self.board.open(f"{category} {name}", lambda: self._make(category, name), self.now_ms)

    def _make(self, category: str, name: str) -> Topic | None:
        match = _TOPIC.fullmatch(name)
        flow = self.markets[category].get(match["symbol"]) if match else None
        if match is None or flow is None:
            return None
        key, is_spot = f"{category} {name}", category == SPOT
        if match["depth"]:
            depth = int(match["depth"])
            if depth not in DEPTH_MS:
                return None
            window = self.window(category, flow, depth)
            if depth == 1:
                return BestTopic(key, DEPTH_MS[1], flow=flow, title=name, is_spot=is_spot, window=window)
            return BookTopic(
                key, DEPTH_MS[depth], flow=flow, title=name, is_spot=is_spot, window=window, is_sequenced=True
            )
        if match["interval"]:
            interval = match["interval"]
            if interval not in INTERVALS:
                return None
            return KlineTopic(
                key, 0, flow=flow, title=name, is_spot=is_spot, interval=interval, beat_ms=KLINE_MS
            )
        if match["kind"] == "tickers":
            return TickerTopic(key, _TICKER_MS[category], flow=flow, title=name, is_spot=is_spot)
        return TradesTopic(key, 0, flow=flow, title=name, is_spot=is_spot)

    # -- clients ----------------------------------------------------------------------------

    def open_session(self, question: Question) -> OpenSession | Answer:
        """Return the session of a market family."""
        category = _PATHS.get(question.path)
        if category is None:
            return Answer.text("not found", 404)
        now, peer, limits = trio.current_time(), question.peer, self.limits
        of_family = [each for each in self.sessions_of(peer) if each.question.path == question.path]
        if limits.sockets and len(of_family) >= limits.sockets:
            return Answer.text("too many connections", 403)
        if not self._attempts[peer].take(now):
            return Answer.text("too many connections", 403)
        return partial(BybitSession, category=category)

    def rest(self, question: Question) -> Answer:
        """Answer a request; an address that asks too often is banned for a while."""
        now, peer = trio.current_time(), question.peer
        if now >= self._banned_until.get(peer, now) and self._requests[peer].take(now):
            return rest.answer(self, question)
        if now >= self._banned_until.get(peer, now):
            self._banned_until[peer] = now + self.limits.ban_seconds
        return Answer.text("access too frequent", 403)
