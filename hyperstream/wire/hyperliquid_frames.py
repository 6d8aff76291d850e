"""Hyperliquid's own frames, forwarded as they came: what its node's files do not hold.

A topic is named ``activeAssetCtx:BTC``, as the subscription's key is. Each frame is the whole context of a
market, told about once a second, so a newcomer begins with the last one. Spot markets' come on the channel
``activeSpotAssetCtx`` though they are subscribed to as all others.
"""

from __future__ import annotations

from hyperstream.errors import TopicError
from hyperstream.market.venue_frames import FrameTopics, Verdict
from hyperstream.market.venues import HYPERLIQUID, Channel, FeedTopic, VenueFrame

ASSET_CONTEXT = "activeAssetCtx"


def context_topic(coin: str) -> str:
    """The name of a market's topic."""
    return f"{ASSET_CONTEXT}:{coin}"


def feed_topic(name: str) -> FeedTopic:
    """The topic of a feed that a name means. Raises TopicError."""
    kind, _, coin = name.partition(":")
    if kind != ASSET_CONTEXT or not coin:
        raise TopicError(f"there is no topic {name[:60]!r}; there is {ASSET_CONTEXT}:COIN")
    return FeedTopic(HYPERLIQUID, Channel.TICKER, coin)


class LastFrame:
    """The last frame is all there is to know."""

    __slots__ = ("_last",)

    has_snapshots = True

    def __init__(self, name: str) -> None:
        del name
        self._last: bytes | None = None

    def take(self, frame: VenueFrame) -> Verdict:
        """Each frame is whole."""
        self._last = frame.data
        return Verdict.FORWARD

    def interrupt(self) -> None:
        """It may be old: a newcomer waits for the next."""
        self._last = None

    def snapshot(self) -> bytes | None:
        """The last frame."""
        return self._last

    @property
    def is_known(self) -> bool:
        """Whether one has come."""
        return self._last is not None


HYPERLIQUID_FRAMES = FrameTopics(HYPERLIQUID, feed_topic, LastFrame, lambda topic, _: topic.symbol)
