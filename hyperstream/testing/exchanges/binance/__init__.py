"""A fake Binance: spot and USD-M futures streams, and the REST they need.

control   live commands and their errors      session    one client
streams   names → topics                      topics     what each stream says, and when
payloads  the JSON                            rest       snapshots, listings, klines
limits    the documented ones                 exchange   holds it together
"""

from hyperstream.testing.exchanges.binance.exchange import FUTURES, FakeBinance
from hyperstream.testing.exchanges.binance.limits import FUTURES_LIMITS, SPOT_LIMITS, BinanceLimits
from hyperstream.testing.exchanges.binance.streams import SPOT

__all__ = ["FUTURES", "FUTURES_LIMITS", "SPOT", "SPOT_LIMITS", "BinanceLimits", "FakeBinance"]
