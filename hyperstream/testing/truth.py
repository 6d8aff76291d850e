"""The true state of a market, spelled as in the node's files, for tests to compare with."""

from attrs import frozen

from hyperstream.testing import lines
from hyperstream.testing.lines import spell
from hyperstream.testing.market import Market
from hyperstream.testing.orders import Extra, Order

Level = tuple[str, str, int]


@frozen
class TrueBook:
    """The true levels, best first: ``(price, summed size, number of orders)``."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@frozen
class TrueOrder:
    """One order of the true book; ``size`` is what remains of it."""

    oid: int
    user: str
    side: str
    price: str
    size: str
    original_size: str
    timestamp: int
    tif: str | None
    cloid: str | None
    reduce_only: bool
    order_type: str
    trigger_condition: str
    is_trigger: bool
    trigger_price: str
    is_position_tpsl: bool


_PLAIN = Extra()


def true_book(market: Market, depth: int | None = None) -> TrueBook:
    """Return the levels of a market, at most ``depth`` a side."""
    sides = []
    for side in (market.book.bids, market.book.asks):
        levels: list[Level] = []
        for px in side.best_first():
            if depth is not None and len(levels) == depth:
                break
            queue = side.levels[px].values()
            levels.append((spell[px], spell[sum(order.size for order in queue)], len(queue)))
        sides.append(tuple(levels))
    return TrueBook(*sides)


def true_orders(market: Market) -> tuple[list[TrueOrder], list[TrueOrder]]:
    """Return the resting orders of a market in priority order: bids, asks."""
    return list(map(true_order, market.book.bids)), list(map(true_order, market.book.asks))


def true_order(order: Order) -> TrueOrder:
    """Return an order as the node spells it."""
    extra = order.extra or _PLAIN
    return TrueOrder(
        oid=order.oid,
        user=order.user.address,
        side=order.side,
        price=spell[order.px],
        size=spell[order.size],
        original_size=spell[order.original],
        timestamp=order.timestamp,
        tif=order.tif,
        cloid=None if order.cloid == "null" else order.cloid.strip('"'),
        reduce_only=extra.reduce_only,
        order_type=extra.order_type,
        trigger_condition=lines.trigger_condition(order),
        is_trigger=extra.is_trigger,
        trigger_price=spell[extra.trigger_px],
        is_position_tpsl=extra.is_position_tpsl,
    )
