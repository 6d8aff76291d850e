"""Fake exchanges: Binance, Hyperliquid and Bybit as small true implementations, with trouble on request.

    async with FakeBinance(seed=1, symbols=("BTCUSDT",)).serve() as urls: ...

Each lives in a package of its own and knows its venue's language: commands and their answers, errors,
limits, pings, update ids. What they share:

    instruments  ticks, lots, spelling          flow       the seeded market: book, takers, trades
    book, bars   what a market consists of      truth      what is true of it, in the venue's strings
    venue        steps, clients, one port       board      topics, cadences, who follows what
    gate, rest   the way in: HTTP, handshakes   session    one WebSocket; outbox writes it
    trouble      what may go wrong, by call or by chance (strikes, trouble_rates); garbage, frames
"""

from hyperstream.testing.exchanges.bars import Bar, Trade
from hyperstream.testing.exchanges.binance import BinanceLimits, FakeBinance
from hyperstream.testing.exchanges.bybit import BybitLimits, FakeBybit
from hyperstream.testing.exchanges.flow import Activity
from hyperstream.testing.exchanges.garbage import Garbage
from hyperstream.testing.exchanges.hyperliquid import Cadences, FakeHyperliquid, HyperliquidLimits
from hyperstream.testing.exchanges.outbox import How
from hyperstream.testing.exchanges.trouble import Incident, Trouble
from hyperstream.testing.exchanges.trouble_rates import MUCH, NONE, SOME, TroubleRates, trouble_rates
from hyperstream.testing.exchanges.truth import TrueMarket
from hyperstream.testing.exchanges.venue import FakeVenue, Statistics, Urls

__all__ = [
    "MUCH",
    "NONE",
    "SOME",
    "Activity",
    "Bar",
    "BinanceLimits",
    "BybitLimits",
    "Cadences",
    "FakeBinance",
    "FakeBybit",
    "FakeHyperliquid",
    "FakeVenue",
    "Garbage",
    "How",
    "HyperliquidLimits",
    "Incident",
    "Statistics",
    "Trade",
    "Trouble",
    "TroubleRates",
    "TrueMarket",
    "Urls",
    "trouble_rates",
]
