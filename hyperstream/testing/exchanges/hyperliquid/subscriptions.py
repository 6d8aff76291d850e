"""Hyperliquid's subscription objects: read strictly, filled with defaults, named.

Two ways of being wrong are told apart as the venue does. What does not parse into a request gets an
error and keeps the socket (``Unparsable``); what parses but asks for something that cannot be, such as
an unknown coin or six significant figures, has the socket closed without a word (``Fatal``).
"""

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import frozen

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M")
SIGNIFICANT_FIGURES = (2, 3, 4, 5)
MANTISSAS = (1, 2, 5)
_FIELDS: dict[str, tuple[str, ...]] = {
    "l2Book": ("coin", "nSigFigs", "mantissa", "fast"),
    "bbo": ("coin",),
    "trades": ("coin",),
    "candle": ("coin", "interval"),
    "allMids": ("dex",),
    "activeAssetCtx": ("coin",),
}
_TYPES: dict[str, type] = {
    "coin": str,
    "interval": str,
    "nSigFigs": int,
    "mantissa": int,
    "fast": bool,
    "dex": str,
}
_OPTIONAL: dict[str, object] = {"nSigFigs": None, "mantissa": None, "fast": False, "dex": None}


class Unparsable(Exception):
    """Not a request at all."""


class Fatal(Exception):
    """A request for something that does not exist."""


@frozen
class Subscription:
    """A subscription as the venue echoes it: ``fields`` with all defaults, in its order."""

    kind: str
    fields: Mapping[str, Any]

    @property
    def coin(self) -> str:
        """The coin, or nothing."""
        return str(self.fields.get("coin", ""))

    @property
    def json(self) -> str:
        """The object as text; also its name."""
        return orjson.dumps({"type": self.kind, **self.fields}).decode()


def parse(value: object) -> Subscription:
    """Read a subscription object. Raises Unparsable."""
    if not isinstance(value, dict) or value.get("type") not in _FIELDS:
        raise Unparsable
    kind = value["type"]
    fields: dict[str, Any] = {}
    for name in _FIELDS[kind]:
        if name not in value and name not in _OPTIONAL:
            raise Unparsable
        given = value.get(name, _OPTIONAL.get(name))
        is_right = type(given) is _TYPES[name] or (name in _OPTIONAL and given is None)
        if not is_right or (name == "interval" and given not in INTERVALS):
            raise Unparsable
        fields[name] = _OPTIONAL[name] if given is None and name == "fast" else given
    return Subscription(kind, fields)


def check_figures(significant_figures: int | None, mantissa: int | None) -> None:
    """Raise Fatal for an aggregation that does not exist."""
    if significant_figures is not None and significant_figures not in SIGNIFICANT_FIGURES:
        raise Fatal(f"nSigFigs {significant_figures}")
    if mantissa is not None and (significant_figures != 5 or mantissa not in MANTISSAS):
        raise Fatal(f"mantissa {mantissa}")
