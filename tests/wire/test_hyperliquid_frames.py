"""Hyperliquid's frames, forwarded: topics named, and what a newcomer begins with."""

from __future__ import annotations

import pytest

from hyperstream.errors import TopicError
from hyperstream.market.venue_frames import Verdict
from hyperstream.market.venues import HYPERLIQUID, Channel, FeedTopic, VenueFrame
from hyperstream.wire.hyperliquid import HyperliquidDecoder, key_of
from hyperstream.wire.hyperliquid_frames import HYPERLIQUID_FRAMES, LastFrame, context_topic, feed_topic
from hyperstream.wire.venue_fields import RawPayload

FRAME = b'{"channel":"activeAssetCtx", "data":{"coin":"xyz:XYZ100","ctx":{"markPx":"1.0","premium":null}}}'


@pytest.mark.parametrize("coin", ["BTC", "@107", "xyz:XYZ100", "PURR/USDC"])
def test_a_topic_is_named_as_the_subscription_is_known_by(coin: str) -> None:
    topic = feed_topic(context_topic(coin))
    assert topic == FeedTopic(HYPERLIQUID, Channel.TICKER, coin)
    assert key_of(topic) == context_topic(coin)
    assert HYPERLIQUID_FRAMES.heading(topic, context_topic(coin)) == coin


@pytest.mark.parametrize("name", ["", "activeAssetCtx", "activeAssetCtx:", "bbo:BTC", "tickers.BTCUSDT"])
def test_what_is_no_topic_is_refused(name: str) -> None:
    with pytest.raises(TopicError, match="activeAssetCtx:COIN"):
        feed_topic(name)


@pytest.mark.parametrize("spelled", [FRAME, FRAME.decode()])
def test_the_frame_is_handed_on_as_it_came_to_who_wants_it(spelled: bytes | str) -> None:
    decoder, key = HyperliquidDecoder(), "activeAssetCtx:xyz:XYZ100"
    decoder.follow(key)
    assert not isinstance(decoder.decode(spelled, 5)[1], RawPayload)
    decoder.raw_topics.add(key)
    found, payload = decoder.decode(spelled, 5)
    assert found == key
    assert isinstance(payload, RawPayload)
    frame = payload.frame
    assert (frame.venue, frame.topic, frame.data, frame.receive_time_ns) == (HYPERLIQUID, key, FRAME, 5)
    decoder.unfollow(key)
    decoder.follow(key)
    assert not isinstance(decoder.decode(spelled, 5)[1], RawPayload), "given up with the topic"


def test_a_newcomer_begins_with_the_last_frame_unless_it_may_be_old() -> None:
    memory = LastFrame("activeAssetCtx:BTC")
    assert memory.snapshot() is None
    assert not memory.is_known
    frame = VenueFrame(HYPERLIQUID, "activeAssetCtx:BTC", FRAME, True, 0, 1)
    assert memory.take(frame) is Verdict.FORWARD
    assert memory.snapshot() == FRAME
    memory.interrupt()
    assert memory.snapshot() is None
