"""The prices of one market: the newest of each batch, or every tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperstream.engine.prices import offers
from hyperstream.engine.prices.series import Publisher
from hyperstream.hub.topic import Topic
from hyperstream.market.price_updates import PriceUpdate, SeriesName
from hyperstream.market.venues import FeedTopic

if TYPE_CHECKING:
    from hyperstream.engine.prices.market import PriceMarket


class PriceStream:
    """One series of a market's newest quote, trade and ticker."""

    def __init__(self, name: SeriesName, market: PriceMarket, publisher: Publisher) -> None:
        self.name = name
        self.market = market
        self.last_used_ns = 0
        self.wanted: tuple[FeedTopic, ...] = offers.price_topics(market.venue, market.symbol)
        self.series = publisher.series(name, self)
        if self._is_known:
            self.series.begin()

    @property
    def _is_known(self) -> bool:
        latest = self.market.latest
        return bool(latest.price.value or latest.trade.value or latest.ticker.value)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Where they are published."""
        return (self.series.topic,)

    def publish(self) -> None:
        """Publish the newest, once there is anything."""
        if not self._is_known:
            return
        if self.series.topic.snapshots is None:
            self.series.begin()
        if self.series.is_followed:
            self.series.publish()

    def newest(self, sequence: int) -> PriceUpdate:
        """The newest of everything."""
        latest = self.market.latest
        return PriceUpdate(
            self.name,
            self.series.topic.epoch,
            sequence,
            self.market.stamp(),
            False,
            latest.price.value,
            latest.trade.value,
            latest.ticker.value,
        )

    def version(self) -> object:
        """One per tick."""
        return self.market.changes

    def tell_gap(self, detail: str) -> None:
        """Ticks are missing."""
        self.series.tell_gap(detail)
