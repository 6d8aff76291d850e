"""What the servers of the fan-out benchmark send: one market's book delta of about 500 bytes."""

import time

from attrs import define, field

from benchmarks.material import fake_material, load_snapshot, make_engine
from hyperstream.engine.engine import Engine
from hyperstream.hub.directory import BookVariant
from hyperstream.hub.topic import Topic
from hyperstream.market.level import Level
from hyperstream.market.updates import BlockStamp, BookDelta, MarketName
from hyperstream.testing import PRESETS

SYMBOL = "BTC"
PAYLOAD_BYTES = 500
DEPTH = 50


@define(eq=False)
class Payload:
    """An engine with books, the topic that subscribers follow, and deltas for it.

    A delta has as many of the book's levels as make PAYLOAD_BYTES; its publish time is the wall clock, its
    height the number of the message.
    """

    engine: Engine = field(init=False)
    topic: Topic = field(init=False)
    _name: MarketName = field(init=False)
    _bids: list[Level] = field(init=False)
    _asks: list[Level] = field(init=False)

    def __attrs_post_init__(self) -> None:
        material = fake_material("by_block", PRESETS["quiet"], 1, 1)
        self.engine = make_engine("by_block")
        load_snapshot(self.engine, material.snapshot)
        market = self.engine.find_symbol(SYMBOL)
        assert market is not None  # the fake node's first market
        self._name = market.name
        self.topic = market.book_stream(BookVariant(DEPTH))
        for levels in range(1, DEPTH):
            self._bids = list(market.book.bids.best_first(levels))
            self._asks = list(market.book.asks.best_first(levels))
            if len(self.topic.wire_format.encode(self.delta(1))) >= PAYLOAD_BYTES:
                break

    def delta(self, number: int) -> BookDelta:
        """Return the delta with this number, stamped now."""
        now_ns = time.time_ns()
        topic = self.topic
        stamp = BlockStamp(number, now_ns, now_ns, now_ns, now_ns)
        return BookDelta(
            self._name, topic.epoch, topic.sequence + 1, stamp, False, self._bids, self._asks, (), ()
        )
