"""What price ticks leave in memory, as a process: a million of them, over more symbols than anybody follows.

    (start)    {"rows": [{"ticks": …, "markets": …, "resident_megabytes": …}, …], "refused": N}

Trades of the symbols in turn go through the prices engine; every market has its prices followed and an
indicator computed. Histories are full after a third of the ticks: from there on memory must stand still.
"""

import itertools
from typing import Any

import click

from benchmarks.measure import resident_bytes, settle_memory
from benchmarks.processes import answer
from hyperstream.config import PriceSettings
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.market.indicators import IndicatorSpec, catalogue
from hyperstream.market.price_updates import indicator_name, price_name
from hyperstream.market.venues import BYBIT, FeedItem, Quote, VenueTrade
from hyperstream.wire.protobuf.prices import PRICES

STEPS = 10
BATCH = 100
NS_PER_TICK = 10_000
START_NS = 1_700_000_000 * 1_000_000_000
INDICATOR = "rsi:14"


def tick(number: int, symbols: int) -> FeedItem:
    """A trade, or each fourth time a quote."""
    symbol, time_ns = f"S{number % symbols}USDT", START_NS + number * NS_PER_TICK
    price = f"{100 + number * 7 % 1_000}.{number % 10}"
    if number % 4 == 3:
        return Quote(BYBIT, symbol, price, "1.5", price, "2.5", time_ns, time_ns, number)
    return VenueTrade(
        BYBIT, symbol, str(number), price, f"{number % 97}.5", number % 2 == 0, time_ns, time_ns
    )


def play(ticks: int, symbols: int, markets: int) -> dict[str, Any]:
    """Apply so many ticks; returns the memory at each tenth of them."""
    clock = itertools.count(START_NS, NS_PER_TICK)
    hub = Hub(1.0)
    settings = PriceSettings(
        max_markets=markets, max_series=4 * markets, history_ticks=max(1, ticks // symbols // 4)
    )
    engine = PriceEngine(hub, PRICES, lambda: next(clock), settings, {BYBIT}, lambda _: None)
    subscription = hub.subscribe(Contract.CONFLATE, PRICES, lambda: None, OutboxLimits(1_000_000, 1 << 40))
    spec = IndicatorSpec.parse(INDICATOR)
    for number in range(min(symbols, markets)):
        for name in (
            price_name(BYBIT, f"S{number}USDT"),
            indicator_name(BYBIT, f"S{number}USDT", spec, spec.kind.outputs),
        ):
            for topic in engine.open(name):
                subscription.attach(topic)
    rows = []
    for step in range(STEPS):
        numbers = range(step * ticks // STEPS, (step + 1) * ticks // STEPS)
        for first in range(numbers.start, numbers.stop, BATCH):
            last = min(first + BATCH, numbers.stop)
            engine.apply([tick(number, symbols) for number in range(first, last)])
            if first % (100 * BATCH) == 0:
                engine.flush()
                engine.retire()
                while subscription.take() is not None:
                    continue
        settle_memory()
        rows.append(
            {
                "ticks": numbers.stop,
                "markets": len(engine.markets),
                "resident_megabytes": resident_bytes() / 1e6,
            }
        )
    return {"rows": rows, "refused": engine.counts["ticks of too many markets"]}


@click.command()
@click.option("--ticks", type=click.IntRange(min=STEPS), default=1_000_000)
@click.option("--symbols", type=click.IntRange(min=1), default=3_000)
@click.option("--markets", type=click.IntRange(min=1), default=3_000, help="How many the engine may keep.")
def main(ticks: int, symbols: int, markets: int) -> None:
    """Measure, answer, end."""
    catalogue()
    answer(play(ticks, symbols, markets))


if __name__ == "__main__":
    main()
