"""The tape: a block's fills paired into trades and published.

In the streaming layout the two fills of a trade are two lines, and a node that buffers what it writes may
pause between them. So a fill whose other half has not come is held until a later block begins, or
for ``HALF_SECONDS``; then it is a trade of one side, as outcome markets have them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from attrs import define, field

from hyperstream.engine.markets import Markets
from hyperstream.market.trades import Trade
from hyperstream.market.updates import BlockStamp
from hyperstream.wire.fills import pair_fills
from hyperstream.wire.node_blocks import FillBlock

log = structlog.get_logger("hyperstream.engine")

HALF_SECONDS = 3.0  # the writer's buffer keeps back what it has for up to that long
_NS = 1_000_000_000


@define(eq=False)
class Tape:
    """Publishes the trades of each block. ``height`` is the last block's; ``counts`` are by cause.

    ``is_in_parts`` says that a block's fills may come in several parts.
    """

    markets: Markets
    now_ns: Callable[[], int]
    counts: Counter[str]
    height: int = 0
    is_in_parts: bool = False
    _halves: list[Trade] = field(factory=list)
    _halves_stamp: BlockStamp | None = None
    _audience: object = None
    _is_followed: bool = False

    def is_repeated(self, block: FillBlock) -> bool:
        """Whether this block's fills have been published already."""
        return block.height < self.height or (block.height == self.height and not block.is_continuation)

    def apply(self, block: FillBlock) -> None:
        """Publish the trades of a block that is not repeated, of markets whose trades are followed.

        Raises FormatError if they are followed and the block turns out to be unreadable.
        """
        if block.height > self.height:
            self.end_block()
        self.height = block.height
        markets = self.markets
        audience = markets.audience
        if audience != self._audience:
            self._audience = audience
            # A block's fills come before its diffs: the first market of all may be known from a fill.
            known = markets.by_symbol.values()
            self._is_followed = not known or any(market.has_tapes for market in known)
        if not self._is_followed:
            return
        stamp = BlockStamp(
            block.height, block.block_time_ns, block.node_time_ns, block.read_time_ns, self.now_ns()
        )
        trades = pair_fills(block.events, self._report)
        self._publish(stamp, self._whole(stamp, trades) if self.is_in_parts else trades)

    def give_up_waiting(self, now_ns: int) -> None:
        """Publish what has waited for its other half for too long."""
        stamp = self._halves_stamp
        if stamp is not None and now_ns - stamp.publish_time_ns > HALF_SECONDS * _NS:
            self.end_block()

    def end_block(self) -> None:
        """Nothing more comes of the last block: what lacks its other half never had one."""
        stamp, halves = self._halves_stamp, self._halves
        if stamp is not None:
            self._halves_stamp, self._halves = None, []
            times = stamp.block_time_ns, stamp.node_time_ns, stamp.read_time_ns
            self._publish(BlockStamp(stamp.height, *times, self.now_ns()), halves)

    def _whole(self, stamp: BlockStamp, trades: list[Trade]) -> list[Trade]:
        """Join trades with the halves held; return the whole ones and hold the others."""
        whole: list[Trade] = []
        for trade in trades:
            if trade.is_whole:
                whole.append(trade)
                continue
            half = next((each for each in self._halves if trade.is_other_half_of(each)), None)
            if half is None:
                self._halves.append(trade)
            else:
                self._halves.remove(half)
                whole.append(half.joined(trade))
        self._halves_stamp = stamp if self._halves else None
        return whole

    def _publish(self, stamp: BlockStamp, trades: list[Trade]) -> None:
        by_symbol: dict[str, list[Trade]] = {}
        for trade in trades:
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, its_trades in by_symbol.items():
            market = self.markets.open(symbol)
            if market is not None:
                market.publish_trades(stamp, its_trades)

    def _report(self, detail: str) -> None:
        self.counts["unreadable fill"] += 1
        if self.counts["unreadable fill"] == 1:
            log.warning("a fill cannot be read", detail=detail)
