"""The mark price of one market: gathers what it is made of, computes it and publishes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import define, field

from hyperstream.engine.marks.quoted import Quoted
from hyperstream.engine.prices.newest import NewestTopics
from hyperstream.errors import DecimalError
from hyperstream.hub.topic import Topic
from hyperstream.market.identity import MarketKind, market_kind
from hyperstream.market.level import Level
from hyperstream.market.mark_price import (
    MarkFormula,
    MarkSources,
    Told,
    difference_basis_points,
    mark_price,
)
from hyperstream.market.mark_updates import Absence, Mark, MarkUpdate
from hyperstream.market.perp_symbols import PerpName, perp_names
from hyperstream.market.trades import Trade
from hyperstream.market.updates import BlockStamp, Update
from hyperstream.market.venue_decimals import decimals, format_e12
from hyperstream.market.venues import BINANCE_FUTURES, BYBIT, HYPERLIQUID, NODE, Channel, Ticker

if TYPE_CHECKING:
    from hyperstream.engine.live_market import LiveMarket

# A node makes ten blocks a second, and Hyperliquid tells contexts once a second. Bybit repeats the best
# prices every three seconds; Binance tells them when they change, which may be rare in a quiet market.
STALE_SECONDS = 10.0
QUIET_SECONDS = 60.0
# The venue's weights of the venues we have (docs, "Robust price indices"), and when a quote is too old.
EXTERNAL = {BINANCE_FUTURES: (3, QUIET_SECONDS), BYBIT: (2, STALE_SECONDS)}
# A first mark waits so long for those who are to tell something.
SETTLE_NS = 2_000_000_000
_NS = 1_000_000_000
_E12_PER_E8 = 10_000


@define(eq=False)
class MarketMark:
    """The mark of one market, from when it is first asked for until nobody has followed it for a while.

    Until those who should tell something have, or ``SETTLE_NS`` after ``opened_ns``, there is no mark.
    """

    market: LiveMarket
    topic: Topic
    prices: NewestTopics
    opened_ns: int
    mark: Mark | None = None
    snapshot_lag: int = 0
    _kind: MarketKind = field(init=False)
    _formula: MarkFormula = field(init=False)
    _own: Quoted = field(init=False)
    _external: tuple[tuple[Quoted, int], ...] = ()
    _last_trade: Told | None = None
    _stamp: BlockStamp = field(init=False)

    def __attrs_post_init__(self) -> None:
        market, prices = self.market, self.prices
        symbol = market.symbol
        self._kind = market_kind(symbol)
        self._formula = MarkFormula(self._kind)
        self._stamp = market.stamp
        self._own = Quoted(
            prices, HYPERLIQUID, Channel.TICKER, (PerpName(symbol),), STALE_SECONDS, is_perp=False
        )
        if self._kind is MarketKind.PERP:
            names = tuple(perp_names(symbol))
            self._external = tuple(
                (Quoted(prices, venue, Channel.QUOTES, names, stale_seconds), weight)
                for venue, (weight, stale_seconds) in EXTERNAL.items()
            )
        candles = market.candles
        if candles is not None and candles.last_price_e8 is not None:
            self._last_trade = Told("last_trade", candles.last_price_e8 * _E12_PER_E8)

    @property
    def _quoted(self) -> tuple[Quoted, ...]:
        return self._own, *(each for each, _ in self._external)

    @property
    def price(self) -> str:
        """The newest mark price, empty while there is none."""
        return self.mark.price if self.mark is not None else ""

    def is_settled(self, now_ns: int) -> bool:
        """Whether a mark can be computed: whoever is to tell something has, or has had time enough."""
        if self.mark is not None:
            return True
        waiting = [each for each in self._quoted if each.may_still_come]
        return not waiting or now_ns - self.opened_ns >= SETTLE_NS

    def traded(self, stamp: BlockStamp, trades: Sequence[Trade]) -> None:
        """The market traded: the last price is the mark's business."""
        price_e12 = _price(trades[-1].price)
        if price_e12:
            self._last_trade = Told("last_trade", price_e12, stamp.read_time_ns)

    def compute(self, stamp: BlockStamp) -> None:
        """Compute the mark and publish it; ``stamp`` has the last block, and when this is."""
        self._stamp = stamp
        self.mark = self._computed(stamp)
        self.topic.publish(self._update(self.topic.sequence + 1, self.mark))

    def release(self) -> None:
        """Nobody follows it any more."""
        for quoted in self._quoted:
            quoted.release()

    # --- what it is made of ---

    def _computed(self, stamp: BlockStamp) -> Mark:
        now_ns, kind = stamp.publish_time_ns, self._kind
        absent: list[Absence] = []
        ticker = self._own.ticker(now_ns)
        sources = MarkSources(
            *self._of_node(stamp, absent),
            self._oracle(ticker, absent) if kind is MarketKind.PERP else None,
            self._of_others(now_ns, absent),
        )
        inputs = self._formula.inputs(sources, now_ns)
        instrument = self.market.instrument
        price_e12 = mark_price(inputs, kind, instrument.size_decimals if instrument is not None else None)
        venue_price = ticker.mark_price if ticker is not None else ""
        difference = None
        if price_e12 is not None:
            difference = difference_basis_points(price_e12, _price(venue_price))
        return Mark(
            format_e12(price_e12) if price_e12 is not None else "",
            inputs,
            tuple(absent),
            venue_price,
            difference,
            self._formula.averaging_since_ns,
        )

    def _of_node(
        self, stamp: BlockStamp, absent: list[Absence]
    ) -> tuple[Told | None, Told | None, Told | None]:
        """Best bid, best ask and last trade."""
        applied_ns = self.market.stamp.publish_time_ns
        silent_seconds = (stamp.publish_time_ns - applied_ns) / _NS
        if silent_seconds > STALE_SECONDS:
            why = (
                f"has written no block for {silent_seconds:.0f} s"
                if applied_ns
                else "has written no block yet"
            )
            absent.append(Absence(NODE, why))
            return None, None, None
        book = self.market.book
        bid, ask, last_trade = book.bids.best, book.asks.best, self._last_trade
        for found, what in ((bid, "bid"), (ask, "ask"), (last_trade, "trade")):
            if found is None:
                absent.append(Absence(NODE, f"no {what} of it is known"))
        read_ns = stamp.read_time_ns
        return _best("bid", bid, read_ns), _best("ask", ask, read_ns), last_trade

    def _oracle(self, ticker: Ticker | None, absent: list[Absence]) -> Told | None:
        why = self._own.absence
        if ticker is not None:
            price_e12 = _price(ticker.index_price)
            if price_e12:
                return Told("oracle", price_e12, ticker.receive_time_ns)
            why = "tells no oracle price of it"
        absent.append(Absence(HYPERLIQUID, why))
        return None

    def _of_others(self, now_ns: int, absent: list[Absence]) -> tuple[Told, ...]:
        """The middle prices of other venues' perpetuals."""
        told = []
        for quoted, weight in self._external:
            quote = quoted.quote(now_ns)
            why = quoted.absence
            if quote is not None and quoted.name is not None:
                bid, ask = _price(quote.bid), _price(quote.ask)
                if bid and ask:
                    name = f"{quoted.venue}/{quote.symbol}"
                    price_e12 = quoted.name.scaled((bid + ask) // 2)
                    told.append(Told(name, price_e12, quote.receive_time_ns, weight))
                    continue
                why = f"{quote.symbol} has not both a bid and an ask"
            absent.append(Absence(quoted.venue, why))
        return tuple(told)

    # --- what it is published as ---

    def _update(self, sequence: int, mark: Mark) -> MarkUpdate:
        market = self.market
        return MarkUpdate(market.name, self.topic.epoch, sequence, self._stamp, market.is_doubtful, mark)

    def snapshot_key(self) -> object | None:
        """One snapshot for each mark; none before the first."""
        return self.topic.sequence if self.mark is not None else None

    def snapshot_updates(self) -> Iterator[Update]:
        """The newest mark."""
        if self.mark is not None:
            yield self._update(self.topic.sequence, self.mark)


def _best(name: str, level: Level | None, read_time_ns: int) -> Told | None:
    return Told(name, abs(level.key) * _E12_PER_E8, read_time_ns) if level is not None else None


def _price(text: str) -> int:
    """A price as it was told; 0 where there is none, or one that cannot be read."""
    try:
        return decimals[text] if text else 0
    except DecimalError:
        return 0
