"""Answers of the info server about what is listed, consistent with the exchange's markets."""

import zlib
from typing import TYPE_CHECKING, Any

from hyperstream.testing.listings import DEX, PERP, SPOT, MarketSpec, spot_index, spot_token

if TYPE_CHECKING:
    from hyperstream.testing.node import FakeNode


def answer(node: "FakeNode", question: dict[str, Any]) -> object:
    """Return the answer to a question, or None when a node would not understand it."""
    match question:
        case {"type": "exchangeStatus"}:
            return {"time": node.block_time_ns // 1_000_000, "specialStatuses": None}
        case {"type": "meta", "dex": str(dex)} if dex:
            return perp_meta(node.specs, dex) if dex in dexes(node.specs) else None
        case {"type": "meta"}:
            return perp_meta(node.specs, None)
        case {"type": "spotMeta"}:
            return spot_meta(node.specs)
        case {"type": "perpDexs"}:
            return [None, *(dex_entry(name) for name in dexes(node.specs))]
    return None


def dexes(specs: tuple[MarketSpec, ...]) -> list[str]:
    """Return the HIP-3 dexes in listing order; their asset ids follow from it."""
    return list(dict.fromkeys(spec.dex for spec in specs if spec.dex is not None))


def perp_meta(specs: tuple[MarketSpec, ...], dex: str | None) -> dict[str, Any]:
    """Return the universe of the main perpetuals or of one dex; a position is an asset id.

    The main universe ends with a delisted coin, as the real one keeps its dead.
    """
    kind = PERP if dex is None else DEX
    universe: list[dict[str, Any]] = [
        {"name": spec.symbol, "szDecimals": spec.sz_decimals, "maxLeverage": 20, "marginTableId": 20}
        for spec in specs
        if spec.kind == kind and spec.dex == dex
    ]
    if dex is None and not any(entry["name"] == "MATIC" for entry in universe):
        delisted = {
            "name": "MATIC",
            "szDecimals": 1,
            "maxLeverage": 20,
            "marginTableId": 20,
            "isDelisted": True,
        }
        universe.append(delisted)
    tables = [[20, {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 20}]}]]
    return {"universe": universe, "marginTables": tables, "collateralToken": 0}


def spot_meta(specs: tuple[MarketSpec, ...]) -> dict[str, Any]:
    """Return tokens and pairs; a pair's coin name is ``@index``, but index 0 is ``PURR/USDC``."""
    pairs = sorted((spot_index(spec.symbol), spec) for spec in specs if spec.kind == SPOT)
    tokens = [_token("USDC", 8, 0)]
    universe = []
    for index, spec in pairs:
        tokens.append(_token(spot_token(index), spec.sz_decimals, index + 1))
        universe.append(
            {"name": spec.symbol, "tokens": [index + 1, 0], "index": index, "isCanonical": index == 0}
        )
    return {"tokens": tokens, "universe": universe}


def dex_entry(name: str) -> dict[str, Any]:
    """Return what ``perpDexs`` says of a dex."""
    return {"name": name, "fullName": name.upper(), "deployer": f"0x{zlib.crc32(name.encode()):040x}"}


def _token(name: str, decimals: int, index: int) -> dict[str, Any]:
    return {
        "name": name,
        "szDecimals": decimals,
        "weiDecimals": 8,
        "index": index,
        "tokenId": f"0x{zlib.crc32(name.encode()):032x}",
        "isCanonical": index < 2,
        "evmContract": None,
        "fullName": None,
        "deployerTradingFeeShare": "0.0",
    }
