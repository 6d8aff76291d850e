"""Mark prices: the documentation's worked figures, and every step against one that is slow and plain."""

from __future__ import annotations

from fractions import Fraction
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.identity import MarketKind
from hyperstream.market.mark_price import (
    LOCAL_SECONDS,
    PREMIUM_SECONDS,
    Average,
    InputKind,
    MarkFormula,
    MarkSources,
    Told,
    allowed_price,
    difference_basis_points,
    mark_price,
    median,
    weighted_median,
)
from hyperstream.market.venue_decimals import SCALE, format_e12, parse_e12

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
PRICES = st.integers(1, 10**18)
PERP = MarketKind.PERP


def told(name: str, price: str, weight: int = 0) -> Told:
    return Told(name, parse_e12(price), START_NS, weight)


def sources(
    bid: str = "", ask: str = "", last_trade: str = "", oracle: str = "", **external: str
) -> MarkSources:
    """What is known: Binance's middle price weighs 3, Bybit's 2."""
    weights = {"binance": 3, "bybit": 2}
    return MarkSources(
        told("bid", bid) if bid else None,
        told("ask", ask) if ask else None,
        told("last_trade", last_trade) if last_trade else None,
        told("oracle", oracle) if oracle else None,
        [told(venue, price, weights[venue]) for venue, price in external.items()],
    )


def computed(known: MarkSources, kind: MarketKind = PERP) -> tuple[str, dict[str, str]]:
    """The first mark of a market, and its inputs."""
    inputs = MarkFormula(kind).inputs(known, START_NS)
    price = mark_price(inputs, kind, 5)
    prices = {each.kind.name: format_e12(each.price_e12) for each in inputs}
    return (format_e12(price) if price is not None else ""), prices


# --- averages ---


def test_the_worked_average_of_the_documentation() -> None:
    average = Average(PREMIUM_SECONDS)
    sums = []
    for sample in (10, 16, 10):
        average.weigh(sample, 3.0)
        sums.append((average.weighted_sum, average.weight, average.weighted_sum / average.weight))
    assert sums[0] == (30.0, 3.0, 10.0)
    assert sums[1] == pytest.approx((77.40596, 5.940596, 13.0300), rel=1e-5)
    assert sums[2] == pytest.approx((105.87322, 8.822964, 11.99973), rel=1e-6)


def test_a_first_sample_is_the_average_whatever_it_weighs() -> None:
    average = Average(LOCAL_SECONDS)
    assert average.value(START_NS) is None
    average.add(84143 * SCALE, START_NS)
    assert average.value(START_NS) == 84143 * SCALE
    assert average.since_ns == START_NS


def test_an_average_without_a_sample_for_its_whole_time_is_none() -> None:
    average = Average(LOCAL_SECONDS)
    average.add(5 * SCALE, START_NS)
    assert average.value(START_NS + 30 * SECOND_NS) == 5 * SCALE
    assert average.value(START_NS + 31 * SECOND_NS) is None


def test_a_clock_that_is_set_back_adds_no_sample() -> None:
    average = Average(LOCAL_SECONDS)
    average.add(5 * SCALE, START_NS)
    average.add(9 * SCALE, START_NS - SECOND_NS)
    average.add(9 * SCALE, START_NS)
    assert average.value(START_NS) == 5 * SCALE


@given(
    st.lists(
        st.tuples(st.integers(-(10**17), 10**17), st.integers(1, 100 * SECOND_NS)), min_size=1, max_size=30
    )
)
def test_an_average_weighs_each_sample_by_what_it_lasted_and_by_its_age(
    samples: list[tuple[int, int]],
) -> None:
    average = Average(PREMIUM_SECONDS)
    now_ns = START_NS
    lasted: list[tuple[int, float, int]] = []
    for number, (value, step_ns) in enumerate(samples):
        now_ns += step_ns
        average.add(value, now_ns)
        lasted.append((value, step_ns / SECOND_NS if number else 1.0, now_ns))
    weights = [seconds * exp(-(now_ns - at_ns) / SECOND_NS / PREMIUM_SECONDS) for _, seconds, at_ns in lasted]
    expected = sum(value * weight for (value, _, _), weight in zip(lasted, weights, strict=True)) / sum(
        weights
    )
    scale = max(abs(value) for value, _ in samples) + 10_000
    assert average.value(now_ns) == pytest.approx(expected, abs=10_000 + scale * 1e-9)


# --- medians ---


@given(st.lists(PRICES, min_size=1, max_size=9))
def test_a_median_has_as_much_above_as_below(values: list[int]) -> None:
    ordered = sorted(values)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    assert median(values) == Fraction(sum(middle), len(middle)).__floor__()


@given(st.lists(st.tuples(PRICES, st.integers(1, 5)), min_size=1, max_size=6))
def test_a_weighted_median_is_the_lower_one_of_everybody_as_often_as_he_weighs(
    weighted: list[tuple[int, int]],
) -> None:
    repeated = sorted(price for price, weight in weighted for _ in range(weight))
    assert weighted_median(weighted) == repeated[(len(repeated) - 1) // 2]


def test_of_two_venues_the_heavier_one_counts() -> None:
    assert weighted_median([(100, 3), (90, 2)]) == 100
    assert weighted_median([(100, 3), (110, 2)]) == 100
    assert weighted_median([(110, 2)]) == 110


# --- the mark ---


def test_the_worked_mark_of_the_documentation() -> None:
    formula = MarkFormula(PERP)
    for second in range(3_000):  # the middle price was 52 below the oracle's for long
        formula.inputs(sources("84145.5", "84146.5", oracle="84198"), START_NS + second * SECOND_NS)
    now = sources("84143", "84144", "84143", oracle="84198", binance="84148", bybit="84140")
    inputs = formula.inputs(now, START_NS + 3_000 * SECOND_NS)
    assert [each.kind for each in inputs] == [InputKind.ORACLE, InputKind.LOCAL, InputKind.EXTERNAL]
    oracle, local, external = (each.price_e12 / SCALE for each in inputs)
    assert oracle == pytest.approx(84146, abs=0.02)
    assert (local, external) == (84143, 84148)
    assert mark_price(inputs, PERP, 5) == 84146 * SCALE


def test_with_exactly_two_inputs_the_average_of_the_local_one_is_a_third() -> None:
    price, inputs = computed(sources("100", "102", "101.5", binance="120"))
    assert inputs == {"LOCAL": "101.5", "EXTERNAL": "120.0", "LOCAL_AVERAGE": "101.5"}
    assert price == "101.5"
    price, inputs = computed(sources("100", "102", "101.5", oracle="90"))
    assert inputs == {"ORACLE": "101.0", "LOCAL": "101.5", "LOCAL_AVERAGE": "101.5"}
    assert price == "101.5"


def test_the_average_stands_in_although_the_node_tells_nothing_any_more() -> None:
    formula = MarkFormula(PERP)
    formula.inputs(sources("100", "102", "101.5", oracle="90"), START_NS)
    inputs = formula.inputs(sources(oracle="91", binance="120"), START_NS + 20 * SECOND_NS)
    assert {each.kind.name: format_e12(each.price_e12) for each in inputs} == {
        "ORACLE": "102.0",
        "EXTERNAL": "120.0",
        "LOCAL_AVERAGE": "101.5",
    }
    inputs = formula.inputs(sources(oracle="91", binance="120"), START_NS + 40 * SECOND_NS)
    assert [each.kind for each in inputs] == [InputKind.ORACLE, InputKind.EXTERNAL]
    assert mark_price(inputs, PERP, 5) == 111 * SCALE
    inputs = formula.inputs(sources(oracle="91", binance="120"), START_NS + 151 * SECOND_NS)
    assert [each.kind for each in inputs] == [InputKind.EXTERNAL]


def test_one_input_is_the_mark_and_none_is_none() -> None:
    assert computed(sources(bybit="84148.04")) == ("84148.0", {"EXTERNAL": "84148.04"})
    assert computed(sources("84143")) == ("84143.0", {"LOCAL": "84143.0"})
    assert computed(sources(oracle="84143")) == ("", {})
    assert computed(sources()) == ("", {})


@pytest.mark.parametrize("kind", [MarketKind.BUILDER_PERP, MarketKind.SPOT, MarketKind.OUTCOME])
def test_a_market_that_is_no_perp_of_the_main_dex_has_the_local_mark(kind: MarketKind) -> None:
    known = sources("100", "102", "101.5", oracle="90", binance="120")
    assert computed(known, kind) == ("101.5", {"LOCAL": "101.5"})
    assert computed(sources(oracle="90", binance="120"), kind) == ("", {})


SIDES = st.one_of(st.just(""), st.integers(1, 10**8).map(lambda price: format_e12(price * 10**8)))


@given(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES, SIDES, SIDES), min_size=1, max_size=12))
def test_every_mark_is_the_naive_models(moments: list[tuple[str, str, str, str, str, str]]) -> None:
    formula = MarkFormula(PERP)
    premiums: list[tuple[float, int]] = []
    locals_: list[tuple[float, int]] = []
    for second, moment in enumerate(moments):
        bid, ask, last, oracle, binance, bybit = moment
        others = {name: mid for name, mid in (("binance", binance), ("bybit", bybit)) if mid}
        inputs = formula.inputs(sources(bid, ask, last, oracle, **others), START_NS + second * SECOND_NS)
        expected = []
        if oracle:
            if bid and ask:
                premiums.append(((float(bid) + float(ask)) / 2 - float(oracle), second))
            if premiums:
                expected.append(max(0.0, float(oracle) + naive_average(premiums, second, PREMIUM_SECONDS)))
        local = sorted(float(price) for price in (bid, ask, last) if price)
        if local:
            expected.append((local[(len(local) - 1) // 2] + local[len(local) // 2]) / 2)
            locals_.append((expected[-1], second))
        if others:
            expected.append(float(binance or bybit))
        if len(expected) == 2 and locals_:
            expected.append(naive_average(locals_, second, LOCAL_SECONDS))
        assert [each.price_e12 / SCALE for each in inputs] == pytest.approx(expected, rel=1e-9, abs=1e-7)


def naive_average(samples: list[tuple[float, int]], now: int, tau: float) -> float:
    """Each sample weighs what it has lasted, less by its age."""
    weights = []
    for number, (_, second) in enumerate(samples):
        lasted = second - samples[number - 1][1] if number else 1
        weights.append(lasted * exp(-(now - second) / tau))
    return sum(value * weight for (value, _), weight in zip(samples, weights, strict=True)) / sum(weights)


# --- what the venue allows as a price ---


@pytest.mark.parametrize(
    ("price", "kind", "size_decimals", "expected"),
    [
        ("84145.98", PERP, 5, "84146.0"),
        ("1234.56", PERP, 2, "1234.6"),
        ("1234.54", PERP, 2, "1234.5"),
        ("123456.7", PERP, 0, "123457.0"),
        ("0.0012344", PERP, 0, "0.001234"),
        ("0.0012345", PERP, 0, "0.001235"),
        ("0.0123446", PERP, 1, "0.01234"),
        ("0.0123456", PERP, None, "0.012346"),
        ("12.345678", PERP, 5, "12.3"),
        ("0.000012345678", MarketKind.SPOT, 0, "0.00001235"),
        ("9.99996", PERP, 0, "10.0"),
        ("0.0000001", PERP, 0, "0.000001"),
        ("3.0", PERP, 6, "3.0"),
    ],
)
def test_a_mark_is_rounded_to_a_price_that_the_venue_allows(
    price: str, kind: MarketKind, size_decimals: int | None, expected: str
) -> None:
    assert format_e12(allowed_price(parse_e12(price), kind, size_decimals)) == expected


@given(PRICES, st.sampled_from([PERP, MarketKind.SPOT]), st.integers(0, 8))
def test_a_rounded_price_keeps_the_venues_rule_and_is_the_nearest(
    price_e12: int, kind: MarketKind, size_decimals: int
) -> None:
    rounded = allowed_price(price_e12, kind, size_decimals)
    text = format_e12(rounded)
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    places = max(0, (8 if kind is MarketKind.SPOT else 6) - size_decimals)
    assert len(fraction) <= places
    assert not fraction or len((whole + fraction).lstrip("0")) <= 5
    step = 10 ** max(12 - places, min(12, len(str(price_e12)) - 5))
    assert rounded > 0
    assert abs(rounded - price_e12) <= step / 2 or (rounded == step and price_e12 < step)


def test_the_difference_is_in_hundredths_of_a_percent() -> None:
    assert difference_basis_points(101 * SCALE, 100 * SCALE) == 100.0
    assert difference_basis_points(parse_e12("84146"), parse_e12("84148")) == -0.2377
    assert difference_basis_points(5, 0) is None
