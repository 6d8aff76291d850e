"""What is followed: opened when first asked for, shared, and dropped when nobody has followed it for a while.

A group is what one key opens: prices, bars (closed and forming), or one indicator.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from hyperstream.config import PriceSettings
from hyperstream.engine.prices.bar_stream import BarStream
from hyperstream.engine.prices.demands import Demands
from hyperstream.engine.prices.instances import BarInstance, BookInstance, TickInstance
from hyperstream.engine.prices.market import PriceMarket
from hyperstream.engine.prices.market_groups import Group
from hyperstream.engine.prices.price_stream import PriceStream
from hyperstream.engine.prices.series import Publisher
from hyperstream.errors import SelectionError
from hyperstream.market.indicators import (
    BarIndicator,
    BookIndicator,
    IndicatorSpec,
    PriceIndicator,
    start_indicator,
)
from hyperstream.market.intervals import Interval
from hyperstream.market.price_updates import SeriesName, bar_name
from hyperstream.market.venues import Channel, FeedTopic

_NS = 1_000_000_000


@define(eq=False)
class Groups:
    """Every group by key. ``market_of`` makes the market of a venue and symbol if there may be one more."""

    settings: PriceSettings
    publisher: Publisher
    demands: Demands
    market_of: Callable[[str, str], PriceMarket | None]
    by_key: dict[str, Group] = field(factory=dict)

    def open(self, name: SeriesName) -> Group:
        """The group of this name, made if it is new. Raises SelectionError if there are too many."""
        found = self.by_key.get(name.symbol)
        if found is not None:
            return found
        market = self.market_of(name.venue, name.market)
        if market is None or len(self.by_key) + self._opened_by(name) > self.settings.max_series:
            limit = "max_markets" if market is None else "max_series"
            raise SelectionError(
                "RESOURCE_EXHAUSTED",
                "",
                f"there are {getattr(self.settings, limit)} {limit.removeprefix('max_')} already; "
                f"try again later, or let prices.{limit} be raised",
            )
        market.forget_again()
        group = self._make(name, market)
        group.last_used_ns = self.publisher.now_ns()
        self.by_key[name.symbol] = group
        market.add(group)
        self._want(market, group.wanted)
        return group

    def _opened_by(self, name: SeriesName) -> int:
        """How many groups a new one adds: an indicator on bars brings its bars."""
        if name.indicator is None or not name.interval:
            return 1
        return 1 if bar_name(name.venue, name.market, name.interval).symbol in self.by_key else 2

    def _make(self, name: SeriesName, market: PriceMarket) -> Group:
        spec = name.indicator
        if spec is not None:
            return self._make_instance(name, spec, market)
        if name.interval:
            interval = Interval.parse(name.interval)
            return BarStream(name, interval, market, self.publisher, self.settings.history_bars)
        return PriceStream(name, market, self.publisher)

    def _make_instance(self, name: SeriesName, spec: IndicatorSpec, market: PriceMarket) -> Group:
        match start_indicator(spec):
            case PriceIndicator() as indicator:
                return TickInstance(name, indicator, market, self.publisher)
            case BookIndicator() as indicator:
                return BookInstance(name, indicator, market, self.publisher)
            case BarIndicator() as indicator:
                stream = self.open(bar_name(name.venue, name.market, name.interval))
                assert isinstance(stream, BarStream)  # what a bar's name opens
                return BarInstance(name, indicator, stream, self.publisher)

    def retire(self, market: PriceMarket, now_ns: int) -> None:
        """Drop what nobody has followed for a while; what is used, is used now."""
        oldest_ns = now_ns - int(self.settings.linger_seconds * _NS)
        for group in list(market.groups):
            if any(topic.is_followed for topic in group.topics):
                group.last_used_ns = now_ns
            elif group.last_used_ns <= oldest_ns and not (isinstance(group, BarStream) and group.instances):
                self._drop(market, group)
                if isinstance(group, BarInstance):  # its bars come next: they were used as long as it
                    stream = group.stream
                    stream.last_used_ns = max(stream.last_used_ns, group.last_used_ns)

    def _drop(self, market: PriceMarket, group: Group) -> None:
        del self.by_key[group.name.symbol]
        market.groups.remove(group)
        self._release(market, group.wanted)

    def want_newest(self, topic: FeedTopic, market: PriceMarket) -> None:
        """One more reads the newest of a topic from the latest-value cache."""
        market.forget_again()
        market.readers += 1
        self._want(market, (topic,))

    def release_newest(self, topic: FeedTopic, market: PriceMarket) -> None:
        """One who read it reads it no more."""
        market.readers -= 1
        self._release(market, (topic,))

    def want_frames(self, topic: FeedTopic, market: PriceMarket | None) -> None:
        """The venue's own frames of a topic are wanted: its items come with them."""
        if market is not None:
            market.forget_again()
            market.expect((topic.channel,))
        self.demands.want((topic,), is_raw=True)

    def release_frames(self, topic: FeedTopic, market: PriceMarket | None) -> None:
        """One who wanted them wants them no more."""
        self.demands.release((topic,), is_raw=True)
        if market is not None and not self.demands.is_wanted(topic):
            market.forget(topic.channel)

    def _want(self, market: PriceMarket, topics: tuple[FeedTopic, ...]) -> None:
        market.expect(topic.channel for topic in topics)
        self.demands.want(topics)

    def _release(self, market: PriceMarket, topics: tuple[FeedTopic, ...]) -> None:
        self.demands.release(topics)
        for topic in topics:
            if not self.demands.is_wanted(topic):
                market.forget(topic.channel)

    def refuse(self, market: PriceMarket, topic: FeedTopic, reason: str) -> None:
        """The venue does not serve this topic: do without it, or end what is made of it."""
        for group in list(market.groups):
            if topic not in group.wanted or topic.channel is Channel.TICKER:
                continue
            if isinstance(group, BarStream) and topic.channel is Channel.BARS:
                refused = group.wanted
                self._want(market, group.fall_back())
                self._release(market, refused)
                market.groups.arrange()
            else:
                self._end(market, group, reason)

    def _end(self, market: PriceMarket, group: Group, reason: str) -> None:
        if isinstance(group, BarStream):
            for instance in list(group.instances.values()):
                self._end(market, instance, reason)
        if group.name.symbol in self.by_key:
            self.publisher.end(group.name, group.topics, "NOT_FOUND", reason)
            self._drop(market, group)
