"""The prices engine: what feeds and the node tell goes in, prices, bars and indicators come out.

``apply`` takes a batch of items by one synchronous call: the newest values are kept, indicators and bars
computed. Every ``flush_seconds`` what is followed and has changed is published, once however many
ticks it took; with 0 after every item. Series are made when first asked for, shared by all who ask for the
same, and dropped some time after the last of them has gone; upstream the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.config import PriceSettings
from hyperstream.engine.prices.demands import Demands
from hyperstream.engine.prices.groups import Groups
from hyperstream.engine.prices.instances import BarInstance, BookInstance, TickInstance
from hyperstream.engine.prices.market import PriceMarket
from hyperstream.engine.prices.newest import NewestTopics
from hyperstream.engine.prices.node_market import NodeEngine, NodeListing, NodeMarkets
from hyperstream.engine.prices.series import PriceWireFormat, Publisher
from hyperstream.engine.prices.venues import Venues
from hyperstream.hub.hub import Hub
from hyperstream.hub.latest import Latest
from hyperstream.hub.price_directory import VenueReport
from hyperstream.hub.topic import Topic
from hyperstream.market.history import PriceHistory
from hyperstream.market.indicators import catalogue
from hyperstream.market.price_updates import SeriesName
from hyperstream.market.venues import (
    NODE,
    FeedDemand,
    FeedGap,
    FeedItem,
    FeedStatus,
    FeedTopic,
    Quote,
    Ticker,
    TopicRefused,
    VenueBar,
    VenueBook,
    VenueFrame,
    VenueListed,
    VenueTrade,
)

log = structlog.get_logger("hyperstream.prices")

TICK_SECONDS = 0.1
RETIRE_EVERY_SECONDS = 2.0


@frozen
class PriceStatistics:
    """What there is, and what happened since the start.

    ``items`` came, ``batches`` were published; ``counts`` are what was not as it should be, by cause.
    """

    markets: int
    series: int
    demands: int
    items: int
    batches: int
    counts: dict[str, int]


def _ignore(_item: FeedItem) -> None:
    """Nobody forwards the venues' own messages."""


@define(eq=False)
class PriceEngine:
    """Owns the markets of all venues.

    ``enabled`` are the venues that are switched on; ``send_demand`` tells their feeds what is wanted;
    ``node`` is the engine of the node's books, None without a node. ``standing`` are the markets, by venue
    and symbol, whose quotes and trades come in any case. ``on_frame`` takes the venues' own messages,
    ``on_news`` the gaps and refusals of whatever was asked for.
    """

    hub: Hub
    wire_format: PriceWireFormat
    now_ns: Callable[[], int]
    settings: PriceSettings
    enabled: Collection[str]
    send_demand: Callable[[FeedDemand], None]
    node: NodeEngine | None = None
    standing: Collection[tuple[str, str]] = ()
    on_frame: Callable[[VenueFrame], None] = _ignore
    on_news: Callable[[FeedItem], None] = _ignore
    latest: Latest = field(factory=Latest)
    counts: Counter[str] = field(factory=Counter)
    items: int = 0
    batches: int = 0
    demands: Demands = field(init=False)
    markets: dict[tuple[str, str], PriceMarket] = field(factory=dict)
    newest: NewestTopics = field(init=False)
    _groups: Groups = field(init=False)
    _venues: Venues = field(init=False)
    _publisher: Publisher = field(init=False)
    _node_markets: NodeMarkets | None = field(init=False)
    _dirty: list[PriceMarket] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        listing = NodeListing(self.node) if self.node is not None else None
        self._venues = Venues(self.enabled, listing, self.now_ns())
        self._node_markets = NodeMarkets(self.node, self.take) if self.node is not None else None
        self._publisher = Publisher(self.hub, self.wire_format, self.now_ns)
        self.demands = Demands(self._demand)
        self._groups = Groups(self.settings, self._publisher, self.demands, self._market)
        self.newest = NewestTopics(
            self.enabled, self.latest, self._venues, self._groups, self.markets, self._market
        )

    # --- driving it ---

    async def run(self, batches: trio.MemoryReceiveChannel[list[FeedItem]]) -> None:
        """Apply what the feeds hand over until their channel is closed and empty; publish the last batch."""
        await trio.to_thread.run_sync(catalogue)  # TA-Lib takes a while to load: not between two blocks
        async with batches:
            async for batch in batches:
                self.apply(batch)
        self.flush()

    async def tick(self) -> None:
        """What time brings about: batches, bars that end in silence, series that nobody follows any more."""
        seconds = self.settings.flush_seconds or TICK_SECONDS
        swept = trio.current_time()
        while True:
            await trio.sleep(seconds)
            self.flush()
            if trio.current_time() - swept >= RETIRE_EVERY_SECONDS:
                swept = trio.current_time()
                self.retire()

    def catch_up(self, batches: trio.MemoryReceiveChannel[list[FeedItem]]) -> None:
        """Apply what waits in the channel and publish it: the last batch before a goodbye."""
        try:
            while True:
                self.apply(batches.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            self.flush()

    def take(self, items: Sequence[FeedItem]) -> None:
        """Take items and hand nothing to the subscribers' servers: whoever calls this flushes the hub."""
        self._take(items, is_flushing=False)

    def apply(self, items: Sequence[FeedItem]) -> None:
        """Take items. What waits for no batch goes out, tick by tick."""
        self._take(items, is_flushing=True)

    def _take(self, items: Sequence[FeedItem], *, is_flushing: bool) -> None:
        markets, publisher = self.markets, self._publisher
        is_batching = self.settings.flush_seconds > 0
        self.items += len(items)
        for item in items:
            take = _TAKERS.get(type(item))
            if take is not None:
                told: Any = item
                market = markets.get((told.venue, told.symbol)) or self._market(told.venue, told.symbol)
                if market is not None:
                    take(market, told)
            else:
                self._take_news(item)
            if not is_batching:
                self._publish()
            elif not publisher.is_urgent:
                continue
            publisher.is_urgent = False
            if is_flushing:
                self.hub.flush()

    def _take_news(self, item: FeedItem) -> None:
        """What is not a tick of one market."""
        match item:
            case FeedGap():
                topics = frozenset(item.topics)
                for symbol in {topic.symbol for topic in item.topics}:
                    market = self.markets.get((item.venue, symbol))
                    if market is not None:
                        market.tell_gap(topics, f"{item.reason}: {item.detail}")
                self._publisher.is_urgent = True
                self.on_news(item)
            case TopicRefused(topic, detail):
                self.on_news(item)
                market = self.markets.get((topic.venue, topic.symbol))
                if market is not None:
                    market.refusals[topic.channel] = detail, market.latest.version
                    self._groups.refuse(market, topic, detail)
            case FeedStatus():
                self._venues.on_status(item)
            case VenueListed():
                self._venues.on_listed(item)
            case VenueFrame():
                self.on_frame(item)

    def _market(self, venue: str, symbol: str) -> PriceMarket | None:
        """The market, made if it is new; None if there are as many as there may be."""
        key = venue, symbol
        found = self.markets.get(key)
        if found is not None:
            return found
        if len(self.markets) >= self.settings.max_markets:
            self.counts["ticks of too many markets"] += 1
            if self.counts["ticks of too many markets"] == 1:
                most = self.settings.max_markets
                log.warning("too many markets", first=f"{venue}/{symbol}", max_markets=most)
            return None
        market = self.markets[key] = PriceMarket(
            venue,
            symbol,
            self.latest.market(venue, symbol),
            PriceHistory(self.settings.history_ticks),
            self._publisher,
            self._dirty,
            is_standing=key in self.standing,
        )
        return market

    def _demand(self, demand: FeedDemand) -> None:
        if demand.topic.venue != NODE:
            self.send_demand(demand)
        elif self._node_markets is not None:
            self._node_markets.demand(demand)

    def want_frames(self, topic: FeedTopic) -> None:
        """Ask the feed for a topic with the venue's own frames."""
        self._groups.want_frames(topic, self.markets.get((topic.venue, topic.symbol)))

    def release_frames(self, topic: FeedTopic) -> None:
        """Let it go again."""
        self._groups.release_frames(topic, self.markets.get((topic.venue, topic.symbol)))

    # --- publishing ---

    def flush(self) -> None:
        """Publish what has changed and bars that have ended in silence, and hand it to the servers."""
        if self._node_markets is not None:
            self._node_markets.refuse_unknown()
        now_ns = self.now_ns()
        for market in self.markets.values():
            if market.groups.bars:
                market.advance(now_ns)
        self._publish()
        self.hub.flush()

    def _publish(self) -> None:
        self._publisher.publish_closings()
        if self._dirty:
            self.batches += 1
            dirty = self._dirty.copy()
            self._dirty.clear()
            for market in dirty:
                market.publish()

    def retire(self) -> None:
        """Drop what nobody has followed for a while, and markets of which nothing comes any more."""
        now_ns = self.now_ns()
        for key, market in list(self.markets.items()):
            self._groups.retire(market, now_ns)
            if market.is_unused and not market.latest.waiting:
                del self.markets[key]
                self.latest.drop(market.venue, market.symbol, "nobody follows it, and nothing is told of it")

    # --- the directory that servers use ---

    def venues(self) -> Sequence[VenueReport]:
        """Every venue, switched off or not."""
        return self._venues.reports()

    def locate(self, venue: str, symbol: str) -> str:
        """The venue a selection means; raises SelectionError."""
        return self._venues.locate(venue, symbol)

    def open(self, name: SeriesName) -> Sequence[Topic]:
        """The topics of a series; raises SelectionError."""
        return self._groups.open(name).topics

    def computations(self) -> dict[str, int]:
        """How many inputs each indicator has taken, by key."""
        return {
            key: group.computations
            for key, group in self._groups.by_key.items()
            if isinstance(group, TickInstance | BookInstance | BarInstance)
        }

    def statistics(self) -> PriceStatistics:
        """What there is and what happened."""
        counts = self.counts.copy()
        for market in self.markets.values():
            counts += market.counts()
        return PriceStatistics(
            markets=len(self.markets),
            series=len(self._groups.by_key),
            demands=len(self.demands),
            items=self.items,
            batches=self.batches,
            counts=dict(counts),
        )


_TAKERS: dict[type, Callable[[PriceMarket, Any], None]] = {
    VenueTrade: PriceMarket.on_trade,
    Quote: PriceMarket.on_quote,
    VenueBook: PriceMarket.on_book,
    VenueBar: PriceMarket.on_bar,
    Ticker: PriceMarket.on_ticker,
}
