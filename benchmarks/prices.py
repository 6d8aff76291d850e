"""What a price tick costs inside the prices engine: through distributor and indicators, on one core.

Trades of many markets are applied in batches as a feed hands them over, at 100,000 a second of the engine's
own clock, so updates are published every 10,000 ticks. Everything is followed by a subscriber that takes
what there is. The rows differ in one thing only:

- distributor: newest values, history of trades, prices of every market published
- ticks: and indicators computed at each trade (sma, ema, rsi, macd, bbands on each market in turn)
- bars: the same indicators on bars of a second, which are built from the trades
- every tick: the indicators on ticks, with no batches (prices.flush_seconds = 0)

Making the ticks is not counted; publishing and taking what is published is.
"""

from __future__ import annotations

import random
import statistics
from typing import Any

import click
from attrs import frozen

from benchmarks.measure import CpuClock, profiling, resident_bytes
from benchmarks.report import Report, Row, json_option
from hyperstream.config import PriceSettings
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.market.indicators import IndicatorSpec, catalogue
from hyperstream.market.price_updates import SeriesName, bar_name, indicator_name, price_name
from hyperstream.market.venues import BYBIT, FeedItem, VenueTrade
from hyperstream.wire.protobuf.prices import PRICES

SUMMARY_KEYS = (
    "distributor_ticks_per_second",
    "ticks_per_second",
    "bars_ticks_per_second",
    "every_tick_ticks_per_second",
    "us_per_indicator_update",
    "resident_mb",
)
TICKS_PER_SECOND = 100_000
SECOND_NS = 1_000_000_000
KINDS = ("sma:20", "ema:20", "rsi:14", "macd:12,26,9", "bbands:20,2")
PLENTY = OutboxLimits(1_000_000, 1 << 40)


@frozen
class Scenario:
    """What is followed, and how."""

    name: str
    interval: str | None
    flush_seconds: float = 0.1

    def names(self, markets: int, instances: int) -> list[SeriesName]:
        """The series of this scenario."""
        symbols = [f"M{number}USDT" for number in range(markets)]
        names = [price_name(BYBIT, symbol) for symbol in symbols]
        if self.interval is None:
            return names
        if self.interval:
            # Bybit has no bars of a second: these are built from its trades.
            names += [bar_name(BYBIT, symbol, self.interval) for symbol in symbols]
        for number in range(instances):
            text = KINDS[number // markets % len(KINDS)]
            spec = IndicatorSpec.parse(f"{text}@{self.interval}" if self.interval else text)
            names.append(indicator_name(BYBIT, symbols[number % markets], spec, spec.kind.outputs))
        return names


SCENARIOS = (
    Scenario("distributor", None),
    Scenario("ticks", ""),
    Scenario("bars", "1s"),
    Scenario("every tick", "", flush_seconds=0.0),
)


def make_ticks(count: int, markets: int, per_batch: int) -> list[list[FeedItem]]:
    """Batches of trades of markets at random, at prices that wander, in the order of their time."""
    chance = random.Random(1)
    middles = [chance.uniform(1, 50_000) for _ in range(markets)]
    batches: list[list[FeedItem]] = []
    for number in range(count):
        market = chance.randrange(markets)
        middles[market] *= 1 + chance.gauss(0, 0.0002)
        time_ns = (1_700_000_000 * TICKS_PER_SECOND + number) * (SECOND_NS // TICKS_PER_SECOND)
        if number % per_batch == 0:
            batches.append([])
        batches[-1].append(
            VenueTrade(
                BYBIT,
                f"M{market}USDT",
                str(number),
                f"{middles[market]:.4f}",
                f"{chance.uniform(0.001, 5):.3f}",
                chance.random() < 0.5,
                time_ns,
                time_ns,
            )
        )
    return batches


def measure(
    scenario: Scenario, batches: list[list[FeedItem]], markets: int, instances: int
) -> dict[str, Any]:
    """Run the ticks through an engine; returns the figures of the run."""
    clock = [0]
    hub = Hub(1.0)
    settings = PriceSettings(flush_seconds=scenario.flush_seconds)
    engine = PriceEngine(hub, PRICES, lambda: clock[0], settings, {BYBIT}, lambda _: None)
    subscription = hub.subscribe(Contract.CONFLATE, PRICES, lambda: None, PLENTY)
    for name in scenario.names(markets, instances):
        for topic in engine.open(name):
            subscription.attach(topic)
    subscription.write, subscription.is_idle = (lambda _: True), True
    cpu, ticks, next_flush_ns = CpuClock(), 0, 0
    flush_ns = int((scenario.flush_seconds or 0.1) * SECOND_NS)
    with cpu:
        for batch in batches:
            clock[0] = batch[-1].receive_time_ns  # type: ignore[union-attr] # they are trades
            engine.apply(batch)
            ticks += len(batch)
            if clock[0] >= next_flush_ns:
                next_flush_ns = clock[0] + flush_ns
                engine.flush()
                while subscription.take() is not None:
                    pass
    statistics_ = engine.statistics()
    return {
        "scenario": scenario.name,
        "ticks": ticks,
        "series": statistics_.series,
        "us_per_tick": cpu.seconds / ticks * 1e6,
        "ticks_per_second": round(ticks / cpu.seconds),
        "computations": sum(engine.computations().values()),
        "messages": subscription.statistics().taken_messages,
    }


@click.command()
@click.option("--ticks", type=click.IntRange(min=1), default=500_000, show_default=True, help="A round.")
@click.option("--markets", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--instances", type=click.IntRange(min=1), default=500, show_default=True)
@click.option(
    "--batch", type=click.IntRange(min=1), default=10, show_default=True, help="Ticks a socket read."
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="The median counts.")
@click.option("--profile", "is_profiled", is_flag=True, help="Print where the time goes, to standard error.")
@json_option
def main(
    ticks: int, markets: int, instances: int, batch: int, rounds: int, is_profiled: bool, as_json: bool
) -> None:
    """Measure ticks a second through the prices engine."""
    report = Report("prices", as_json)
    catalogue()
    batches = make_ticks(ticks, markets, batch)
    rows: list[Row] = []
    medians: dict[str, float] = {}
    for scenario in SCENARIOS:
        # Every tick by itself costs a message: fewer of them tell as much.
        used = batches if scenario.flush_seconds else batches[: max(1, len(batches) // 10)]
        found = []
        for _ in range(rounds):
            with profiling(is_profiled):
                found.append(measure(scenario, used, markets, instances))
        chosen = sorted(found, key=lambda row: row["us_per_tick"])[rounds // 2]
        medians[scenario.name] = statistics.median(row["us_per_tick"] for row in found)
        rows.append(chosen)
    report.table("ticks", rows)
    per_tick = instances / markets
    report.summary(
        {
            "distributor_ticks_per_second": round(1e6 / medians["distributor"]),
            "ticks_per_second": round(1e6 / medians["ticks"]),
            "bars_ticks_per_second": round(1e6 / medians["bars"]),
            "every_tick_ticks_per_second": round(1e6 / medians["every tick"]),
            "us_per_indicator_update": (medians["ticks"] - medians["distributor"]) / per_tick,
            "resident_mb": resident_bytes() / 1e6,
        }
    )


if __name__ == "__main__":
    main()
