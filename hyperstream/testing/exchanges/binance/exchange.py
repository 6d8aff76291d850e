"""The fake Binance: spot and USD-M futures on one port, with the real paths."""

from collections.abc import Sequence
from functools import partial
from random import Random
from urllib.parse import unquote

import trio

from hyperstream.testing.exchanges.binance import rest
from hyperstream.testing.exchanges.binance.limits import FUTURES_LIMITS, SPOT_LIMITS, BinanceLimits
from hyperstream.testing.exchanges.binance.session import BinanceSession
from hyperstream.testing.exchanges.binance.streams import MARKET, PUBLIC, SPOT, Product
from hyperstream.testing.exchanges.board import Topic
from hyperstream.testing.exchanges.flow import Activity, UpdateIds
from hyperstream.testing.exchanges.instruments import DEFAULT_SYMBOLS, each_once, usdt_instrument
from hyperstream.testing.exchanges.trouble_rates import NONE, TroubleRates
from hyperstream.testing.exchanges.truth import TrueMarket
from hyperstream.testing.exchanges.venue import START_MS, FakeVenue, OpenSession, Urls
from hyperstream.testing.http import Answer, Question

FUTURES = "futures"
_UNITS = {"MILLISECOND": 1, "MICROSECOND": 1_000, "millisecond": 1, "microsecond": 1_000}
_CALLS = {"/api/v3/": SPOT, "/fapi/v1/": FUTURES}


class FakeBinance(FakeVenue):
    """Spot has ``/ws``, ``/stream``, ``/api/v3``; futures ``/public/…``, ``/market/…``, ``/fapi/v1``.

    ``futures_symbols`` are ``symbols`` by default. ``snapshot_seconds`` pass between the making of
    a depth snapshot and its arrival, so that it may be older than the stream's first message.
    """

    name = "binance"

    def __init__(
        self,
        *,
        seed: int | str = 1,
        symbols: Sequence[str] = DEFAULT_SYMBOLS,
        futures_symbols: Sequence[str] | None = None,
        activity: Activity | None = None,
        start_ms: int = START_MS,
        trouble: TroubleRates = NONE,
        limits: BinanceLimits = SPOT_LIMITS,
        futures_limits: BinanceLimits = FUTURES_LIMITS,
        snapshot_seconds: float = 0.0,
    ) -> None:
        super().__init__(seed=seed, activity=activity, start_ms=start_ms, trouble=trouble)
        self.snapshot_seconds = snapshot_seconds
        self.products = {
            SPOT: Product(SPOT, is_futures=False, limits=limits),
            FUTURES: Product(FUTURES, is_futures=True, limits=futures_limits),
        }
        rng = Random(f"ids {seed}")
        for symbol in each_once(symbols):
            spec = usdt_instrument(symbol, finer_ticks=1, lot_shift=2, padded=True)
            flow = self.add_market(spec, UpdateIds(rng.randrange(10**9, 10**10)), salt=SPOT)
            self.products[SPOT].flows[symbol] = flow
        shared = UpdateIds(rng.randrange(10**12, 10**13))
        for symbol in each_once(futures_symbols if futures_symbols is not None else symbols):
            anchor = self.products[SPOT].flows.get(symbol)
            flow = self.add_market(usdt_instrument(symbol), shared, salt=FUTURES, anchor=anchor)
            self.products[FUTURES].flows[symbol] = flow

    def urls(self, address: str, *, is_tls: bool) -> Urls:
        """Return where to find what."""
        s = "s" if is_tls else ""
        stream = f"ws{s}://{address}/stream"
        public, market = (f"ws{s}://{address}/{path}/stream" for path in (PUBLIC, MARKET))
        rest_url = f"http{s}://{address}"
        return Urls(
            stream=stream,
            public=public,
            market=market,
            rest=rest_url,
            settings={
                "feeds.binance.url": stream,
                "feeds.binance.rest_url": rest_url,
                "feeds.binance.symbols": ",".join(self.products[SPOT].flows),
                "feeds.binance_futures.url": f"ws{s}://{address}",
                "feeds.binance_futures.rest_url": rest_url,
                "feeds.binance_futures.symbols": ",".join(self.products[FUTURES].flows),
            },
        )

    def truth(self, symbol: str, product: str = SPOT, *, depth: int | None = None) -> TrueMarket:
        """Return what is true of a market of ``"spot"`` or ``"futures"``."""
        return TrueMarket.of(self.products[product].flows[symbol], depth)

    def announce_shutdown(self, seconds: float = 10.0) -> int:
        """Send ``serverShutdown`` to all spot sessions, which end so much later; return how many they are."""
        told = [session for session in self.sessions if self._is_spot(session) and session.is_open]
        for session in told:
            assert isinstance(session, BinanceSession)
            session.shut_down(seconds)
        self.trouble.done("server_shutdown", len(told))
        return len(told)

    @staticmethod
    def _is_spot(session: object) -> bool:
        return isinstance(session, BinanceSession) and not session.product.is_futures

    def topic(self, product: Product, category: str, name: str) -> Topic | None:
        """Return the topic of a stream; None for a stream that is accepted and stays silent.

        On the board a topic is called ``<product> <stream>``, because both products have the same names.
        """
        key = f"{product.name} {name}"

        def make() -> Topic | None:
            made = product.topic(name, category)
            if made is not None:
                made.name = key
            return made

        # Under the wrong path a stream is silent even if somebody follows it under the right one.
        return self.board.open(key, make, self.now_ms) if product.topic(name, category) else None

    def open_session(self, question: Question) -> OpenSession | Answer:
        """Return the session of a path."""
        category, endpoint, streams = _route(question)
        if endpoint not in ("ws", "stream"):
            return Answer.text("not found", 404)
        product = self.products[SPOT if category == SPOT else FUTURES]
        too_many = product.budget.connect(question.peer, trio.current_time())
        if too_many is not None:
            return too_many
        units = _UNITS.get(question.query.get("timeUnit", "MILLISECOND"))
        if units is None:
            return Answer.text("Invalid timeUnit", 400)
        return partial(
            BinanceSession,
            product=product,
            category=category,
            is_combined=endpoint == "stream",
            units_per_ms=units if category == SPOT else 1,
            first_streams=tuple(filter(None, streams)),
        )

    def rest(self, question: Question) -> Answer:
        """Answer a request."""
        for prefix, product in _CALLS.items():
            if question.path.startswith(prefix):
                call = question.path.removeprefix(prefix)
                return rest.answer(self, self.products[product], call, question, trio.current_time())
        return Answer.text("not found", 404)


def _route(question: Question) -> tuple[str, str, list[str]]:
    """Return category, endpoint and streams: ``/public/ws/a/b`` is public, ws, a and b."""
    parts = unquote(question.path).strip("/").split("/")
    category = SPOT
    if parts[0] in (PUBLIC, MARKET):
        category = parts.pop(0)
    endpoint, *streams = parts or [""]
    if endpoint == "stream":
        streams = question.query.get("streams", "").split("/")
    return category, endpoint, streams
