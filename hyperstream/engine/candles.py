"""Candles of the node's markets, from their trades: minutes kept for each, topics made when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from hyperstream.engine.live_market import LINGER_NS, LiveMarket
from hyperstream.hub.directory import MarketDirectory, PublishedMarket
from hyperstream.hub.topic import Topic, WireFormat
from hyperstream.market.candles import Candle, CandleUpdate, MinuteTape, span
from hyperstream.market.decimals import parse_e8
from hyperstream.market.trades import Trade
from hyperstream.market.updates import GAP_SOURCE, BlockStamp, Update

_MS = 1_000_000


@define(eq=False)
class CandleTopic:
    """One interval of one market, for one format: the candle that forms, after each block that traded."""

    market: LiveMarket
    tape: MinuteTape
    interval: str
    topic: Topic
    snapshot_lag: int = 0
    _forming: Candle | None = None

    def publish(self, stamp: BlockStamp, trades: list[Trade]) -> None:
        """Publish every candle the block's trades were in, as it stands after them."""
        is_told = True
        for trade in trades:
            forming = self._forming
            if forming is None or trade.time_ms >= forming.end_ms:
                if forming is not None and not is_told:
                    self._tell(stamp, forming)
                price_e8 = parse_e8(trade.price)
                bounds = span(self.interval, trade.time_ms)
                self._forming = forming = Candle(*bounds, price_e8, price_e8, price_e8, price_e8, 0, 0)
            forming.add(parse_e8(trade.price), parse_e8(trade.size))
            is_told = False
        if self._forming is not None and not is_told:
            self._tell(stamp, self._forming)

    def begin(self) -> None:
        """Take up the candle that is forming, from what is kept of it."""
        self._forming = self.tape.candle_at(self.interval, self.market.stamp.block_time_ns // _MS)

    def _tell(self, stamp: BlockStamp, candle: Candle) -> None:
        self.topic.publish(self._update(self.topic.sequence + 1, stamp, candle))

    def _update(self, sequence: int, stamp: BlockStamp, candle: Candle) -> CandleUpdate:
        market = self.market
        return CandleUpdate(
            market.name, self.topic.epoch, sequence, stamp, market.is_doubtful, self.interval, candle
        )

    def snapshot_key(self) -> object | None:
        """One snapshot for each state of the candle; none before anything was traded."""
        forming = self._forming
        return (forming.start_ms, forming.trade_count) if forming is not None else None

    def snapshot_updates(self) -> Iterator[Update]:
        """The candle now."""
        if self._forming is not None:
            yield self._update(self.topic.sequence, self.market.stamp, self._forming)


@define(eq=False)
class MarketCandles:
    """The candles of one market: its minutes, at most ``minutes`` of them, and the topics made of them."""

    market: LiveMarket
    minutes: int
    tape: MinuteTape = field(init=False)
    topics: dict[tuple[str, WireFormat], CandleTopic] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.tape = MinuteTape(self.minutes)

    def add(self, stamp: BlockStamp, trades: list[Trade]) -> None:
        """A block's trades."""
        self.tape.add(trades)
        if self.topics:
            self.retire(stamp.publish_time_ns)
            for topic in self.topics.values():
                topic.publish(stamp, trades)

    def stream(self, interval: str, wire_format: WireFormat) -> Topic:
        """The topic of an interval."""
        self.retire(self.market.stamp.publish_time_ns)
        found = self.topics.get((interval, wire_format))
        if found is None:
            market = self.market
            used_ns = market.stamp.publish_time_ns
            topic = Topic(market.name, wire_format, market.hub.next_epoch(), last_used_ns=used_ns)
            found = self.topics[interval, wire_format] = CandleTopic(market, self.tape, interval, topic)
            topic.snapshots = found
            found.begin()
        return found.topic

    def between(self, interval: str, first_ms: int, last_ms: int) -> Iterator[Candle]:
        """The candles kept of a span of time, oldest first."""
        return self.tape.candles(interval, first_ms, last_ms)

    @property
    def last_price_e8(self) -> int | None:
        """The price of the last trade seen."""
        return self.tape.last_price_e8

    def tell_gap(self, reason: str) -> None:
        """Trades are missing in what is told from here on."""
        for candles in self.topics.values():
            candles.topic.tell_gap(self.market.gap(candles.topic, GAP_SOURCE, reason))

    def retire(self, now_ns: int) -> None:
        """Drop topics that nobody has followed for a while."""
        for candles in self.topics.values():
            if candles.topic.is_followed:
                candles.topic.last_used_ns = now_ns
        oldest_ns = now_ns - LINGER_NS
        self.topics = {
            key: candles for key, candles in self.topics.items() if candles.topic.last_used_ns > oldest_ns
        }


@define(eq=False)
class CandleKeeper:
    """Keeps ``minutes`` minutes of candles for every market of a directory, of those to come as well."""

    minutes: int

    def follow(self, directory: MarketDirectory) -> None:
        """Begin."""
        for market in directory.all_markets():
            self._open(market)
        directory.follow_new_markets(self._open)

    def _open(self, market: PublishedMarket) -> None:
        if isinstance(market, LiveMarket) and market.candles is None:
            market.candles = MarketCandles(market, self.minutes)
