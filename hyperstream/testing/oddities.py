"""Everything in the order flow that is not a plain maker: takers, stops, refusals, house accounts."""

from random import Random

from hyperstream.testing.exchange import Exchange
from hyperstream.testing.lines import spell
from hyperstream.testing.listings import SPOT
from hyperstream.testing.load import Load
from hyperstream.testing.market import Market
from hyperstream.testing.orders import Extra, Order, User

HYPERLIQUIDITY = "0x" + "f" * 40
ASSISTANCE_FUND = "0x" + "fe" * 20
STOPS_PER_MARKET = 40

# weight, status, tif
_REFUSALS: tuple[tuple[float, str, str], ...] = (
    (0.9700, "badAloPxRejected", "Alo"),
    (0.0120, "perpMarginRejected", "Ioc"),
    (0.0020, "perpMarginRejected", "Alo"),
    (0.0050, "iocCancelRejected", "Ioc"),
    (0.0020, "minTradeNtlRejected", "Gtc"),
    (0.0015, "reduceOnlyRejected", "Gtc"),
    (0.0010, "insufficientSpotBalanceRejected", "Gtc"),
    (0.0010, "oracleRejected", "Gtc"),
    (0.0010, "perpMaxPositionRejected", "Gtc"),
    (0.0010, "tickRejected", "Gtc"),
    (0.0010, "positionIncreaseAtOpenInterestCapRejected", "Ioc"),
    (0.0010, "badTriggerPxRejected", "Gtc"),
    (0.0010, "rejected", "Gtc"),
)
# who lacks funds lacks margin on a perpetual and balance on a spot pair
_MARGIN_STATUS = {
    ("perpMarginRejected", True): "insufficientSpotBalanceRejected",
    ("insufficientSpotBalanceRejected", False): "perpMarginRejected",
}
_REASONS = (
    "scheduledCancel", "marginCanceled", "vaultWithdrawalCanceled", "openInterestCapCanceled",
    "liquidatedCanceled", "internalCancel",
)  # fmt: skip
_STOP_TYPES = ("Stop Market", "Stop Limit", "Take Profit Market", "Take Profit Limit")


class Oddities:
    """The rare verbs, each a small scenario on one market."""

    def __init__(self, exchange: Exchange, load: Load, rng: Random, users: list[User]) -> None:
        self.exchange = exchange
        self.load = load
        self.rng = rng
        self.users = users
        self.hyperliquidity = User(HYPERLIQUIDITY, is_silent=True)
        self.assistance_fund = User(ASSISTANCE_FUND, is_silent=True)
        common = 1 - load.variety * 0.5  # variety shifts weight from the first refusal to the others
        self._refusal_weights = [
            weight * common if rank == 0 else weight + load.variety * 0.5 / (len(_REFUSALS) - 1)
            for rank, (weight, _, _) in enumerate(_REFUSALS)
        ]

    # -- refusals -------------------------------------------------------------------------

    def refuse(self, market: Market, user: User, count: int) -> None:
        """Reject a batch of one account's orders, alike but for id and cloid."""
        _, name, tif = self.rng.choices(_REFUSALS, self._refusal_weights)[0]
        name = _MARGIN_STATUS.get((name, market.spec.kind == SPOT), name)
        exchange, bits = self.exchange, self.rng.getrandbits
        is_bid = bits(1) == 1
        best = (market.book.asks if is_bid else market.book.bids).best() or market.fair
        px = market.valid(best + (1 if is_bid else -1) * market.tick * self.rng.randrange(0, 30)) or best
        px_text, size = spell[px], spell[self.rng.choice(market.sizes)]
        before = (
            f'{{"time":"{exchange.time_text}","user":"{user.address}","hash":null,"builder":null,'
            f'"status":"{name}","order":{{"coin":"{market.symbol}","side":"{"B" if is_bid else "A"}",'
            f'"limitPx":"{px_text}","sz":"{size}","oid":'
        )
        between = (
            f',"timestamp":{exchange.time_ms},"triggerCondition":"N/A","isTrigger":false,"triggerPx":"0.0",'
            f'"children":[],"isPositionTpsl":false,"reduceOnly":{_json(name == "reduceOnlyRejected")},'
            f'"orderType":"Limit","origSz":"{size}","tif":"{tif}","cloid":"0x'
        )
        oid = exchange.next_oid
        exchange.next_oid = oid + count
        exchange.statuses.extend(
            f'{before}{number}{between}{bits(128):032x}"}}}}' for number in range(oid, oid + count)
        )

    def reason(self, order: Order) -> str:
        """Return the status under which a cancelled order leaves."""
        if order.extra is not None and order.extra.reduce_only and self.rng.random() < 0.5:
            return "reduceOnlyCanceled"
        if self.rng.random() < self.load.variety * 0.1:
            return self.rng.choice(_REASONS)
        return "canceled"

    # -- takers ---------------------------------------------------------------------------

    def take(self, market: Market, user: User) -> None:
        """Send an order that crosses, sized round the order at the front of the queue."""
        rng, book = self.rng, market.book
        market.wander(rng)
        mark = market.mark()
        is_bid = market.fair > mark if abs(market.fair - mark) > market.tick else rng.random() < 0.5
        side = book.asks if is_bid else book.bids
        best = side.best()
        if best is None or len(book.live) < 6:
            return
        front = next(iter(side.levels[best].values()))
        if rng.random() < 0.03:
            user = front.user
        lot = market.spec.lot_e8
        draw = rng.random()
        if draw < 0.3:
            size = front.size
        elif draw < 0.9:
            size = max(lot, int(front.size * rng.random()) // lot * lot)
        else:
            size = front.size * rng.randrange(2, 6)
        if user.is_silent:
            user = self.users[0]
        limit = self._worse(market, best, is_bid, rng.randrange(0, 12))
        self._send_taker(market, user, is_bid, limit, size)

    def _send_taker(self, market: Market, user: User, is_bid: bool, limit: int, size: int) -> None:
        exchange, draw, variety = self.exchange, self.rng.random(), self.load.variety
        extra: Extra | None = None
        rests = False
        if draw < variety * 0.1:
            tif, extra = "Ioc", Extra(twap_id=self.rng.randrange(1_700_000, 1_900_000))
        elif draw < variety * 0.2:
            tif, extra = "LiquidationMarket", Extra(order_type="Market")
        elif draw < 0.55:
            tif, rests = "Ioc", self.rng.random() < max(0.02, variety * 0.5)
        elif draw < 0.8:
            tif, extra = "Gtc", self._builder() if self.rng.random() < 0.3 else None
        else:
            tif, extra = "FrontendMarket", Extra(order_type="Market", builder=self._builder_pair())
            limit = self._worse(market, limit, is_bid, 500)
        exchange.place(
            market, exchange.order(user, is_bid, limit, size, tif, self._cloid(), extra), rests=rests
        )

    # -- the rest -------------------------------------------------------------------------

    def act(self, market: Market, user: User) -> None:
        """Do one unusual thing."""
        draw = self.rng.random()
        if draw < 0.4:
            self._stop(market, user)
        elif draw < 0.6:
            self._jump_queue(market, user)
        elif draw < 0.75:
            self._house(market)
        elif draw < 0.85:
            self._reduce(market, user)
        else:
            self._parent(market, user)

    def _stop(self, market: Market, user: User) -> None:
        if len(market.stops) >= STOPS_PER_MARKET or (market.stops and self.rng.random() < 0.2):
            self.exchange.disarm(market, self.rng.choice(list(market.stops.values())))
            return
        is_position = self.rng.random() < 0.15
        stop = self._stop_order(market, user, self.rng.random() < 0.5, self.rng.random() < 0.5, is_position)
        if stop is not None:
            self.exchange.arm(market, stop)

    def _jump_queue(self, market: Market, user: User) -> None:
        if not market.book.live:
            return
        anchor = self.rng.choice(market.book.live)
        size = self.rng.choice(market.sizes)
        order = self.exchange.order(user, anchor.is_bid, anchor.px, size, "Alo", self._cloid())
        self.exchange.queue_before(market, order, anchor)

    def _house(self, market: Market) -> None:
        """An order of the venue's own accounts: book diffs, never a status."""
        is_spot = market.spec.kind == SPOT
        user = self.hyperliquidity if is_spot else self.assistance_fund
        is_bid = not is_spot or self.rng.random() < 0.5
        px = market.quote(is_bid, self.rng.randrange(1, 30))
        if px is not None:
            order = self.exchange.order(user, is_bid, px, self.rng.choice(market.sizes), "Gtc")
            self.exchange.place(market, order)

    def _reduce(self, market: Market, user: User) -> None:
        is_bid = self.rng.random() < 0.5
        px = market.quote(is_bid, self.rng.randrange(0, 20))
        if px is not None:
            extra = Extra(reduce_only=True)
            size = self.rng.choice(market.sizes)
            self.exchange.place(
                market, self.exchange.order(user, is_bid, px, size, "Gtc", self._cloid(), extra)
            )

    def _parent(self, market: Market, user: User) -> None:
        """An order near the touch with a take-profit and perhaps a stop-loss attached."""
        is_bid = self.rng.random() < 0.5
        px = market.quote(is_bid, 0)
        if px is None:
            return
        extra = self._builder() if self.rng.random() < 0.5 else Extra()
        order = self.exchange.order(
            user, is_bid, px, self.rng.choice(market.sizes), "Gtc", self._cloid(), extra
        )
        children = [
            self._stop_order(market, user, not is_bid, above, False, size=order.size)
            for above in ((True, False) if self.rng.random() < 0.6 else (is_bid,))
        ]
        extra.children = tuple(child for child in children if child is not None)
        for child in extra.children:
            assert child.extra is not None
            child.extra.siblings = tuple(other for other in extra.children if other is not child)
        self.exchange.place(market, order)

    def _stop_order(
        self,
        market: Market,
        user: User,
        is_bid: bool,
        above: bool,
        is_position: bool,
        size: int | None = None,
    ) -> Order | None:
        away = market.tick * self.rng.randrange(3, 40)
        trigger = market.valid(market.mark() + (away if above else -away))
        if trigger <= 0:
            return None
        loses = (
            is_bid == above
        )  # buying above or selling below protects a position; otherwise it takes profit
        order_type = _STOP_TYPES[(0 if loses else 2) + (self.rng.random() < 0.5)]
        slip = trigger // 100 if order_type.endswith("Market") else market.tick * self.rng.randrange(0, 6)
        limit = market.valid(trigger + slip if is_bid else trigger - slip) or trigger
        if size is None:
            size = 0 if is_position else self.rng.choice(market.sizes)
        extra = Extra(order_type, True, True, trigger, above, is_position_tpsl=is_position)
        return self.exchange.order(user, is_bid, limit, size, None, self._cloid(), extra)

    def _worse(self, market: Market, px: int, is_bid: bool, ticks: int) -> int:
        away = market.tick * ticks
        return market.valid(px + away if is_bid else px - away) or px

    def _cloid(self) -> str:
        return f'"0x{self.rng.getrandbits(128):032x}"' if self.rng.random() < 0.6 else "null"

    def _builder_pair(self) -> tuple[str, int] | None:
        if self.rng.random() < 0.5:
            return None
        return self.users[-1].address, self.rng.choice((10, 25, 50))

    def _builder(self) -> Extra:
        return Extra(builder=self._builder_pair())


def _json(value: bool) -> str:
    return "true" if value else "false"
