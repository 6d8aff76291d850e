"""What a client asks to subscribe to: checked, and spelled out as the venue echoes it.

``{"type":"l2Book","coin":"BTC"}`` is echoed with its defaults:
``{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}``.
Two requests with the same echo are the same subscription.

Ours beside the venue's: ``coins`` (a list, or ``"*"``) in the place of ``coin``; ``delivery`` (a delivery
contract); ``provenance`` (where each update comes from, and what was lost); ``resume`` (where an earlier
connection stood).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import field, frozen

from hyperstream.errors import HyperstreamError
from hyperstream.hub.delivery import Contract
from hyperstream.market.aggregation import Aggregation
from hyperstream.market.candles import INTERVALS
from hyperstream.market.updates import ResumePoint

DEFAULT_LEVELS = 20
FAST_LEVELS = 5
MAX_LEVELS = 100
EVERY_COIN = "*"
MAX_COIN_LETTERS = 64

L2_BOOK, BBO, TRADES, L4_BOOK, CANDLE = "l2Book", "bbo", "trades", "l4Book", "candle"
ALL_MIDS, ASSET_CONTEXT = "allMids", "activeAssetCtx"
KINDS = (L2_BOOK, BBO, TRADES, L4_BOOK, CANDLE, ALL_MIDS, ASSET_CONTEXT)

_ANY = frozenset(Contract)
_CONTRACTS: Mapping[str, tuple[Contract, frozenset[Contract]]] = {
    L2_BOOK: (Contract.CONFLATE, _ANY),
    BBO: (Contract.CONFLATE, _ANY),
    TRADES: (Contract.LOSSLESS, frozenset({Contract.LOSSLESS, Contract.RESYNC})),
    L4_BOOK: (Contract.LOSSLESS, frozenset({Contract.LOSSLESS})),
    CANDLE: (Contract.CONFLATE, _ANY),
    ALL_MIDS: (Contract.CONFLATE, _ANY),
    ASSET_CONTEXT: (Contract.CONFLATE, _ANY),
}


class SubscriptionFault(HyperstreamError):
    """A subscription is well-formed and cannot be served; the message says why."""


class ShapeFault(HyperstreamError):
    """A message is none of those that the venue knows."""


@frozen
class Asked:
    """One subscription. ``echo`` is how the venue spells it, and what it is known by."""

    kind: str
    coins: tuple[str, ...]
    is_every: bool
    echo: bytes
    contract: Contract
    tells: bool
    depth: int = 0
    aggregation: Aggregation | None = None
    interval: str = ""
    dex: str = ""
    resume: Mapping[str, ResumePoint] = field(factory=dict)


def read_subscription(value: object) -> Asked:
    """Check a subscription object. Raises ShapeFault or SubscriptionFault."""
    if not isinstance(value, dict):
        raise ShapeFault("a subscription is an object")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ShapeFault("a subscription has a type")
    read = _READERS.get(kind)
    if read is None:
        raise SubscriptionFault(f"there is no type {kind[:40]!r} here; there are {', '.join(KINDS)}")
    echo: dict[str, object] = {"type": kind}
    rest = read(value, echo)
    contract, tells, resume = _ours(kind, value, echo)
    return Asked(kind=kind, echo=orjson.dumps(echo), contract=contract, tells=tells, resume=resume, **rest)


def _coins(value: dict[str, Any], echo: dict[str, object]) -> dict[str, Any]:
    """The markets named."""
    if "coins" in value:
        coins = value["coins"]
        if "coin" in value:
            raise SubscriptionFault("name either coin or coins")
        echo["coins"] = coins
        if coins == EVERY_COIN:
            return {"coins": (), "is_every": True}
        if not isinstance(coins, list) or not coins or not all(_is_coin(coin) for coin in coins):
            raise SubscriptionFault('coins must be a list of coins, or "*" for every one')
        return {"coins": tuple(dict.fromkeys(coins)), "is_every": False}
    coin = value.get("coin")
    if not _is_coin(coin):
        raise ShapeFault("a coin is a string")
    echo["coin"] = coin
    return {"coins": (coin,), "is_every": False}


def _is_coin(coin: object) -> bool:
    return isinstance(coin, str) and 0 < len(coin) <= MAX_COIN_LETTERS


def _plain(value: dict[str, Any], echo: dict[str, object]) -> dict[str, Any]:
    return _coins(value, echo)


def _l2_book(value: dict[str, Any], echo: dict[str, object]) -> dict[str, Any]:
    chosen = _coins(value, echo)
    figures, mantissa = _number(value, "nSigFigs"), _number(value, "mantissa")
    echo["nSigFigs"], echo["mantissa"] = figures, mantissa
    levels = _number(value, "nLevels")
    fast = value.get("fast")
    if fast is not None and not isinstance(fast, bool):
        raise ShapeFault("fast is true or false")
    if levels is not None:
        echo["nLevels"] = levels
    if levels is not None and not 1 <= levels <= MAX_LEVELS:
        raise SubscriptionFault(f"nLevels must be from 1 to {MAX_LEVELS}, not {levels}")
    echo["fast"] = bool(fast)
    depth = levels or (FAST_LEVELS if fast else DEFAULT_LEVELS)
    return {**chosen, "depth": depth, "aggregation": aggregation_of(figures, mantissa)}


def aggregation_of(figures: int | None, mantissa: int | None) -> Aggregation | None:
    """The aggregation that nSigFigs and mantissa name. Raises SubscriptionFault."""
    if figures is None:
        if mantissa is not None:
            raise SubscriptionFault("mantissa is only possible with nSigFigs 5")
        return None
    if not 2 <= figures <= 5:
        raise SubscriptionFault(f"nSigFigs must be 2, 3, 4 or 5, not {figures}")
    if mantissa is not None and (figures != 5 or mantissa not in (1, 2, 5)):
        raise SubscriptionFault(f"mantissa must be 1, 2 or 5, with nSigFigs 5, not {mantissa}")
    return Aggregation(figures, mantissa or 1)


def _candle(value: dict[str, Any], echo: dict[str, object]) -> dict[str, Any]:
    chosen = _coins(value, echo)
    interval = value.get("interval")
    if not isinstance(interval, str):
        raise ShapeFault("an interval is a string")
    if interval not in INTERVALS:
        raise SubscriptionFault(f"there is no interval {interval[:10]!r}; there are {', '.join(INTERVALS)}")
    echo["interval"] = interval
    return {**chosen, "interval": interval}


def _all_mids(value: dict[str, Any], echo: dict[str, object]) -> dict[str, Any]:
    dex = value.get("dex")
    if dex is not None and not isinstance(dex, str):
        raise ShapeFault("a dex is a string")
    if dex is not None:
        echo["dex"] = dex
    return {"coins": (), "is_every": False, "dex": dex or ""}


_READERS: Mapping[str, Callable[[dict[str, Any], dict[str, object]], dict[str, Any]]] = {
    L2_BOOK: _l2_book,
    BBO: _plain,
    TRADES: _plain,
    L4_BOOK: _plain,
    CANDLE: _candle,
    ALL_MIDS: _all_mids,
    ASSET_CONTEXT: _plain,
}


def _number(value: dict[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if type(number) is not int or number < 0:
        raise ShapeFault(f"{name} is a whole number")
    return number


def _ours(
    kind: str, value: dict[str, Any], echo: dict[str, object]
) -> tuple[Contract, bool, dict[str, ResumePoint]]:
    """What is asked for beyond the venue's own: the contract, whether to tell, where to resume."""
    contract, possible = _CONTRACTS[kind]
    tells = False
    if "delivery" in value:
        contract = _contract(value["delivery"], possible)
        echo["delivery"] = value["delivery"]
        tells = True
    if "provenance" in value:
        if not isinstance(value["provenance"], bool):
            raise SubscriptionFault("provenance must be true or false")
        echo["provenance"] = value["provenance"]
        tells = tells or value["provenance"]
    resume: dict[str, ResumePoint] = {}
    if "resume" in value:
        resume = _resume(value["resume"])
        tells = True
    return contract, tells, resume


def _contract(name: object, possible: frozenset[Contract]) -> Contract:
    for contract in possible:
        if name == contract.value:
            return contract
    names = ", ".join(sorted(contract.value for contract in possible))
    raise SubscriptionFault(f"delivery must be one of {names}")


def _resume(value: object) -> dict[str, ResumePoint]:
    """``{"BTC":{"epoch":…,"sequence":…}}``, as notices and provenance tell it."""
    text = 'resume must be {"COIN":{"epoch":NUMBER,"sequence":NUMBER}}'
    if not isinstance(value, dict):
        raise SubscriptionFault(text)
    points = {}
    for coin, point in value.items():
        try:
            epoch, sequence = point["epoch"], point["sequence"]
        except (KeyError, TypeError) as exc:
            raise SubscriptionFault(text) from exc
        if type(epoch) is not int or type(sequence) is not int or epoch < 0 or sequence < 0:
            raise SubscriptionFault(text)
        points[coin] = ResumePoint(coin, epoch, sequence)
    return points
