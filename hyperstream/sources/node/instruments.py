"""The list of markets, from the info server's ``meta``, ``perpDexs`` and ``spotMeta``.

Asset ids are the venue's ("Asset IDs" in its documentation): a perp's position in ``meta``, a spot
pair's 10000 + index, and 100000 + 10000 per dex + position for the perps of a builder's dex.
"""

from collections.abc import Callable
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
    odd: list[str] = []
    found = read_perps(await info.ask({"type": "meta"}), odd)
    dexes = await _ask_if_known(info, {"type": "perpDexs"}, complaints)
    for index, dex in enumerate(dexes if isinstance(dexes, list) else []):
        name = dex.get("name") if isinstance(dex, dict) else None
        if isinstance(name, str) and name:
            meta = await _ask_if_known(info, {"type": "meta", "dex": name}, complaints)
            if meta is not None:
                found += read_perps(meta, odd, name, DEX_IDS + index * IDS_OF_A_DEX)
    spot = await _ask_if_known(info, {"type": "spotMeta"}, complaints)
    if spot is not None:
        found += read_spot(spot, odd)
    if odd:
        complaints.about(
            "odd members",
            "the info server lists markets that cannot be read; they have no id",
            count=len(odd),
            first=odd[0],
        )
    return found


def read_perps(meta: Any, odd: list[str], dex: str = "", first_id: int = 0) -> list[Instrument]:
    """Return the perps of a ``meta`` answer; a dex's coins are named ``dex:COIN``."""

    def read(position: int, coin: Any) -> Instrument:
        name = coin["name"]
        symbol = name if not dex or ":" in name else f"{dex}:{name}"
        decimals, is_delisted = int(coin["szDecimals"]), bool(coin.get("isDelisted", False))
        return Instrument(symbol, first_id + position, decimals, symbol, is_delisted)

    return _read_each(meta, f"meta {dex}".rstrip(), read, odd)


def read_spot(spot: Any, odd: list[str]) -> list[Instrument]:
    """Return the pairs of a ``spotMeta`` answer; tokens are found by their ``index``, not their position."""
    try:
        tokens = {token["index"]: token for token in spot["tokens"]}
    except (KeyError, TypeError) as exc:
        raise FormatError(f"the info server's spotMeta is not as documented: {exc!r}") from exc

    def read(_position: int, pair: Any) -> Instrument:
        index = pair["index"]
        base, quote = (tokens[number] for number in pair["tokens"])
        symbol = f"@{index}" if index else "PURR/USDC"
        return Instrument(
            symbol, SPOT_IDS + index, int(base["szDecimals"]), f"{base['name']}/{quote['name']}"
        )

    return _read_each(spot, "spotMeta", read, odd)


def _read_each(
    answer: Any, question: str, read: Callable[[int, Any], Instrument], odd: list[str]
) -> list[Instrument]:
    """Read the members of ``universe`` one by one; what cannot be read is put into ``odd``.

    Raises FormatError where none can be read: then it is the answer that is unlike what it was.
    """
    members = answer.get("universe") if isinstance(answer, dict) else None
    if not isinstance(members, list):
        raise FormatError(f"the info server's {question} is not as documented: no list 'universe'")
    found, problems = [], []
    for position, member in enumerate(members):
        try:
            found.append(read(position, member))
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            problems.append(f"{question}[{position}]: {exc!r:.100}: {member!r:.100}")
    if problems and not found:
        raise FormatError(f"the info server's {question} is not as documented: {problems[0]}")
    odd += problems
    return found


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
