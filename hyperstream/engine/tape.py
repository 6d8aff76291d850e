"""The tape: a block's fills paired into trades and published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from attrs import define

from hyperstream.engine.markets import Markets
from hyperstream.market.trades import Trade
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.fills import pair_fills
from hyperstream.wire.node_blocks import FillBlock

log = structlog.get_logger("hyperstream.engine")


@define(eq=False)
class Tape:
    """Publishes the trades of each block. ``height`` is the last block's; ``counts`` are by cause."""

    markets: Markets
    now_ns: Callable[[], int]
    counts: Counter[str]
    height: int = 0
    _audience: object = None
    _is_followed: bool = False

    def is_repeated(self, block: FillBlock) -> bool:
        """Whether this block's fills have been published already."""
        return block.height < self.height or (block.height == self.height and not block.is_continuation)

    def apply(self, block: FillBlock) -> None:
        """Publish the trades of a block that is not repeated, of markets whose trades are followed.

        Raises FormatError if they are followed and the block turns out to be unreadable.
        """
        self.height = block.height
        markets = self.markets
        audience = markets.audience
        if audience != self._audience:
            self._audience = audience
            self._is_followed = any(market.has_tapes for market in markets.by_symbol.values())
        if not self._is_followed:
            return
        stamp = BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )
        by_symbol: dict[str, list[Trade]] = {}
        for trade in pair_fills(block.events, self._report):
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, trades in by_symbol.items():
            market = markets.open(symbol)
            if market is not None:
                market.publish_trades(stamp, trades)

    def _report(self, detail: str) -> None:
        self.counts["unreadable fill"] += 1
        if self.counts["unreadable fill"] == 1:
            log.warning("a fill cannot be read", detail=detail)
