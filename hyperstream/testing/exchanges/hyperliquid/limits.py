"""Hyperliquid's limits per address and its cadences, with what was documented or measured as defaults."""

from attrs import frozen


@frozen(kw_only=True)
class HyperliquidLimits:
    """Limits; 0 switches one off."""

    sockets: int = 10
    new_sockets_per_minute: int = 30
    subscriptions: int = 1_000
    messages_per_minute: int = 2_000
    weight_per_minute: int = 1_200
    idle_seconds: float = 60.0  # the server has said nothing for so long: the socket is closed
    fatal_seconds: float = 0.1  # between a subscription to nothing and the end of the socket


@frozen(kw_only=True)
class Cadences:
    """How often things are told, in milliseconds of the venue's clock."""

    book_ms: int = 5_400
    fast_book_ms: int = 540
    all_mids_ms: int = 5_050
    context_ms: int = 1_000
    candle_ms: int = 600


LIMITS = HyperliquidLimits()
CADENCES = Cadences()
