"""What a client asked for, checked: every wrong field is named, with what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NoReturn, Protocol

from attrs import frozen
from google.rpc.error_details_pb2 import BadRequest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import BookVariant, MarketDirectory, PublishedMarket
from hyperstream.market.aggregation import Aggregation
from hyperstream.market.updates import ResumePoint
from hyperstream.v1 import common_pb2

DEFAULT_DEPTH = 50
MAX_DEPTH = 1000
MAX_HEARTBEAT_SECONDS = 3600
EVERY_MARKET = "*"

_CONTRACTS: dict[int, Contract] = {
    common_pb2.DELIVERY_CONTRACT_LOSSLESS: Contract.LOSSLESS,
    common_pb2.DELIVERY_CONTRACT_RESYNC: Contract.RESYNC,
    common_pb2.DELIVERY_CONTRACT_CONFLATE: Contract.CONFLATE,
}


class NamesMarkets(Protocol):
    """A request that names markets."""

    @property
    def market_ids(self) -> Iterable[int]:
        """Asset indices."""

    @property
    def symbols(self) -> Iterable[str]:
        """Symbols of the node."""


class HasBookShape(Protocol):
    """A request that says how a book is to look."""

    depth: int
    significant_figures: int
    mantissa: int


@frozen
class Chosen:
    """The markets a request names; ``is_every`` includes those that appear later."""

    markets: tuple[PublishedMarket, ...]
    is_every: bool


def refuse(field: str, sentence: str) -> NoReturn:
    """Answer INVALID_ARGUMENT, naming the field."""
    details = BadRequest(field_violations=[BadRequest.FieldViolation(field=field, description=sentence)])
    raise GRPCError(Status.INVALID_ARGUMENT, f"{field}: {sentence}", [details])


def require_ready(directory: MarketDirectory) -> None:
    """Answer UNAVAILABLE while the books are not loaded yet."""
    if not directory.is_ready:
        raise GRPCError(Status.UNAVAILABLE, "the books are still being loaded; try again in a few seconds")


def choose_markets(request: NamesMarkets, directory: MarketDirectory) -> Chosen:
    """The markets named; raises NOT_FOUND for an unknown one, INVALID_ARGUMENT if none is named."""
    require_ready(directory)
    symbols = list(request.symbols)
    identifiers = list(request.market_ids)
    if not symbols and not identifiers:
        refuse("symbols", f'name at least one market in symbols or market_ids, or "{EVERY_MARKET}" for all')
    if EVERY_MARKET in symbols:
        return Chosen(tuple(directory.all_markets()), is_every=True)
    chosen: dict[str, PublishedMarket] = {}
    for identifier in identifiers:
        market = directory.find_id(identifier)
        if market is None:
            raise GRPCError(
                Status.NOT_FOUND, f"no market has the id {identifier}; GetMarkets lists those there are"
            )
        chosen[market.name.symbol] = market
    for symbol in symbols:
        market = directory.find_symbol(symbol)
        if market is None:
            raise GRPCError(Status.NOT_FOUND, _unknown(symbol, directory))
        chosen[symbol] = market
    return Chosen(tuple(chosen.values()), is_every=False)


def choose_one(request: NamesMarkets, directory: MarketDirectory) -> PublishedMarket:
    """The one market named."""
    chosen = choose_markets(request, directory)
    if chosen.is_every or len(chosen.markets) != 1:
        refuse("symbols", "name exactly one market; SubscribeOrderbook takes several")
    return chosen.markets[0]


def _unknown(symbol: str, directory: MarketDirectory) -> str:
    known = {market.name.symbol.lower(): market.name.symbol for market in directory.all_markets()}
    close = difflib.get_close_matches(symbol.lower()[:64], known, n=1, cutoff=0.5)
    hint = f"did you mean {known[close[0]]!r}?" if close else "GetMarkets lists those there are"
    return f"no market is called {symbol[:64]!r}; {hint}"


def book_variant(request: HasBookShape, *, snapshots_only: bool = False) -> BookVariant:
    """The depth and aggregation asked for."""
    depth = request.depth or DEFAULT_DEPTH
    if depth > MAX_DEPTH:
        refuse("depth", f"must be from 1 to {MAX_DEPTH}, not {depth}")
    figures, mantissa = request.significant_figures, request.mantissa
    if not figures:
        if mantissa:
            refuse("mantissa", "is only possible with significant_figures 5")
        return BookVariant(depth, None, snapshots_only)
    if not 2 <= figures <= 5:
        refuse("significant_figures", f"must be 2, 3, 4 or 5, not {figures}")
    if mantissa not in (0, 2, 5):
        refuse("mantissa", f"must be 2 or 5, or left out, not {mantissa}")
    if mantissa and figures != 5:
        refuse("mantissa", "is only possible with significant_figures 5")
    return BookVariant(depth, Aggregation(figures, mantissa or 1), snapshots_only)


def choose_contract(value: int, default: Contract, possible: frozenset[Contract]) -> Contract:
    """The delivery contract asked for, if this call can keep it."""
    if value == common_pb2.DELIVERY_CONTRACT_UNSPECIFIED:
        return default
    contract = _CONTRACTS.get(value)
    if contract is None or contract not in possible:
        names = ", ".join(sorted(each.name for each in possible))
        asked = contract.name if contract is not None else str(value)
        refuse("delivery", f"{asked} is not possible for this call; choose one of {names}")
    return contract


def heartbeat_seconds(value: int) -> int:
    """The heartbeat asked for; 0 is none."""
    if value > MAX_HEARTBEAT_SECONDS:
        refuse("heartbeat_seconds", f"must be at most {MAX_HEARTBEAT_SECONDS}, not {value}")
    return value


def resume_points(points: Iterable[common_pb2.ResumePoint]) -> dict[str, ResumePoint]:
    """The resume points by symbol."""
    return {point.symbol: ResumePoint(point.symbol, point.epoch, point.sequence) for point in points}
