"""Indicators of our own that look at a book.

Each takes one consistent snapshot of both sides: levels as (price_e12, size_e12), best first. Sums
and products are integers and there is one division at the end, so a value is the double nearest
to the exact result. Bs and As are sizes of the best bid and ask:

* ``book_imbalance``: I = (B - A) / (B + A), in [-1, 1], with the sizes of the first ``levels``
  levels summed; ``decay`` d weighs level k (from 0) by e^(-d k). One side empty: -1 or 1.
* ``microprice``: (bid As + ask Bs) / (Bs + As), the weighted mid. It is inside [bid, ask]. (Stoikov's
  micro-price of 2018 adds an estimated correction to this; it is not computed here.)
* ``spread``: ask - bid in the quote asset; ``spread_bps``: the same in 1/10000 of the mid.
* ``order_flow_imbalance`` (Cont, Kukanov, Stoikov 2014): the sum, over the last ``timeperiod`` changes
  of the best quotes, of e = [b >= b'] Bs - [b <= b'] Bs' - [a <= a'] As + [a >= a'] As', a dash
  marking the snapshot before.
"""

from __future__ import annotations

from collections import deque
from math import exp

from attrs import define, field, frozen

from hyperstream.market.indicators.kind import (
    BookLevels,
    IndicatorKind,
    Needs,
    Output,
    Parameter,
    Parameters,
    ParameterType,
    RunningBook,
)
from hyperstream.market.venue_decimals import SCALE

GROUP = "Order Book"
MOST_LEVELS = 100
MOST_CHANGES = 5_000


@frozen
class BookImbalance:
    """Which side is heavier, over the first levels."""

    level_count: int
    weights: tuple[float, ...] | None

    def update(self, bids: BookLevels, asks: BookLevels) -> Output | None:
        """Return the imbalance; None when both sides are empty."""
        if self.weights is not None:
            bid_size = sum(weight * size for weight, (_, size) in zip(self.weights, bids, strict=False))
            ask_size = sum(weight * size for weight, (_, size) in zip(self.weights, asks, strict=False))
            total = bid_size + ask_size
            return (bid_size - ask_size) / total if total else None
        if self.level_count == 1:
            bids_e12 = bids[0][1] if bids else 0
            asks_e12 = asks[0][1] if asks else 0
        else:
            bids_e12 = sum([size_e12 for _, size_e12 in bids[: self.level_count]])
            asks_e12 = sum([size_e12 for _, size_e12 in asks[: self.level_count]])
        total_e12 = bids_e12 + asks_e12
        return (bids_e12 - asks_e12) / total_e12 if total_e12 else None


class Microprice:
    """The mid, drawn to the side that is lighter."""

    __slots__ = ()

    def update(self, bids: BookLevels, asks: BookLevels) -> Output | None:
        """Return the weighted mid; None while a side is empty."""
        if not bids or not asks:
            return None
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        total = bid_size + ask_size
        return (bid * ask_size + ask * bid_size) / (total * SCALE) if total else None


class Spread:
    """Best ask minus best bid."""

    __slots__ = ()

    def update(self, bids: BookLevels, asks: BookLevels) -> Output | None:
        """Return the spread; None while a side is empty. Negative where the book is crossed."""
        return (asks[0][0] - bids[0][0]) / SCALE if bids and asks else None


class SpreadBps:
    """The spread in basis points of the mid."""

    __slots__ = ()

    def update(self, bids: BookLevels, asks: BookLevels) -> Output | None:
        """Return the spread in 1/10000 of the mid; None while a side is empty."""
        if not bids or not asks:
            return None
        bid, ask = bids[0][0], asks[0][0]
        return 20_000 * (ask - bid) / (ask + bid) if ask + bid else None


@define(eq=False)
class OrderFlowImbalance:
    """The rolling sum of what was added to and taken from the best quotes, in the base asset.

    A snapshot whose best quotes are the same as before is no change and is not counted.
    """

    changes: int
    _flows_e12: deque[int] = field(factory=deque, init=False)
    _sum_e12: int = field(default=0, init=False)
    _before: tuple[int, int, int, int] | None = field(default=None, init=False)

    def update(self, bids: BookLevels, asks: BookLevels) -> Output | None:
        """Take a snapshot; the sum so far, None before the first change.

        A side that is empty ends the comparison: the next whole snapshot is compared with nothing.
        """
        if not bids or not asks:
            self._before = None
        else:
            now = (*bids[0], *asks[0])
            if self._before is not None and now != self._before:
                self._count_in(_flow_e12(self._before, now))
            self._before = now
        return self._sum_e12 / SCALE if self._flows_e12 else None

    def _count_in(self, flow_e12: int) -> None:
        self._flows_e12.append(flow_e12)
        self._sum_e12 += flow_e12
        if len(self._flows_e12) > self.changes:
            self._sum_e12 -= self._flows_e12.popleft()


def _flow_e12(before: tuple[int, int, int, int], now: tuple[int, int, int, int]) -> int:
    bid_before, bid_size_before, ask_before, ask_size_before = before
    bid, bid_size, ask, ask_size = now
    flow = 0
    if bid >= bid_before:
        flow += bid_size
    if bid <= bid_before:
        flow -= bid_size_before
    if ask <= ask_before:
        flow -= ask_size
    if ask >= ask_before:
        flow += ask_size_before
    return flow


@frozen
class BookImbalanceFormula:
    """Starts BookImbalance."""

    def warm_up(self, _parameters: Parameters) -> int:
        """One snapshot."""
        return 1

    def levels(self, parameters: Parameters) -> int:
        """As many as asked for."""
        return int(parameters["levels"])

    def start(self, parameters: Parameters) -> RunningBook:
        """Begin."""
        levels, decay = int(parameters["levels"]), float(parameters["decay"])
        return BookImbalance(levels, tuple(exp(-decay * k) for k in range(levels)) if decay else None)


@frozen
class OrderFlowImbalanceFormula:
    """Starts OrderFlowImbalance."""

    def warm_up(self, _parameters: Parameters) -> int:
        """Two snapshots: the first change."""
        return 2

    def levels(self, _parameters: Parameters) -> int:
        """The best."""
        return 1

    def start(self, parameters: Parameters) -> RunningBook:
        """Begin."""
        return OrderFlowImbalance(int(parameters["timeperiod"]))


@frozen
class BestQuoteFormula:
    """Starts what looks at the best quotes of one snapshot and remembers nothing."""

    running: RunningBook

    def warm_up(self, _parameters: Parameters) -> int:
        """One snapshot."""
        return 1

    def levels(self, _parameters: Parameters) -> int:
        """The best."""
        return 1

    def start(self, _parameters: Parameters) -> RunningBook:
        """Begin; there is no state, so everybody has the same."""
        return self.running


def _kind(
    name: str,
    title: str,
    formula: BookImbalanceFormula | BestQuoteFormula | OrderFlowImbalanceFormula,
    *parameters: Parameter,
    is_on_price_scale: bool = False,
) -> IndicatorKind:
    return IndicatorKind(
        name=name,
        title=title,
        group=GROUP,
        needs=Needs.BOOK,
        inputs=("book",),
        parameters=parameters,
        outputs=("value",),
        is_on_price_scale=is_on_price_scale,
        is_cumulative=False,
        formula=formula,
    )


BOOK_KINDS = (
    _kind(
        "book_imbalance",
        "Book Imbalance",
        BookImbalanceFormula(),
        Parameter("levels", ParameterType.INT, 1, 1, MOST_LEVELS),
        Parameter("decay", ParameterType.FLOAT, 0.0, 0.0, 10.0),
    ),
    _kind("microprice", "Microprice (Weighted Mid)", BestQuoteFormula(Microprice()), is_on_price_scale=True),
    _kind("spread", "Spread", BestQuoteFormula(Spread())),
    _kind("spread_bps", "Spread in Basis Points of the Mid", BestQuoteFormula(SpreadBps())),
    _kind(
        "order_flow_imbalance",
        "Order Flow Imbalance of the Best Quotes",
        OrderFlowImbalanceFormula(),
        Parameter("timeperiod", ParameterType.INT, 100, 1, MOST_CHANGES),
    ),
)
