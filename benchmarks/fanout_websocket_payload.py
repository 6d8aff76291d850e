"""What the WebSocket servers of the fan-out send: one block's trades of a market, about 500 bytes of JSON."""

import time

from attrs import define, field

from benchmarks.material import fake_material, load_snapshot, make_engine
from hyperstream.engine.engine import Engine
from hyperstream.engine.live_market import LiveMarket
from hyperstream.market.trades import Trade
from hyperstream.market.updates import BlockStamp, TradesUpdate
from hyperstream.testing import PRESETS
from hyperstream.wire.json.hyperliquid import TradesFormat

SYMBOL = "BTC"
_HASH = "0x" + "7a" * 32
_USERS = ("0x" + "9a" * 20, "0x" + "82" * 20)


@define(eq=False)
class TradesPayload:
    """An engine with books, and trades of one of its markets; the trade id is the wall clock in ns."""

    engine: Engine = field(init=False)
    market: LiveMarket = field(init=False)

    def __attrs_post_init__(self) -> None:
        material = fake_material("by_block", PRESETS["quiet"], 1, 1)
        self.engine = make_engine("by_block")
        load_snapshot(self.engine, material.snapshot)
        market = self.engine.find_symbol(SYMBOL)
        assert market is not None  # the fake node's first market
        self.market = market

    def trades(self) -> list[Trade]:
        """Two trades stamped now."""
        now_ns = time.time_ns()
        return [
            Trade(SYMBOL, now_ns, "84143.0", "0.00036", "A", now_ns // 1_000_000, _HASH, *_USERS, 1, 2, False)
            for _ in range(2)
        ]

    def publish(self, number: int) -> None:
        """Publish a block's trades to whoever follows them."""
        now_ns = time.time_ns()
        self.market.publish_trades(BlockStamp(number, now_ns, now_ns, now_ns, now_ns), self.trades())
        self.engine.hub.flush()

    def text(self, number: int) -> str:
        """The same as the text that other libraries are given to send."""
        now_ns = time.time_ns()
        stamp = BlockStamp(number, now_ns, now_ns, now_ns, now_ns)
        update = TradesUpdate(self.market.name, 1, number, stamp, False, self.trades())
        return _BARE.encode(update).decode()


def _no_frame(payload: bytes) -> bytes:
    return payload


_BARE = TradesFormat(_no_frame)
