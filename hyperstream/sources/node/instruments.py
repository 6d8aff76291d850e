"""The list of markets, from the info server's ``meta``, ``perpDexs`` and ``spotMeta``.

Asset ids are the venue's ("Asset IDs" in its documentation): a perp's position in ``meta``, a spot
pair's 10000 + index, and 100000 + 10000 per dex + position for the perps of a builder's dex.
"""

from collections.abc import Iterator
from typing import Any

import structlog

from hyperstream.errors import FormatError
from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.info import InfoClient, InfoError
from hyperstream.wire.node_blocks import Instrument

log = structlog.get_logger("hyperstream.sources.node")

SPOT_IDS = 10_000
DEX_IDS = 100_000
IDS_OF_A_DEX = 10_000


async def ask_instruments(info: InfoClient, complaints: Complaints) -> list[Instrument]:
    """Return every market the info server lists; raises InfoError or FormatError.

    A node that refuses ``perpDexs`` or ``spotMeta`` (HTTP 4xx) still lists its perps: the refusal is
    told once.
    """
    found = list(read_perps(await info.ask({"type": "meta"})))
    dexes = await _ask_if_known(info, {"type": "perpDexs"}, complaints)
    for index, dex in enumerate(dexes if isinstance(dexes, list) else []):
        name = dex.get("name") if isinstance(dex, dict) else None
        if isinstance(name, str) and name:
            meta = await _ask_if_known(info, {"type": "meta", "dex": name}, complaints)
            if meta is not None:
                found += read_perps(meta, name, DEX_IDS + index * IDS_OF_A_DEX)
    spot = await _ask_if_known(info, {"type": "spotMeta"}, complaints)
    if spot is not None:
        found += read_spot(spot)
    return found


def read_perps(meta: Any, dex: str = "", first_id: int = 0) -> Iterator[Instrument]:
    """Yield the perps of a ``meta`` answer; a dex's coins are named ``dex:COIN``."""
    try:
        for position, coin in enumerate(meta["universe"]):
            name = coin["name"]
            symbol = name if not dex or ":" in name else f"{dex}:{name}"
            yield Instrument(
                symbol,
                first_id + position,
                int(coin["szDecimals"]),
                symbol,
                bool(coin.get("isDelisted", False)),
            )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise FormatError(f"the info server's meta {dex} is not as documented: {exc!r}") from exc


def read_spot(spot: Any) -> Iterator[Instrument]:
    """Yield the pairs of a ``spotMeta`` answer; tokens are found by their ``index``, not their position."""
    try:
        tokens = {token["index"]: token for token in spot["tokens"]}
        for pair in spot["universe"]:
            index = pair["index"]
            base, quote = (tokens[number] for number in pair["tokens"])
            symbol = f"@{index}" if index else "PURR/USDC"
            display = f"{base['name']}/{quote['name']}"
            yield Instrument(symbol, SPOT_IDS + index, int(base["szDecimals"]), display)
    except (KeyError, TypeError, ValueError) as exc:
        raise FormatError(f"the info server's spotMeta is not as documented: {exc!r}") from exc


async def _ask_if_known(info: InfoClient, request: dict[str, Any], complaints: Complaints) -> Any:
    try:
        return await info.ask(request)
    except InfoError as exc:
        if not 400 <= exc.status < 500:
            raise
        complaints.about(
            f"refused {request}",
            "the info server refuses a question; some markets have no id",
            error=str(exc),
        )
        return None
