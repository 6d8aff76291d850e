"""A fake Bybit v5: public linear and spot sockets, and the market REST.

session   one client, acknowledgements, refusals      topics    what each topic says, and when
windows   the best N levels and their changes         payloads  the JSON
rest      books, instruments, klines                  limits    the documented ones
exchange  holds it together
"""

from hyperstream.testing.exchanges.bybit.exchange import FakeBybit
from hyperstream.testing.exchanges.bybit.limits import LIMITS, BybitLimits
from hyperstream.testing.exchanges.bybit.payloads import LINEAR, SPOT

__all__ = ["LIMITS", "LINEAR", "SPOT", "BybitLimits", "FakeBybit"]
