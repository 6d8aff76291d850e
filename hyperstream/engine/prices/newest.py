"""Topics whose newest values are read from the latest-value cache: wanted, let go, refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from attrs import define

from hyperstream.engine.prices.groups import Groups
from hyperstream.engine.prices.market import PriceMarket
from hyperstream.engine.prices.venues import Venues
from hyperstream.hub.latest import Latest
from hyperstream.market.venues import FeedTopic, VenueInstrument


@define(eq=False)
class NewestTopics:
    """What readers within the daemon need of the prices engine. ``enabled`` are the venues switched on."""

    enabled: Collection[str]
    latest: Latest
    _venues: Venues
    _groups: Groups
    _markets: Mapping[tuple[str, str], PriceMarket]
    _market_of: Callable[[str, str], PriceMarket | None]

    def listed(self, venue: str) -> Mapping[str, VenueInstrument] | None:
        """What a feed has listed, by symbol; None before it has."""
        return self._venues.listed(venue)

    def want(self, topic: FeedTopic) -> bool:
        """Ask the feed for a topic, for one more reader; False if prices of too many markets are kept."""
        market = self._market_of(topic.venue, topic.symbol)
        if market is not None:
            self._groups.want_newest(topic, market)
        return market is not None

    def release(self, topic: FeedTopic) -> None:
        """One reader less of a topic that is wanted."""
        self._groups.release_newest(topic, self._markets[topic.venue, topic.symbol])

    def refusal(self, topic: FeedTopic) -> str:
        """Why the venue does not serve a topic that is wanted; empty once it has told something."""
        market = self._markets[topic.venue, topic.symbol]
        detail, version = market.refusals.get(topic.channel, ("", 0))
        return detail if market.latest.version == version else ""
