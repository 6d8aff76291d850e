"""What other venues call a coin's perpetual, and in which unit they price it."""

from __future__ import annotations

import pytest

from hyperstream.market.perp_symbols import perp_names
from hyperstream.market.venue_decimals import parse_e12


def found(coin: str, *listed: str) -> tuple[str, str] | None:
    """The first name that is listed, and what its price of 0.012 is in Hyperliquid's unit."""
    name = next((name for name in perp_names(coin) if name.symbol in listed), None)
    return (name.symbol, str(name.scaled(parse_e12("0.012")) / 10**12)) if name is not None else None


@pytest.mark.parametrize(
    ("coin", "listed", "expected"),
    [
        ("BTC", ("BTCUSDT", "BTCUSDC", "1000BTCUSDT"), ("BTCUSDT", "0.012")),
        ("kPEPE", ("1000PEPEUSDT",), ("1000PEPEUSDT", "0.012")),
        ("kSHIB", ("SHIB1000USDT",), ("SHIB1000USDT", "0.012")),
        ("kPEPE", ("PEPEUSDT", "10000PEPEUSDT"), ("PEPEUSDT", "12.0")),
        ("kPEPE", ("10000PEPEUSDT",), ("10000PEPEUSDT", "0.0012")),
        ("MOG", ("1000000MOGUSDT",), ("1000000MOGUSDT", "1.2e-08")),
        ("kPEPE", ("KPEPEUSDT", "kPEPEUSDT"), None),
        ("kaito", ("kaitoUSDT",), ("kaitoUSDT", "0.012")),
        ("NOPE", ("BTCUSDT",), None),
    ],
)
def test_a_coin_is_found_under_the_venues_name_and_in_its_unit(
    coin: str, listed: tuple[str, ...], expected: tuple[str, str] | None
) -> None:
    assert found(coin, *listed) == expected


def test_a_name_in_the_same_unit_comes_before_others() -> None:
    assert found("kBONK", "BONKUSDT", "1000BONKUSDT") == ("1000BONKUSDT", "0.012")
    assert found("BONK", "BONKUSDT", "1000BONKUSDT") == ("BONKUSDT", "0.012")
