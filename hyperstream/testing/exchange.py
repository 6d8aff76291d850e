"""The exchange: markets, order ids, and every event a block consists of.

``begin`` opens a block, the verbs (``place``, ``cancel``, ``reject``, ``arm``) act on it in
the order they are called, ``end`` fires the stops that the block's prices reached and hands
back the events. Each verb changes the books first and then writes down what the node would,
so the events are by construction the difference between two true states.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from hyperstream.testing import lines
from hyperstream.testing.lines import spell
from hyperstream.testing.listings import MarketSpec
from hyperstream.testing.market import Market
from hyperstream.testing.matching import Match
from hyperstream.testing.orders import Extra, Order, User
from hyperstream.testing.settlement import Trade, settle
from hyperstream.testing.truth import TrueBook, TrueOrder, true_book, true_order, true_orders

IMMEDIATE = ("Ioc", "FrontendMarket", "LiquidationMarket")
STOPS_PER_BLOCK = 20  # one market fires at most so many in a block, as a cascade takes its time
MINIMUM_NOTIONAL = 10 * 100_000_000
FIRST_OID = 412_036_451_241


class Events(NamedTuple):
    """One block's events as JSON text, and the coins whose books changed."""

    statuses: list[str]
    diffs: list[str]
    fills: list[str]
    changed: tuple[str, ...]


class Exchange:
    """Many markets under one clock. ``block_time_ns`` is the time of the block being made."""

    def __init__(self, specs: Sequence[MarketSpec], rng: Random) -> None:
        self.rng = rng
        self.markets = {spec.symbol: Market(spec, rng) for spec in specs}
        self.next_oid = FIRST_OID
        self.time_ms = 0
        self.time_text = ""
        self.statuses: list[str] = []
        self.diffs: list[str] = []
        self.fills: list[str] = []
        self.changed: dict[str, None] = {}

    # -- blocks ---------------------------------------------------------------------------

    def begin(self, block_time_ns: int) -> None:
        """Open a block."""
        self.time_ms = block_time_ns // 1_000_000
        self.time_text = lines.time_text(block_time_ns)
        self.statuses, self.diffs, self.fills, self.changed = [], [], [], {}

    def end(self) -> Events:
        """Fire what is due and close the block."""
        for symbol in list(self.changed):
            self._fire(self.markets[symbol])
        return Events(self.statuses, self.diffs, self.fills, tuple(self.changed))

    def order(
        self,
        user: User,
        is_bid: bool,
        px: int,
        size: int,
        tif: str | None = "Gtc",
        cloid: str = "null",
        extra: Extra | None = None,
    ) -> Order:
        """Return a new order with the next id, stamped with the block's time; nothing happens to it yet."""
        oid = self.next_oid
        self.next_oid = oid + 1
        return Order(oid, user, is_bid, px, size, self.time_ms, tif, cloid, extra)

    # -- verbs ----------------------------------------------------------------------------

    def place(self, market: Market, order: Order, *, rests: bool = False) -> None:
        """Accept an order: match it, then rest, fill or cancel what remains.

        An immediate order whose remainder ``rests`` gets a ``new`` diff all the same; the
        real node does that now and then.
        """
        immediate = order.tif in IMMEDIATE
        crosses = market.book.crosses(order.is_bid, order.px)
        if not crosses and order.tif != "Alo" and immediate:
            name = "iocCancelRejected" if order.tif == "Ioc" else "marketOrderNoLiquidityRejected"
            self.reject(market, order, name)
            return
        if crosses and order.tif == "Alo":
            self.reject(market, order, "badAloPxRejected")
            return
        is_twap_slice = order.extra is not None and order.extra.twap_id is not None
        tx_hash = lines.ZERO_HASH if is_twap_slice else self.tx_hash()
        self.say(market, order, "open", order.size, tx_hash)
        if crosses:
            self._match(market, order, tx_hash, rests or not immediate)
        else:
            self._rest(market, order)

    def place_maker(self, market: Market, order: Order) -> None:
        """Rest a plain post-only order known to cross nothing: the hot path, most of all traffic."""
        market.book.add(order)
        symbol = market.symbol
        user = order.user.address
        side = "B" if order.is_bid else "A"
        px, size = spell[order.px], spell[order.size]
        self.statuses.append(
            f'{{"time":"{self.time_text}","user":"{user}","hash":"0x{self.rng.getrandbits(256):064x}",'
            f'"builder":null,"status":"open","order":{{"coin":"{symbol}","side":"{side}","limitPx":"{px}",'
            f'"sz":"{size}","oid":{order.oid},"timestamp":{order.timestamp},"triggerCondition":"N/A",'
            f'"isTrigger":false,"triggerPx":"0.0","children":[],"isPositionTpsl":false,"reduceOnly":false,'
            f'"orderType":"Limit","origSz":"{size}","tif":"Alo","cloid":{order.cloid}}}}}'
        )
        self.diffs.append(
            f'{{"user":"{user}","oid":{order.oid},"coin":"{symbol}","side":"{side}","px":"{px}",'
            f'"raw_book_diff":{{"new":{{"sz":"{size}"}}}}}}'
        )
        self.changed[symbol] = None

    def queue_before(self, market: Market, order: Order, anchor: Order) -> None:
        """Rest a post-only order directly in front of another at the same price."""
        self.say(market, order, "open", order.size, self.tx_hash())
        market.book.insert_before(order, anchor.oid)
        self._diff(market, order, lines.new(order.size, anchor.oid))

    def cancel(self, market: Market, order: Order, name: str = "canceled") -> None:
        """Take a resting order off the book."""
        market.book.remove(order)
        self.say(market, order, name, order.size)
        self._diff(market, order, lines.REMOVE)

    def reject(self, market: Market, order: Order, name: str) -> None:
        """Refuse an order: one status line and nothing else."""
        self.say(market, order, name, order.size)

    def arm(self, market: Market, stop: Order) -> None:
        """Accept a trigger order; it waits outside the book."""
        market.arm(stop)
        self.say(market, stop, "open", stop.size, self.tx_hash())

    def disarm(self, market: Market, stop: Order, name: str = "canceled") -> None:
        """Cancel a trigger order that has not fired."""
        del market.stops[stop.oid]
        self.say(market, stop, name, stop.size)

    def say(self, market: Market, order: Order, name: str, size: int, tx_hash: str | None = None) -> None:
        """Write a status line; nobody hears of the venue's own accounts nor of TWAP slices."""
        if order.user.is_silent or (order.extra is not None and order.extra.twap_id is not None):
            return
        text = lines.order(market.symbol, order, size)
        self.statuses.append(lines.status(self.time_text, order, name, text, tx_hash))

    def tx_hash(self) -> str:
        """Return a transaction hash never seen before."""
        return f"0x{self.rng.getrandbits(256):064x}"

    # -- truth ----------------------------------------------------------------------------

    def book(self, symbol: str, depth: int | None = None) -> TrueBook:
        """Return the true levels of a market, best first."""
        return true_book(self.markets[symbol], depth)

    def orders(self, symbol: str) -> tuple[list[TrueOrder], list[TrueOrder]]:
        """Return the resting orders of a market in priority order: bids, asks."""
        return true_orders(self.markets[symbol])

    def stops(self, symbol: str) -> list[TrueOrder]:
        """Return the untriggered orders of a market, oldest first."""
        return list(map(true_order, self.markets[symbol].stops.values()))

    # -- inside ---------------------------------------------------------------------------

    def _diff(self, market: Market, order: Order, change: str) -> None:
        self.diffs.append(lines.diff(market.symbol, order, change))
        self.changed[market.symbol] = None

    def _rest(self, market: Market, order: Order) -> None:
        extra = order.extra
        if extra is not None and extra.reduce_only and order.size > market.spec.lot_e8 * 20:
            # The venue clips a reduce-only order to the position: `new` is smaller than the status said.
            order.size -= order.size * 7 // 100 // market.spec.lot_e8 * market.spec.lot_e8
        market.book.add(order)
        self._diff(market, order, lines.new(order.size))

    def _match(self, market: Market, taker: Order, tx_hash: str, rests: bool) -> None:
        matches = market.book.take(taker)
        # Emptied makers leave at once or only after the remainder was queued: a reader must
        # cope with an order of size zero, and with a book crossed in the middle of a block.
        leaving: list[Order] = []
        lingers = self.rng.random() < 0.5
        for match in matches:
            self._meet(market, taker, match, tx_hash, leaving)
            if not lingers:
                self._leave(market, leaving)
        if taker.size == 0:
            self.say(market, taker, "filled", 0)
        elif rests:
            self._rest(market, taker)
        else:
            self.say(market, taker, "canceled", taker.size)
        self._leave(market, leaving)
        if taker.size == 0:
            self._children_go_live(market, taker)

    def _meet(self, market: Market, taker: Order, match: Match, tx_hash: str, leaving: list[Order]) -> None:
        maker, size, before = match
        if not size:
            self.say(market, maker, "selfTradeCanceled", before)
            self._diff(market, maker, lines.REMOVE)
            return
        self._diff(market, maker, lines.update(before, maker.size))
        tid = self.rng.getrandbits(50)
        liquidation = taker.tif == "LiquidationMarket"
        both = settle(Trade(market, taker, maker, size, self.time_ms, tx_hash, tid, liquidation), self.rng)
        self.fills.extend(both if self.rng.random() < 0.5 else both[::-1])
        if not maker.size:
            leaving.append(maker)

    def _leave(self, market: Market, leaving: list[Order]) -> None:
        for maker in leaving:
            self._diff(market, maker, lines.REMOVE)
            self.say(market, maker, "filled", 0)
            self._children_go_live(market, maker)
        leaving.clear()

    def _children_go_live(self, market: Market, parent: Order) -> None:
        if parent.extra is None:
            return
        for child in parent.extra.children:
            child.timestamp = self.time_ms
            self.arm(market, child)

    def _fire(self, market: Market) -> None:
        for _ in range(STOPS_PER_BLOCK):
            stop = market.next_triggered()
            if stop is None:
                return
            self._trigger(market, stop)

    def _trigger(self, market: Market, stop: Order) -> None:
        extra = stop.extra
        assert extra is not None
        self.say(market, stop, "triggered", stop.size)
        if extra.is_position_tpsl:
            position = stop.user.positions.get(market.symbol, 0)
            if position == 0 or (position > 0) == stop.is_bid:
                self.reject(market, stop, "reduceOnlyRejected")
                return
            stop.size = abs(position)
        for sibling in extra.siblings:
            if sibling.oid in market.stops:
                self.disarm(market, sibling, "siblingFilledCanceled")
        if market.notional(stop.size) < MINIMUM_NOTIONAL:
            self.reject(market, stop, "minTradeNtlRejected")
            return
        px, is_market = stop.px, extra.order_type.endswith("Market")
        if is_market:  # the limit is a slippage allowance round the mark, drawn anew when it fires
            mark = market.mark()
            allowance = max(mark // 100, market.tick)
            px = market.valid(mark + allowance if stop.is_bid else mark - allowance) or stop.px
        crosses = market.book.crosses(stop.is_bid, px)
        if is_market and not crosses:
            self.reject(market, stop, "marketOrderNoLiquidityRejected")
            return
        stop.px = px
        extra.is_trigger, extra.was_triggered, extra.trigger_px = False, True, 0
        stop.tif, stop.timestamp = "Gtc", self.time_ms
        if crosses:
            self._match(market, stop, self.tx_hash(), rests=True)
        else:
            self._rest(market, stop)
