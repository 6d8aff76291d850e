"""What symbols tell by themselves."""

import pytest

from hyperstream.market.identity import MarketKind, asset_index, market_kind


@pytest.mark.parametrize(
    ("symbol", "kind", "index"),
    [
        ("BTC", MarketKind.PERP, None),
        ("kPEPE", MarketKind.PERP, None),
        ("PURR/USDC", MarketKind.SPOT, 10_000),
        ("@107", MarketKind.SPOT, 10_107),
        ("xyz:XYZ100", MarketKind.BUILDER_PERP, None),
        ("#1230", MarketKind.OUTCOME, 100_001_230),
        ("@", MarketKind.SPOT, None),
        ("@x", MarketKind.SPOT, None),
        ("@٣", MarketKind.SPOT, None),
        ("", MarketKind.PERP, None),
    ],
)
def test_kind_and_index(symbol: str, kind: MarketKind, index: int | None) -> None:
    assert market_kind(symbol) is kind
    assert asset_index(symbol) == index
