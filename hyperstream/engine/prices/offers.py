"""What a venue can be asked for: the topics a series is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hyperstream.errors import TopicError
from hyperstream.market.venues import (
    BINANCE,
    BINANCE_FUTURES,
    BYBIT,
    HYPERLIQUID,
    Channel,
    FeedTopic,
)
from hyperstream.wire import binance, binance_futures, bybit, hyperliquid

_SPELLINGS: Mapping[str, Callable[[FeedTopic], object]] = {
    BINANCE: binance.streams_of,
    BINANCE_FUTURES: binance_futures.streams_of,
    BYBIT: bybit.topic_of,
    HYPERLIQUID: hyperliquid.key_of,
}
# On Binance's spot market a ticker tells nothing that quotes and trades do not.
_WITH_TICKER = frozenset({BINANCE_FUTURES, BYBIT, HYPERLIQUID})
# Books are asked for in few depths, so that indicators of different levels share one.
_DEPTHS = (1, 50, 200)


def has(topic: FeedTopic) -> bool:
    """Whether the venue has such a topic at all, whatever the symbol. The node has no bars of its own."""
    spell = _SPELLINGS.get(topic.venue)
    if spell is None:
        return topic.channel not in (Channel.BARS, Channel.TICKER, Channel.MIDS)
    try:
        spell(topic)
    except TopicError:
        return False
    return True


def price_topics(venue: str, symbol: str) -> tuple[FeedTopic, ...]:
    """What prices are made from."""
    channels = [Channel.QUOTES, Channel.TRADES]
    if venue in _WITH_TICKER:
        channels.append(Channel.TICKER)
    return tuple(FeedTopic(venue, channel, symbol) for channel in channels)


def bar_topics(venue: str, symbol: str, interval: str) -> tuple[FeedTopic, ...]:
    """What bars are made from: the venue's own where it has them, otherwise its trades."""
    own = FeedTopic(venue, Channel.BARS, symbol, interval)
    return (own,) if has(own) else trade_topics(venue, symbol)


def trade_topics(venue: str, symbol: str) -> tuple[FeedTopic, ...]:
    """What is computed trade by trade is made from."""
    return (FeedTopic(venue, Channel.TRADES, symbol),)


def book_topics(venue: str, symbol: str, levels: int) -> tuple[FeedTopic, ...]:
    """What an indicator of the book is made from: quotes show the first level, and come at once."""
    if levels == 1:
        return (FeedTopic(venue, Channel.QUOTES, symbol),)
    depth = next(depth for depth in _DEPTHS if depth >= levels)
    return (FeedTopic(venue, Channel.BOOK, symbol, str(depth)),)
