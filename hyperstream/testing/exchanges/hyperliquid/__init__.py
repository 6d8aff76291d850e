"""A fake Hyperliquid: the public WebSocket channels, and POST /info.

subscriptions  objects, defaults, what is fatal      session   one client
topics         what each channel says, and when      payloads  the JSON
info           questions and answers                 limits    limits and cadences
exchange       holds it together
"""

from hyperstream.testing.exchanges.hyperliquid.exchange import FakeHyperliquid
from hyperstream.testing.exchanges.hyperliquid.limits import CADENCES, LIMITS, Cadences, HyperliquidLimits

__all__ = ["CADENCES", "LIMITS", "Cadences", "FakeHyperliquid", "HyperliquidLimits"]
