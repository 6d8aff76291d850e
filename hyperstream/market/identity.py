"""What a node's symbol says about a market by itself.

``BTC`` is a perpetual of the main dex, ``@107`` and ``PURR/USDC`` are spot pairs, ``xyz:XYZ100`` is a
perpetual of a builder's dex (HIP-3), ``#1230`` an outcome market (HIP-4). The asset index of spot and
outcome markets follows from the symbol; that of perpetuals only from the venue's meta. Source:
Hyperliquid's documentation, "Asset IDs".
"""

from enum import Enum

SPOT_BASE = 10_000
OUTCOME_BASE = 100_000_000
FIRST_SPOT = "PURR/USDC"


class MarketKind(Enum):
    """What is traded."""

    PERP = "perp"
    SPOT = "spot"
    BUILDER_PERP = "builder perp"
    OUTCOME = "outcome"


def market_kind(symbol: str) -> MarketKind:
    """What kind of market the symbol names."""
    if symbol.startswith("@") or "/" in symbol:
        return MarketKind.SPOT
    if symbol.startswith("#"):
        return MarketKind.OUTCOME
    if ":" in symbol:
        return MarketKind.BUILDER_PERP
    return MarketKind.PERP


def asset_index(symbol: str) -> int | None:
    """The venue's asset index where the symbol tells it; None for perpetuals."""
    if symbol == FIRST_SPOT:
        return SPOT_BASE
    number = symbol[1:]
    if number.isdecimal() and number.isascii() and len(number) < 10:
        if symbol[0] == "@":
            return SPOT_BASE + int(number)
        if symbol[0] == "#":
            return OUTCOME_BASE + int(number)
    return None
