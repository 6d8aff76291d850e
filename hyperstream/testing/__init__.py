"""Fakes of a node and of exchanges: shipped, because whoever reads them needs them too.

    from hyperstream.testing import FakeNode, TornLine

``FakeNode`` (node.py) holds it together:

    listings   which markets there are, their lots and ticks
    matching   one market's matching engine; market adds a wandering price and stops
    exchange   all markets, and the events a block consists of; settlement makes the fills
    truth      the true books, for comparing
    flow       who does what in a block; oddities are the rare things; load says how much
    lines      the node's JSON text; files and writer put it on disk; faults spoil it
    snapshot   the L4 snapshot; info and meta serve it and the listings over HTTP

``FakeBinance``, ``FakeHyperliquid`` and ``FakeBybit`` are in ``exchanges``, and described there.
"""

from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeHyperliquid, Trouble, TroubleRates
from hyperstream.testing.faults import (
    BY_NAME,
    DIVERGENCES,
    Divergence,
    Fault,
    GarbageLine,
    LateLines,
    MissingBlock,
    RecreatedFile,
    RepeatedHeights,
    Rollover,
    Stall,
    TornLine,
    Truncation,
    VanishedFile,
    parse_fault,
)
from hyperstream.testing.info import InfoFaults
from hyperstream.testing.load import BUSY, MAINNET, PRESETS, QUIET, Load, preset
from hyperstream.testing.node import Block, FakeNode
from hyperstream.testing.truth import TrueBook, TrueOrder
from hyperstream.testing.writer import PreparedBlock

__all__ = [
    "BUSY",
    "BY_NAME",
    "DIVERGENCES",
    "MAINNET",
    "PRESETS",
    "QUIET",
    "Block",
    "Divergence",
    "FakeBinance",
    "FakeBybit",
    "FakeHyperliquid",
    "FakeNode",
    "Fault",
    "GarbageLine",
    "InfoFaults",
    "LateLines",
    "Load",
    "MissingBlock",
    "PreparedBlock",
    "RecreatedFile",
    "RepeatedHeights",
    "Rollover",
    "Stall",
    "TornLine",
    "Trouble",
    "TroubleRates",
    "TrueBook",
    "TrueOrder",
    "Truncation",
    "VanishedFile",
    "parse_fault",
    "preset",
]
