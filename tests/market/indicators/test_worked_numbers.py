"""Worked examples, by hand and by other libraries: what the conventions give, to five digits."""

from __future__ import annotations

import pytest

from hyperstream.market.history import BarHistory, BarValues, PriceHistory
from hyperstream.market.indicators import IndicatorSpec, start_indicator
from hyperstream.market.indicators.indicator import BarIndicator, PriceIndicator

from .series import MINUTE

CLOSES = [10.0, 11, 12, 11, 13, 14, 13, 15, 16, 15]
BARS = [
    BarValues(close, high, low, close, volume, volume, index * 60.0)
    for index, (high, low, close, volume) in enumerate(
        zip(
            [10.5, 11.5, 12.5, 12.2, 13.4, 14.2],
            [9.5, 10.4, 11.3, 10.8, 11.2, 13.0],
            [10.0, 11, 12, 11, 13, 14],
            [5.0, 2, 4, 1, 3, 6],
            strict=True,
        )
    )
]
Row = float | tuple[float, ...] | None


def run(text: str, warmed: int = 0) -> list[tuple[float, ...] | None]:
    """The value after each input of the test series, the first ``warmed`` of them as history."""
    spec = IndicatorSpec.parse(text)
    indicator = start_indicator(spec)
    values: list[tuple[float, ...] | None] = []
    if isinstance(indicator, PriceIndicator):
        for index, price in enumerate(CLOSES):
            if index < warmed:
                history = PriceHistory(100)
                for time, past in enumerate(CLOSES[: index + 1]):
                    history.append(time, past)
                indicator.warm(history)
            else:
                assert indicator.peek(price) == indicator.peek(price)
                indicator.update(price)
            values.append(indicator.value)
    else:
        assert isinstance(indicator, BarIndicator)
        for index, bar in enumerate(BARS):
            if index < warmed:
                bars = BarHistory(MINUTE, 100)
                for past_bar in BARS[: index + 1]:
                    bars.append(past_bar)
                indicator.warm(bars)
            else:
                indicator.update(bar)
            values.append(indicator.value)
    return values


NA = None
EXAMPLES: list[tuple[str, list[Row]]] = [
    ("sma:3", [NA, NA, 11, 11.33333, 12, 12.66667, 13.33333, 14, 14.66667, 15.33333]),
    ("wma:3", [NA, NA, 11.33333]),
    ("ema:3", [NA, NA, 11, 11, 12, 13, 13, 14, 15, 15]),
    ("rsi:3", [NA, NA, NA, 66.66667, 83.33333, 87.87879, 62.36559, 79.88506, 85.09052, 61.29651]),
    ("cmou:3", [NA, NA, NA, 33.33333, 50, 50, 50, 50, 50, 50]),
    (
        "macd:2,4,3",
        [NA, NA, NA, NA, NA, (0.82, 0.67333, 0.14667), (0.35867, 0.516, -0.15733)],
    ),
    (
        "bbands:3,2",
        [
            NA,
            NA,
            (12.63299, 11, 9.36701),
            (12.27614, 11.33333, 10.39052),
            (13.63299, 12, 10.36701),
            (15.16110, 12.66667, 10.17223),
        ],
    ),
    ("stddev:3", [NA, NA, 0.81650, 0.47140, 0.81650, 1.24722]),
    ("trange@1m", [NA, 1.5, 1.5, 1.4, 2.4, 1.2]),
    ("atr:3@1m", [NA, NA, NA, 1.46667, 1.77778, 1.58519]),
    ("natr:3@1m", [NA, NA, NA, 13.33333, 13.67521, 11.32275]),
    ("vwap@1m", [10, 10.27619, 10.87879, 10.91667, 11.24, 11.95238]),
    ("session_vwap@1m", [10, 10.27619, 10.87879, 10.91667, 11.24, 11.95238]),
    ("stochf:3,2@1m", [NA, NA, NA, (28.57143, 55.95238), (84.61538, 56.59341), (94.11765, 89.36652)]),
    ("stoch:3,2,2@1m", [NA, NA, NA, NA, (56.59341, 56.27289), (89.36652, 72.97996)]),
    ("willr:3@1m", [NA, NA, 83.33333 - 100, 28.57143 - 100, 84.61538 - 100, 94.11765 - 100]),
]


@pytest.mark.parametrize("warmed", [0, 1, 4, 6])
@pytest.mark.parametrize(("text", "rows"), EXAMPLES)
def test_the_worked_example(text: str, rows: list[Row], warmed: int) -> None:
    for index, (value, row) in enumerate(zip(run(text, warmed), rows, strict=False)):
        if row is None:
            assert value is None, index
        else:
            assert value == pytest.approx(row if isinstance(row, tuple) else (row,), abs=6e-6), index


def test_the_last_macd_of_the_example() -> None:
    assert run("macd:2,4,3")[9] == pytest.approx((0.38779, 0.55943, -0.17164), abs=6e-6)


def test_a_flat_market_has_an_rsi_of_zero() -> None:
    """TA-Lib's convention; others say 50, 100 or nothing."""
    indicator = start_indicator(IndicatorSpec.parse("rsi:3"))
    assert isinstance(indicator, PriceIndicator)
    for _ in range(5):
        indicator.update(10.0)
    assert indicator.value == (0.0,)


def test_a_stochastic_of_bars_without_range_is_zero() -> None:
    indicator = start_indicator(IndicatorSpec.parse("stochf:3,2@1m"))
    assert isinstance(indicator, BarIndicator)
    for index in range(6):
        indicator.update(BarValues(10, 10, 10, 10, 1, 1, index * 60.0))
    assert indicator.value == (0.0, 0.0)
