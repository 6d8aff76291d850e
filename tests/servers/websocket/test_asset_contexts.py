"""``activeAssetCtx``: the venue's own messages, asked for upstream while somebody wants them."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from hyperstream.market.venues import HYPERLIQUID, Channel, FeedGap, FeedTopic, TopicRefused, VenueFrame

from .serving import Served, client, serving, wait_until

BTC = FeedTopic(HYPERLIQUID, Channel.TICKER, "BTC")
SPOT = FeedTopic(HYPERLIQUID, Channel.TICKER, "@107")


def context(coin: str, mark: str) -> bytes:
    """A message of the venue's, with a space that nobody but the venue would write."""
    channel = "activeSpotAssetCtx" if coin.startswith("@") else "activeAssetCtx"
    return b'{"channel":"%b", "data":{"coin":"%b","ctx":{"markPx":"%b","premium":null}}}' % (
        channel.encode(),
        coin.encode(),
        mark.encode(),
    )


def tell(served: Served, coin: str, mark: str) -> bytes:
    """The feed hears a message; returns it."""
    data = context(coin, mark)
    frame = VenueFrame(HYPERLIQUID, f"activeAssetCtx:{coin}", data, True, 0, time.time_ns())
    served.contexts.on_frame(frame)
    return data


def gap(*topics: FeedTopic) -> FeedGap:
    return FeedGap(HYPERLIQUID, topics, time.time_ns(), "connection", "it was lost")


async def test_a_message_is_forwarded_as_it_came_and_a_newcomer_begins_with_the_last(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as first, client(served.port) as second:
        answer = await first.subscribe(type="activeAssetCtx", coin="BTC")
        wish = {"type": "activeAssetCtx", "coin": "BTC"}
        assert answer == {
            "channel": "subscriptionResponse",
            "data": {"method": "subscribe", "subscription": wish},
        }
        assert served.upstream.wanted == [BTC]
        sent = tell(served, "BTC", "84148.0")
        assert await first.receive_text() == sent.decode()
        await second.subscribe(type="activeAssetCtx", coin="BTC")
        assert await second.receive_text() == sent.decode()
        assert served.upstream.wanted == [BTC], "asked for once"


async def test_a_spot_markets_comes_on_its_own_channel(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.subscribe(type="activeAssetCtx", coin="@107")
        tell(served, "@107", "42.0")
        assert (await peer.receive())["channel"] == "activeSpotAssetCtx"


async def test_compressed_sessions_get_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port, compression="deflate") as peer:
        await peer.subscribe(type="activeAssetCtx", coin="BTC")
        sent = tell(served, "BTC", "84148.0")
        assert await peer.receive_text() == sent.decode()


async def test_the_last_who_leaves_gives_it_up_upstream(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as stays:
        async with client(served.port) as goes:
            for peer in (stays, goes):
                await peer.subscribe(type="activeAssetCtx", coin="BTC")
            await goes.subscribe(type="activeAssetCtx", coins=["BTC", "@107"])
            assert served.upstream.wanted == [BTC, SPOT]
            await goes.unsubscribe(type="activeAssetCtx", coins=["BTC", "@107"])
            assert served.upstream.wanted == [BTC]
        await wait_until(lambda: len(served.server.sessions) == 1)
        assert served.upstream.wanted == [BTC]
        answer = await stays.unsubscribe(type="activeAssetCtx", coin="BTC")
        assert answer["channel"] == "subscriptionResponse"
        assert served.upstream.wanted == []
        tell(served, "BTC", "1.0")
        assert await stays.so_far() == []


async def test_who_hangs_up_leaves_nothing_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with client(served.port) as peer:
            await peer.subscribe(type="activeAssetCtx", coins=["BTC", "@107"])
            await peer.subscribe(type="activeAssetCtx", coin="BTC", provenance=True)
        await wait_until(lambda: not served.server.sessions)
        assert served.upstream.wanted == []
        assert served.contexts.topics == {}


async def test_provenance_stands_behind_what_the_venue_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.subscribe(type="activeAssetCtx", coin="BTC", provenance=True)
        for mark in ("1.0", "2.0"):
            sent = orjson.loads(tell(served, "BTC", mark))
            message = await peer.receive()
            provenance = message.pop("provenance")
            assert message == sent
            assert provenance["sequence"] == int(mark[0])
            assert abs(provenance["read_time_ns"] - time.time_ns()) < 60_000_000_000


async def test_after_a_gap_a_newcomer_waits_for_news_and_who_asked_to_be_told_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, client(served.port) as plain, client(served.port) as telling:
        await plain.subscribe(type="activeAssetCtx", coin="BTC")
        await telling.subscribe(type="activeAssetCtx", coin="BTC", provenance=True)
        tell(served, "BTC", "1.0")
        await plain.receive()
        await telling.receive()
        served.contexts.on_news(gap(SPOT))
        served.contexts.on_news(gap(BTC))
        told = await telling.receive()
        assert (told["channel"], told["data"]["coin"]) == ("gap", "BTC")
        assert told["data"]["reason"] == "SOURCE_GAP"
        async with client(served.port) as newcomer:
            await newcomer.subscribe(type="activeAssetCtx", coin="BTC")
            assert await newcomer.so_far() == []
            sent = tell(served, "BTC", "2.0")
            for peer in (newcomer, plain):
                assert await peer.receive_text() == sent.decode()


@pytest.mark.parametrize("coins", [{"coin": "BTC"}, {"coins": ["BTC", "@107"]}])
async def test_a_coin_that_the_venue_refuses_is_told_and_given_up(
    tmp_path: Path, coins: dict[str, object]
) -> None:
    async with serving(tmp_path) as served, client(served.port) as peer:
        await peer.subscribe(type="activeAssetCtx", **coins)
        served.contexts.on_news(TopicRefused(BTC, "hyperliquid has no market 'BTC'"))
        refusal = await peer.receive()
        assert refusal["channel"] == "error"
        assert refusal["data"].endswith("hyperliquid has no market 'BTC'")
        assert served.upstream.wanted == []
        assert (await peer.unsubscribe(type="activeAssetCtx", **coins))["data"].startswith("Already unsub")
        answer = await peer.subscribe(type="activeAssetCtx", **coins)
        assert answer["channel"] == "subscriptionResponse", "it may be asked for again"


async def test_each_coin_counts_as_a_subscription(tmp_path: Path) -> None:
    async with serving(tmp_path, max_subscriptions_per_connection=2) as served, client(served.port) as peer:
        await peer.subscribe(type="activeAssetCtx", coins=["BTC", "@107"])
        assert "subscriptions" in (await peer.subscribe(type="activeAssetCtx", coin="BTC"))["data"]
        await peer.unsubscribe(type="activeAssetCtx", coins=["BTC", "@107"])
        assert (await peer.subscribe(type="bbo", coin="BTC"))["channel"] == "subscriptionResponse"
