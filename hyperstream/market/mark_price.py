"""Mark prices as Hyperliquid defines them: "Robust price indices" in its documentation.

    1. oracle price + average over 150 s of (middle price - oracle price)
    2. median of best bid, best ask and last trade
    3. weighted median of the middle prices of other venues' perpetuals
    4. average over 30 s of (2), if exactly two of the first three are there

A perpetual's mark is the median of those that are there. Markets of builder dexes (HIP-3) have what their
deployer says beside the second, which nobody here hears: they have the second alone, and so have spot and
outcome markets.

Prices are integers of 10^-12, times are nanoseconds that are handed in. Everything is exact but the
averages: their weights are powers of e, and what they come to is rounded to 10^-8, a hundredth of the finest
price a perpetual has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from math import exp

from attrs import define, field, frozen

from hyperstream.market.identity import MarketKind
from hyperstream.market.venue_decimals import PLACES, SCALE

PREMIUM_SECONDS = 150.0
LOCAL_SECONDS = 30.0
# A first sample has none before it to tell how long it has lasted: as long as one second's does.
FIRST_SAMPLE_NS = 1_000_000_000
SIGNIFICANT_FIGURES = 5
_MOST_PLACES = {MarketKind.SPOT: 8}
_PERP_PLACES = 6
_AVERAGE_UNIT = 10_000  # of 10^-12: 10^-8
_NS = 1_000_000_000


class InputKind(Enum):
    """What a mark is the median of."""

    ORACLE = 1
    LOCAL = 2
    EXTERNAL = 3
    LOCAL_AVERAGE = 4


@frozen
class Told:
    """A price that somebody told: who or what it is, and when it was read (0: it was computed)."""

    name: str
    price_e12: int
    read_time_ns: int = 0
    weight: int = 0


@frozen
class MarkSources:
    """What is known of a market at one moment; None is what is absent, or too old to be used."""

    bid: Told | None = None
    ask: Told | None = None
    last_trade: Told | None = None
    oracle: Told | None = None
    external: Sequence[Told] = ()


@frozen
class MarkInput:
    """One input and what it was made of."""

    kind: InputKind
    price_e12: int
    parts: tuple[Told, ...] = ()


@define(eq=False)
class Average:
    """An exponentially weighted average of samples, each weighing as much as it lasted.

    A sample x that lasted t seconds: both sums are multiplied by exp(-t / tau), then x * t and t are added;
    the average is their quotient. After tau without a sample there is none.
    """

    tau_seconds: float
    since_ns: int = 0
    weighted_sum: float = 0.0
    weight: float = 0.0
    _newest_ns: int = 0

    def add(self, value: int, time_ns: int) -> None:
        """Take a sample of this time, which has lasted since the one before."""
        if not self.weight:
            self.since_ns = time_ns
            self._newest_ns = time_ns - FIRST_SAMPLE_NS
        seconds = (time_ns - self._newest_ns) / _NS
        if seconds > 0:
            self.weigh(value, seconds)
            self._newest_ns = time_ns

    def weigh(self, value: int, seconds: float) -> None:
        """Put a sample into both sums."""
        decay = exp(-seconds / self.tau_seconds)
        self.weighted_sum = self.weighted_sum * decay + value * seconds
        self.weight = self.weight * decay + seconds

    def value(self, time_ns: int) -> int | None:
        """The average at this time, None if there is none or it has had no sample for too long."""
        if not self.weight or (time_ns - self._newest_ns) / _NS > self.tau_seconds:
            return None
        return round(self.weighted_sum / self.weight / _AVERAGE_UNIT) * _AVERAGE_UNIT


@define(eq=False)
class MarkFormula:
    """The mark of one market, moment by moment; remembers the averages."""

    kind: MarketKind
    _premium: Average = field(factory=lambda: Average(PREMIUM_SECONDS))
    _local: Average = field(factory=lambda: Average(LOCAL_SECONDS))

    @property
    def averaging_since_ns(self) -> int:
        """When the first sample of the premium was taken, 0 if there was none."""
        return self._premium.since_ns

    def inputs(self, sources: MarkSources, time_ns: int) -> tuple[MarkInput, ...]:
        """What the mark of this moment is the median of; empty if there is none."""
        local = _local_input(sources)
        if self.kind is not MarketKind.PERP:
            return (local,) if local is not None else ()
        if local is not None:
            self._local.add(local.price_e12, time_ns)
        found = [
            each
            for each in (self._oracle_input(sources, time_ns), local, _external(sources))
            if each is not None
        ]
        if len(found) == 2:
            average = self._local.value(time_ns)
            if average is not None:
                found.append(MarkInput(InputKind.LOCAL_AVERAGE, average))
        return tuple(found)

    def _oracle_input(self, sources: MarkSources, time_ns: int) -> MarkInput | None:
        bid, ask, oracle = sources.bid, sources.ask, sources.oracle
        if oracle is None:
            return None
        if bid is not None and ask is not None:
            middle = median((bid.price_e12, ask.price_e12))
            self._premium.add(middle - oracle.price_e12, time_ns)
        premium = self._premium.value(time_ns)
        if premium is None:
            return None
        parts = (oracle, Told("average_premium", premium))
        return MarkInput(InputKind.ORACLE, max(0, oracle.price_e12 + premium), parts)


def _local_input(sources: MarkSources) -> MarkInput | None:
    parts = tuple(each for each in (sources.bid, sources.ask, sources.last_trade) if each is not None)
    return MarkInput(InputKind.LOCAL, median([part.price_e12 for part in parts]), parts) if parts else None


def _external(sources: MarkSources) -> MarkInput | None:
    parts = tuple(sources.external)
    if not parts:
        return None
    return MarkInput(
        InputKind.EXTERNAL, weighted_median((each.price_e12, each.weight) for each in parts), parts
    )


def mark_price(inputs: Sequence[MarkInput], kind: MarketKind, size_decimals: int | None) -> int | None:
    """The median of the inputs as a price the venue allows, in 10^-12; None without inputs."""
    if not inputs:
        return None
    return allowed_price(median([each.price_e12 for each in inputs]), kind, size_decimals)


def median(values: Sequence[int]) -> int:
    """The middle one of at least one value; of an even number the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2


def weighted_median(weighted: Iterable[tuple[int, int]]) -> int:
    """The least value at which, from the least on, half of all weight is reached; of at least one."""
    ordered = sorted(weighted)
    total = sum(weight for _, weight in ordered)
    reached = 0
    for value, weight in ordered:
        reached += weight
        if 2 * reached >= total:
            return value
    raise ValueError("a weighted median of nothing")


def allowed_price(price_e12: int, kind: MarketKind, size_decimals: int | None) -> int:
    """Round to what the venue allows as a price, a half away from zero (docs, "Tick and lot size").

    Five significant figures, and at most 6 decimal places (spot: 8) less those of sizes; whole numbers are
    always allowed, and nothing is rounded to zero. Unknown size decimals (None) count as none.
    """
    places = max(0, _MOST_PLACES.get(kind, _PERP_PLACES) - (size_decimals or 0))
    coarsest = 10 ** max(0, len(str(price_e12)) - SIGNIFICANT_FIGURES)
    step: int = max(min(coarsest, SCALE), 10 ** (PLACES - places))
    return max(step, (2 * price_e12 + step) // (2 * step) * step)


def difference_basis_points(price_e12: int, of_e12: int) -> float | None:
    """How far one price is above another (below, if negative), in hundredths of a percent of that."""
    return round((price_e12 - of_e12) * 10_000 / of_e12, 4) if of_e12 else None
