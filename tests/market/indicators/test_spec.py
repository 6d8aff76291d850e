"""What somebody asks for: checked, complete, spelled in one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import IndicatorError
from hyperstream.market.indicators import LONGEST_WARM_UP, IndicatorSpec, catalogue


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("rsi", "rsi(timeperiod=14)"),
        ("rsi:7", "rsi(timeperiod=7)"),
        ("rsi: 7 ", "rsi(timeperiod=7)"),
        ("rsi:7.0", "rsi(timeperiod=7)"),
        ("rsi:timeperiod=7@1m", "rsi(timeperiod=7)@1m"),
        ("rsi(timeperiod=7)@60s", "rsi(timeperiod=7)@1m"),
        ("rsi()", "rsi(timeperiod=14)"),
        ("macd:12,26,9", "macd(fastperiod=12,slowperiod=26,signalperiod=9)"),
        ("macd:5,signalperiod=3", "macd(fastperiod=5,slowperiod=26,signalperiod=3)"),
        ("bbands:20,3", "bbands(timeperiod=20,nbdevup=3,nbdevdn=3,matype=sma)"),
        ("bbands:20,2.5,1.5,ema", "bbands(timeperiod=20,nbdevup=2.5,nbdevdn=1.5,matype=ema)"),
        ("bbands:nbdevup=3", "bbands(timeperiod=20,nbdevup=3,nbdevdn=2,matype=sma)"),
        ("bbands:matype=1", "bbands(timeperiod=20,nbdevup=2,nbdevdn=2,matype=ema)"),
        (
            "stoch:14,1,3@5m",
            "stoch(fastk_period=14,slowk_period=1,slowk_matype=sma,slowd_period=3,slowd_matype=sma)@5m",
        ),
        (
            "stoch:14,3,EMA,3@5m",
            "stoch(fastk_period=14,slowk_period=3,slowk_matype=ema,slowd_period=3,slowd_matype=sma)@5m",
        ),
        ("sar:0.01,0.1@1h", "sar(acceleration=0.01,maximum=0.1)@1h"),
        ("ht_sine@7d", "ht_sine()@7d"),
        ("book_imbalance:5", "book_imbalance(levels=5,decay=0)"),
        ("book_imbalance:decay=-0.0", "book_imbalance(levels=1,decay=0)"),
        ("session_vwap@1m", "session_vwap()@1m"),
    ],
)
def test_a_text_is_read(text: str, key: str) -> None:
    spec = IndicatorSpec.parse(text)
    assert spec.key == str(spec) == key
    assert IndicatorSpec.parse(key) == spec
    assert hash(IndicatorSpec.parse(key)) == hash(spec)


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("", "name", "not an indicator: ''"),
        ("rsj:14", "name", "did you mean rsi"),
        ("RSI:14", "name", "did you mean rsi"),
        ("qqqqqq", "name", "GetInstruments lists"),
        ("mavp", "name", "there is no indicator 'mavp'"),
        ("rsi:1", "parameters.timeperiod", "must be a whole number from 2 to 5000, not '1'"),
        ("rsi:14.5", "parameters.timeperiod", "must be a whole number from 2 to 5000, not '14.5'"),
        ("rsi:timeperiod=x", "parameters.timeperiod", "not 'x'"),
        ("rsi:timeperiod=nan", "parameters.timeperiod", "not 'nan'"),
        ("rsi:timeperiod=-inf", "parameters.timeperiod", "not '-inf'"),
        ("rsi:timeperiod=", "parameters.timeperiod", "not ''"),
        ("rsi:14,14", "parameters", "'14' fits none of those left; rsi has timeperiod"),
        ("rsi:ema", "parameters", "'ema' fits none of those left"),
        ("rsi:period=14", "parameters.period", "rsi has no such parameter; it has timeperiod"),
        ("ht_sine:2", "parameters", "ht_sine has no parameters"),
        ("rsi:timeperiod=14,timeperiod=15", "parameters.timeperiod", "is given twice"),
        ("bbands:matype=abc", "parameters.matype", "must be one of sma, ema, wma"),
        ("bbands:matype=14", "parameters.matype", "must be one of"),
        ("bbands:matype=0.5", "parameters.matype", "must be one of"),
        ("t3:5,1.5", "parameters.vfactor", "must be a number from 0 to 1"),
        ("supertrend:10,-1@1m", "parameters.multiplier", "a number of at least 0"),
        ("stddev:5,1e38", "parameters", "TA-Lib refuses stddev with timeperiod=5, nbdev=1e+38"),
        ("trix:5000", "parameters", "would need 14999 inputs; at most 10000"),
        ("rsi:14@", "interval", "nothing follows the @"),
        ("rsi:14@1M", "interval", "not an interval: '1M'"),
        ("rsi:14@0s", "interval", "not an interval"),
        ("rsi:14@400d", "interval", "longer than 366 days"),
        ("atr:14", "interval", "atr needs high, low, close, which ticks do not have; give one, such as 1m"),
        ("obv", "interval", "obv needs close, volume"),
        ("session_vwap", "interval", "session_vwap needs"),
        ("microprice@1m", "interval", "from the book"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field_and_the_reason(text: str, field: str, says: str) -> None:
    with pytest.raises(IndicatorError) as caught:
        IndicatorSpec.parse(text)
    assert caught.value.field == field
    assert says in caught.value.reason
    assert str(caught.value) == f"{field}: {caught.value.reason}"


@pytest.mark.parametrize(
    "value", [True, None, [14], {}, "9" * 400, 10**400, b"14", 14 + 0j, "1e3e", "٣", object()]
)
def test_a_value_of_any_type_is_read_or_refused(value: object) -> None:
    with pytest.raises(IndicatorError) as caught:
        IndicatorSpec.of("rsi", {"timeperiod": value if value != "٣" else "x٣"})
    assert caught.value.field == "parameters.timeperiod"
    assert len(caught.value.reason) < 200


@pytest.mark.parametrize("value", [20, 20.0, "20", "2e1"])
def test_numbers_are_of_one_type(value: object) -> None:
    spec = IndicatorSpec.of("sma", {"timeperiod": value})
    assert spec.parameters == (("timeperiod", 20),)
    assert type(spec.values["timeperiod"]) is int
    assert type(IndicatorSpec.of("stddev", {"nbdev": value}).values["nbdev"]) is float


def test_whoever_asks_for_the_same_has_the_same() -> None:
    same = {
        IndicatorSpec.of("rsi"),
        IndicatorSpec.of("rsi", {}, ""),
        IndicatorSpec.of("rsi", {"timeperiod": "14"}),
        IndicatorSpec.parse("rsi:14"),
    }
    assert len(same) == 1
    others = {IndicatorSpec.parse(text) for text in ("rsi:15", "rsi:14@1m", "rsi:14@1h", "cmo:14")}
    assert len(same | others) == 5


@given(st.text(max_size=60))
def test_any_text_is_a_specification_or_an_error_of_ours(text: str) -> None:
    try:
        spec = IndicatorSpec.parse(text)
    except IndicatorError:
        return
    assert IndicatorSpec.parse(spec.key) == spec


@given(
    st.sampled_from(["rsi", "bbands", "stoch", "atr", "book_imbalance", "macdext", "sar"]),
    st.lists(
        st.sampled_from(["14", "2.5", "ema", "timeperiod=3", "matype=ema", "-1", "=", "x=y", "", "1e9"]),
        max_size=6,
    ),
    st.sampled_from(["", "@1m", "@", "@x"]),
)
def test_any_list_of_values_is_a_specification_or_an_error_of_ours(
    name: str, values: list[str], end: str
) -> None:
    try:
        spec = IndicatorSpec.parse(f"{name}:{','.join(values)}{end}")
    except IndicatorError as error:
        field = error.field
    else:
        field = "parameters"
        assert IndicatorSpec.parse(spec.key) == spec
    assert field.startswith(("parameters", "interval"))


def test_a_long_text_is_refused_shortly() -> None:
    with pytest.raises(IndicatorError) as caught:
        IndicatorSpec.parse("rsi:" + "1," * 100_000)
    assert len(str(caught.value)) < 300


def test_every_kind_can_be_asked_for_with_nothing_but_its_name() -> None:
    kinds = catalogue()
    for kind in kinds:
        interval = "1m" if kind.needs.value == "bars" else ""
        spec = IndicatorSpec.of(kind.name, None, interval)
        assert spec.kind is kind
        assert IndicatorSpec.parse(spec.key) == spec
        assert 1 <= kind.warm_up(spec.values) <= LONGEST_WARM_UP


def test_the_catalogue_is_sorted_and_says_everything_of_everyone() -> None:
    kinds = catalogue()
    names = [kind.name for kind in kinds]
    assert names == sorted(set(names))
    assert {"sma", "ema", "rsi", "macd", "bbands", "atr", "stoch", "vwap"} <= set(names)
    assert {"book_imbalance", "microprice", "spread", "spread_bps", "order_flow_imbalance"} <= set(names)
    for kind in kinds:
        assert kind.title
        assert kind.group
        assert kind.inputs
        assert len(set(kind.outputs)) == len(kind.outputs) >= 1
        for parameter in kind.parameters:
            assert parameter.allowed
