"""Which markets are listed, and what the venue's tick rule says about their prices."""

import pytest

from hyperstream.errors import ConfigurationError
from hyperstream.market.decimals import parse_e8
from hyperstream.testing.listings import DEX, PERP, SPOT, choose_markets, market_spec


@pytest.mark.parametrize(
    ("symbol", "price", "tick"),
    [
        ("BTC", "81311.0", "1.0"),  # five significant figures
        ("BTC", "9999.9", "0.1"),
        ("BTC", "123456.0", "1.0"),  # integers are always valid
        ("ETH", "2393.9", "0.1"),
        ("ETH", "99.12", "0.01"),  # 6 - szDecimals
        ("kPEPE", "0.0091243", "0.000001"),
        ("PURR/USDC", "0.21418", "0.00001"),
        ("PURR/USDC", "0.00002", "0.00000001"),  # 8 - szDecimals
    ],
)
def test_the_tick_follows_significant_figures_and_decimals(symbol: str, price: str, tick: str) -> None:
    assert market_spec(symbol).tick_e8(parse_e8(price)) == parse_e8(tick)


@pytest.mark.parametrize("count", [1, 8, 100, 600])
def test_a_mix_has_so_many_different_markets(count: int) -> None:
    specs = choose_markets(count)
    assert len({spec.symbol for spec in specs}) == count
    assert all(spec.is_valid_price(spec.start_price_e8) for spec in specs)


def test_eight_markets_are_of_every_kind_and_two_dexes() -> None:
    specs = choose_markets(8)
    assert {spec.kind for spec in specs} == {PERP, SPOT, DEX}
    assert {spec.dex for spec in specs} == {None, "xyz", "flx"}
    assert {"PURR/USDC", "@107", "BTC"} <= {spec.symbol for spec in specs}


def test_named_markets_are_exactly_those() -> None:
    symbols = ["xyz:XYZ100", "BTC", "@1", "NEWCOIN"]
    assert [spec.symbol for spec in choose_markets(symbols)] == symbols


@pytest.mark.parametrize("markets", [["A/B"], ["BTC", "BTC"], [], 0, ["bad name"], ["@0"]])
def test_an_impossible_listing_is_refused(markets: int | list[str]) -> None:
    with pytest.raises(ConfigurationError):
        choose_markets(markets)
