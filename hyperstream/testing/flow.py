"""The seeded order flow: who does what in a block.

A block runs as the venue sorts it: first actions without GTC or IOC orders, then cancels,
then the rest. Activity is skewed over markets and users as 1/rank, so the first market is
the busiest. Prices live because makers follow a wandering fair price, cancels prefer the
stale side of the touch, and takers hit it.
"""

import math
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from hyperstream.testing.exchange import Exchange
from hyperstream.testing.listings import SPOT
from hyperstream.testing.load import Load
from hyperstream.testing.market import Market
from hyperstream.testing.oddities import Oddities
from hyperstream.testing.orders import Order, User

NEW_SHARE, REMOVE_SHARE = 0.497, 0.495  # of all diffs; updates are the rest
POST_ONLY_SHARE = 0.93
MATCHES_PER_TAKER = 1.25
BURST = 8  # one account's refused orders come in batches of about so many
LEAST_ORDERS = 20  # a market starts with at least so many, if books start with any
SPARSE, FULL = 0.7, 1.4  # of the usual orders: spared by cancels, avoided by makers

_TABLE = 4096  # entries of the look-up tables that replace costly draws


class Flow:
    """Drives an exchange, one block a call."""

    def __init__(self, exchange: Exchange, load: Load, rng: Random) -> None:
        self.exchange = exchange
        self.load = load
        self.rng = rng
        self.users = [User(f"0x{rng.getrandbits(160):040x}") for _ in range(load.users)]
        self.markets: Sequence[Market] = tuple(exchange.markets.values())
        self._busy = _skewed(self.markets, 4 * _TABLE)
        self._offsets = [int(-math.log(1 - rng.random()) * 12) for _ in range(_TABLE)]
        self._depths = [int((rng.random() + 0.002) ** -1.3 * 9) - 9 for _ in range(_TABLE)]
        self.oddities = Oddities(exchange, load, rng, self.users)

    def fill_books(self, time_ms: int) -> None:
        """Rest the orders that exist before the first block; nobody is told of them but the snapshot."""
        ranks = [1 / (rank + 1) for rank in range(len(self.markets))]
        spare = max(0, self.load.resting_orders - LEAST_ORDERS * len(self.markets))
        for market, weight in zip(self.markets, ranks, strict=True):
            market.usual_orders = LEAST_ORDERS + round(spare * weight / sum(ranks))
            for _ in range(market.usual_orders if self.load.resting_orders else 0):
                self._rest_before_start(market, time_ms)

    def drive(self) -> None:
        """Do everything that happens in one block; the exchange must have been begun."""
        load, rng = self.load, self.rng
        pace = max(0.1, rng.gauss(1, load.burstiness)) if load.burstiness else 1.0
        opens = self._about(load.diffs_per_block * NEW_SHARE * pace)
        takers = self._about(load.fills_per_block / 2 / MATCHES_PER_TAKER * pace)
        cancels = self._about(load.diffs_per_block * REMOVE_SHARE * pace) - takers // 2
        cancels += self._correction(opens)
        odd = self._about(opens * load.variety)
        refused = max(0, self._about(load.statuses_per_block * pace) - opens - cancels - 2 * takers)
        plain = max(0, opens - odd)
        post_only = self._about(plain * POST_ONLY_SHARE)
        self._refuse(refused // 2)
        self._make(post_only)
        self._refuse(refused - refused // 2)
        self._cancel(cancels)
        for _ in range(plain - post_only):
            self._rest_gtc()
        for _ in range(takers):
            self.oddities.take(self._market(), self._user())
        for _ in range(odd):
            self.oddities.act(self._market(), self._user())

    # -- picking --------------------------------------------------------------------------

    def _market(self) -> Market:
        return self._busy[int(self.rng.random() * len(self._busy))]

    def _user(self) -> User:
        return self.users[int(self.rng.random() ** 2 * len(self.users))]

    def _about(self, mean: float) -> int:
        return int(max(0.0, mean) + self.rng.random())

    def _correction(self, opens: int) -> int:
        """How many more (or fewer) to cancel so that books neither grow nor drain for ever."""
        target = max(self.load.resting_orders, LEAST_ORDERS * len(self.markets))
        excess = sum(len(market.book.live) for market in self.markets) - target
        bound = max(1, opens // 5)
        return max(-bound, min(bound, excess // 50))

    # -- acting ---------------------------------------------------------------------------

    def _make(self, count: int) -> None:
        exchange, random, bits = self.exchange, self.rng.random, self.rng.getrandbits
        users, busy, offsets = self.users, self._busy, self._offsets
        markets, people = len(busy), len(users)
        for _ in range(count):
            market = busy[int(random() * markets)]
            if len(market.book.live) > market.usual_orders * FULL:
                market = busy[int(random() * markets)]
            draw = random()
            if draw < 0.1:
                market.wander(self.rng)
            is_bid = bits(1) == 1
            px = market.quote(is_bid, offsets[int(random() * _TABLE)])
            if px is None:
                continue
            sizes = market.sizes
            order = exchange.order(
                users[int(random() ** 2 * people)],
                is_bid,
                px,
                sizes[int(random() * len(sizes))],
                "Alo",
                f'"0x{bits(128):032x}"' if draw < 0.8 else "null",
            )
            exchange.place_maker(market, order)

    def _refuse(self, count: int) -> None:
        while count > 0:
            burst = min(count, 1 + int(self.rng.expovariate(1 / BURST)))
            count -= burst
            self.oddities.refuse(
                self._market(), self.users[int(self.rng.random() ** 4 * 7) % 7 % len(self.users)], burst
            )

    def _cancel(self, count: int) -> None:
        random = self.rng.random
        for _ in range(count):
            for _ in range(4):
                market = self._market()
                live = market.book.live
                if len(live) > market.usual_orders * SPARSE:
                    break
            else:
                continue
            if random() < 0.2:
                order = self._stale(market)
            else:  # most orders live only for a moment: prefer the young
                order = live[len(live) - 1 - int(random() ** 3 * len(live))]
            self.exchange.cancel(market, order, self.oddities.reason(order))

    def _stale(self, market: Market) -> Order:
        """The order at the touch that the fair price has moved towards."""
        bids, asks = market.book.bids, market.book.asks
        side = asks if market.fair > market.mark() else bids
        best = side.best()
        if best is None:
            return market.book.live[-1]
        return next(iter(side.levels[best].values()))

    def _rest_gtc(self) -> None:
        market = self._market()
        is_bid = self.rng.random() < 0.5
        px = market.quote(is_bid, self._depths[int(self.rng.random() * _TABLE)])
        if px is not None:
            size = self.rng.choice(market.sizes)
            self.exchange.place(market, self.exchange.order(self._user(), is_bid, px, size))

    def _rest_before_start(self, market: Market, time_ms: int) -> None:
        random, bits = self.rng.random, self.rng.getrandbits
        is_bid = bits(1) == 1
        table = self._depths if random() < 0.5 else self._offsets
        px = market.quote(is_bid, table[int(random() * _TABLE)])
        if px is None:
            return
        size = market.sizes[int(random() * len(market.sizes))]
        user = self.users[int(random() ** 2 * len(self.users))]
        if market.spec.kind == SPOT and random() < 0.1:
            user = self.oddities.hyperliquidity
        order = self.exchange.order(user, is_bid, px, size, "Alo" if random() < 0.8 else "Gtc")
        order.timestamp = time_ms - int(random() ** 4 * 86_400_000)
        if random() < 0.7 and not user.is_silent:
            order.cloid = f'"0x{bits(128):032x}"'
        market.book.add(order)


def _skewed(markets: Sequence[Market], entries: int) -> list[Market]:
    """A table in which the market of rank r appears in proportion to 1/r, and every one at least once."""
    bounds = list(accumulate(1 / (rank + 1) for rank in range(len(markets))))
    picked = [markets[bisect(bounds, bounds[-1] * (i + 0.5) / entries)] for i in range(entries)]
    return picked + list(markets)
