"""The mid prices of all markets, told now and then to who follows them.

Looking at the best prices of six hundred books takes milliseconds where nobody keeps them in order, so it is
done a few markets at a time, and only while somebody follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import trio
from attrs import define, field

from hyperstream.hub.directory import MarketDirectory, PublishedMarket
from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.identity import MarketKind, market_kind
from hyperstream.market.mids import MidsUpdate, mid_price
from hyperstream.market.updates import BlockStamp, MarketName, Update

MARKETS_A_TURN = 8
ASKED_AGAIN_NS = 100_000_000
_NO_BLOCK = BlockStamp(0, 0, 0, 0, 0)


@define(eq=False)
class MidsTopic:
    """The mids of one dex (empty: the venue's own perpetuals, and spot) in one format."""

    dex: str
    topic: Topic
    snapshot_lag: int = 0
    mids: dict[str, str] = field(factory=dict)
    stamp: BlockStamp = _NO_BLOCK

    def publish(self, mids: dict[str, str], stamp: BlockStamp) -> None:
        """Publish what has changed since the last time, if anything."""
        if mids == self.mids:
            return
        self.mids, self.stamp = mids, stamp
        self.topic.publish(self._update(self.topic.sequence + 1))

    def _update(self, sequence: int) -> MidsUpdate:
        return MidsUpdate(self.topic.name, self.topic.epoch, sequence, self.stamp, False, self.mids)

    def snapshot_key(self) -> object | None:
        """One snapshot for each state; none before the first."""
        return self.topic.sequence if self.mids else None

    def snapshot_updates(self) -> Iterator[Update]:
        """The mids as they were told last."""
        yield self._update(self.topic.sequence)


@define(eq=False)
class MidsBoard:
    """Tells the mids every ``seconds``; ``now_ns`` is the wall clock."""

    directory: MarketDirectory
    hub: Hub
    seconds: float
    now_ns: Callable[[], int]
    _topics: dict[tuple[str, WireFormat], MidsTopic] = field(factory=dict)
    _wanted: trio.Event = field(factory=trio.Event)
    _asked: dict[str, dict[str, str]] = field(factory=dict)
    _asked_at: tuple[int, int] = (0, 0)

    def stream(self, dex: str, wire_format: WireFormat) -> Topic:
        """The topic of a dex's mids; they are told soon, if they were not before."""
        found = self._topics.get((dex, wire_format))
        if found is None:
            topic = Topic(MarketName(dex), wire_format, self.hub.next_epoch(), last_used_ns=self.now_ns())
            found = self._topics[dex, wire_format] = MidsTopic(dex, topic)
            topic.snapshots = found
            self._wanted.set()
        return found.topic

    def mids(self, dex: str = "") -> Mapping[str, str]:
        """The mid prices of a dex now, by coin: looked at once for all who ask at the same time.

        Programs poll them, and looking at all markets takes long: it is done after a block, and ten times a
        second at most without one.
        """
        state = self.directory.height, self.now_ns() // ASKED_AGAIN_NS
        if state != self._asked_at:
            self._asked_at = state
            self._asked.clear()
        found = self._asked.get(dex)
        if found is None:
            priced = ((market.name.symbol, _mid(market)) for market in self._markets(dex))
            found = {symbol: mid for symbol, mid in priced if mid}
            if found:
                self._asked[dex] = found
        return found

    def dexes(self) -> set[str]:
        """The builders' dexes that have markets."""
        return {_dex_of(market.name.symbol) for market in self.directory.all_markets()} - {""}

    async def run(self) -> None:
        """Tell until cancelled; sleeps while nobody follows."""
        while True:
            with trio.move_on_after(self.seconds if self._topics else math.inf):
                await self._wanted.wait()
            self._wanted = trio.Event()
            for dex in {dex for dex, _ in self._topics}:
                await self._tell(dex)
            self._topics = {key: topic for key, topic in self._topics.items() if topic.topic.is_followed}

    async def _tell(self, dex: str) -> None:
        mids: dict[str, str] = {}
        stamp = _NO_BLOCK
        for index, market in enumerate(self._markets(dex)):
            mid = _mid(market)
            if mid:
                mids[market.name.symbol] = mid
            stamp = market.stamp
            if index % MARKETS_A_TURN == MARKETS_A_TURN - 1:
                await trio.lowlevel.checkpoint()
        for (topic_dex, _), topic in self._topics.items():
            if topic_dex == dex:
                topic.publish(mids, stamp)
        self.hub.flush()

    def _markets(self, dex: str) -> list[PublishedMarket]:
        return [market for market in self.directory.all_markets() if _dex_of(market.name.symbol) == dex]


def _mid(market: PublishedMarket) -> str:
    candles = market.candles
    return mid_price(market.book, candles.last_price_e8 if candles is not None else None)


def _dex_of(symbol: str) -> str:
    """The builder's dex of a market; empty for the venue's own markets, spot and outcomes."""
    return symbol.partition(":")[0] if market_kind(symbol) is MarketKind.BUILDER_PERP else ""
