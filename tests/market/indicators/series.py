"""Series for indicators: seeded walks with the stretches that formulas stumble over."""

from __future__ import annotations

import random

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from hyperstream.market.history import BarHistory, BarValues, PriceHistory
from hyperstream.market.intervals import Interval

MINUTE = Interval.parse("1m")


@frozen
class Series:
    """Bars one after another."""

    bars: tuple[BarValues, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        return np.array([getattr(bar, name) for bar in self.bars], dtype=np.float64)

    def history(self, count: int) -> BarHistory:
        history = BarHistory(MINUTE, max(1, len(self.bars)))
        for bar in self.bars[:count]:
            history.append(bar)
        return history

    def prices(self, count: int) -> PriceHistory:
        history = PriceHistory(max(1, len(self.bars)))
        for bar in self.bars[:count]:
            history.append(int(bar.start_seconds) * 10**9, bar.close)
        return history


def walk(length: int, seed: int, first_price: float | None = None) -> Series:
    """A random walk: with flat stretches, bars without volume, bars of one price, and jumps."""
    rng = random.Random(seed)
    bars = []
    close = rng.choice([0.000123, 1.5, 100.0, 84_143.0]) if first_price is None else first_price
    tick = close / 1000
    mood = "walk"
    for index in range(length):
        if rng.random() < 0.05:
            mood = rng.choice(["walk", "walk", "flat", "quiet", "jump", "one price"])
        opened = close
        if mood in ("walk", "quiet", "one price"):
            close = max(tick, close + rng.randint(-5, 5) * tick)
        elif mood == "jump":
            close = max(tick, close * rng.uniform(0.5, 2.0))
        top, bottom = max(opened, close), min(opened, close)
        if mood == "one price":
            opened = top = bottom = close
        elif mood != "flat":
            top, bottom = top + rng.randint(0, 3) * tick, max(tick / 2, bottom - rng.randint(0, 3) * tick)
        volume = 0.0 if mood in ("quiet", "flat") else rng.randint(1, 10_000) / 100
        bars.append(
            BarValues(opened, top, bottom, close, volume, volume * rng.randint(0, 4) / 4, index * 60.0)
        )
    return Series(tuple(bars))


def series_of(closes: list[float]) -> Series:
    """Bars of one price each."""
    return Series(tuple(BarValues(x, x, x, x, 1.0, 0.5, index * 60.0) for index, x in enumerate(closes)))
