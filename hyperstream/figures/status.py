"""Every topic and subscriber as JSON can say it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nlargest
from operator import itemgetter
from typing import Any

from attrs import asdict

from hyperstream.engine.live_market import LiveMarket
from hyperstream.hub.contracts import SUBSCRIPTIONS
from hyperstream.hub.directory import BookVariant
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic

# Topics and subscribers told of: a page must not hold up what it tells of.
MOST = 1_000
_CONTRACT_OF = {made: contract for contract, made in SUBSCRIPTIONS.items()}


def plain(value: Any) -> Any:
    """A value as JSON has it: of an enumeration, its value."""
    return getattr(value, "value", value)


def topics_followed_most(markets: Iterable[LiveMarket]) -> list[dict[str, Any]]:
    """The topics of the node's markets, those with the most followers first."""
    topics = (topic for market in markets for topic in _describe_topics(market))
    return nlargest(MOST, topics, key=itemgetter("followers"))


def slowest(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """The subscriptions, those for which most waits first."""
    return nlargest(MOST, subscriptions, key=lambda subscription: subscription.waiting[1])


def _describe_topics(market: LiveMarket) -> Iterator[dict[str, Any]]:
    for (variant, _), book in market.books.items():
        yield _topic(market, "orderbook", book.topic) | _variant(variant)
    for bbo in market.bbos.values():
        yield _topic(market, "bbo", bbo.topic)
    for tape in market.tapes.values():
        yield _topic(market, "trades", tape.topic)
    for orders in market.orders.values():
        yield _topic(market, "orders", orders.topic)
    if market.mark is not None:
        yield _topic(market, "mark_price", market.mark.topic)
    for stops in market.stops.topics.values():
        yield _topic(market, "stop_orders", stops.topic)


def _topic(market: LiveMarket, kind: str, topic: Topic) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "kind": kind,
        "format": type(topic.wire_format).__name__,
        "epoch": topic.epoch,
        "sequence": topic.sequence,
        "published": topic.published,
        "followers": len(topic.prompt) + len(topic.late),
    }


def _variant(variant: BookVariant) -> dict[str, Any]:
    found: dict[str, Any] = {"depth": variant.depth, "snapshots_only": variant.snapshots_only}
    if variant.aggregation is not None:
        found |= asdict(variant.aggregation)
    return found


def describe_subscriber(subscription: Subscription) -> dict[str, Any]:
    """One subscription: whose, under which contract, and how it is doing."""
    return {
        "who": subscription.who,
        "contract": _CONTRACT_OF[type(subscription)].value,
        "format": type(subscription.wire_format).__name__,
        "keeps_up": subscription.is_prompt,
        **asdict(subscription.statistics()),
    }
