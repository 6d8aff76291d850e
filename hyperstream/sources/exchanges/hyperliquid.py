"""Hyperliquid's public WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from attrs import define

from hyperstream.config import HyperliquidFeedSettings
from hyperstream.market.venue_book import HyperliquidBook, SyncedBook
from hyperstream.market.venues import HYPERLIQUID, Channel, FeedTopic, VenueInstrument
from hyperstream.sockets import Accepted, Command, Pong, Protocol, Rejected, Reply, SocketConfig, Subscription
from hyperstream.sockets.protocol import Kind
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.sources.exchanges.venue import CONTROL_KEY, Decoder, Venue
from hyperstream.wire.hyperliquid import (
    PING,
    HyperliquidDecoder,
    is_fast,
    key_of,
    subscribe_message,
    unsubscribe_message,
)
from hyperstream.wire.hyperliquid_fields import read_dexes, read_meta, read_spot_meta
from hyperstream.wire.venue_fields import Pong as VenuePong
from hyperstream.wire.venue_fields import Reply as VenueReply

MAX_SUBSCRIPTIONS = 1_000
# 2,000 messages a minute over all connections, of which there are two at most.
MESSAGES_PER_SECOND = 15.0
MESSAGE_BURST = 60
FAST = "fast"
_ALWAYS = ("l2Book:", "l2BookFast:", "activeAssetCtx:", "allMids:")


class HyperliquidProtocol(Protocol):
    """One subscription a frame; answers repeat the subscription, and there are no numbers."""

    control_keys = frozenset({CONTROL_KEY})

    def subscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """One request each."""
        del new_id
        return [Command(subscribe_message(str(one.key)), (one,)) for one in subscriptions]

    def unsubscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """One request each."""
        del new_id
        return [Command(unsubscribe_message(str(one.key)), (one,)) for one in subscriptions]

    def reply(self, message: Any) -> Reply | None:
        """An answer or an error names the subscription; one that names none answers nothing."""
        payload = message[1]
        if isinstance(payload, VenuePong):
            return Pong()
        if not isinstance(payload, VenueReply):
            return None
        keys = (payload.stream,) if payload.stream else ()
        kind: Kind = "unsubscribe" if payload.request.startswith("unsubscribe ") else "subscribe"
        if payload.is_accepted:
            return Accepted(keys=keys, kind=kind)
        return Rejected(payload.detail, keys=keys, kind=kind)

    def ping(self, new_id: Callable[[], int]) -> str:
        """The venue's own ping: it closes what it has nothing to say to for 60 s."""
        del new_id
        return PING


@define(eq=False)
class Hyperliquid(Venue):
    """Hyperliquid: one connection, and one more for fast books, which look like default ones.

    A wrong coin closes the connection without a word, so nothing is asked for before the list of coins is
    known; a subscription that is there when it happens all the same is found by the connection's own
    bisection, and refused.
    """

    name: ClassVar[str] = HYPERLIQUID
    is_harmless_to_guess: ClassVar[bool] = False
    marks_closed_bars: ClassVar[bool] = False
    books_repeat: ClassVar[bool] = True

    @classmethod
    def of(cls, settings: HyperliquidFeedSettings, timing: FeedTiming) -> Hyperliquid:
        """Return the venue as it is configured."""
        channels = (Channel.QUOTES, Channel.TRADES)
        return cls(
            timing,
            settings.url,
            settings.rest_url,
            settings.retry_seconds,
            settings.silence_seconds,
            tuple(FeedTopic(HYPERLIQUID, channel, coin) for coin in settings.coins for channel in channels),
        )

    def streams_of(self, topic: FeedTopic) -> tuple[str, ...]:
        """One subscription."""
        return (key_of(topic),)

    def group_of(self, stream: str) -> str:
        """Fast books must not share a connection with default ones."""
        return FAST if is_fast(stream) else ""

    def limit(self, streams: Collection[str]) -> str:
        """1,000 subscriptions for everything that connects from one address."""
        is_full = len(streams) >= MAX_SUBSCRIPTIONS
        return (
            f"hyperliquid serves {MAX_SUBSCRIPTIONS} subscriptions an address; unsubscribe some"
            if is_full
            else ""
        )

    def decoder(self, group: str) -> Decoder:
        """A decoder reads fast books, or default ones."""
        return HyperliquidDecoder(is_fast=group == FAST)

    def protocol(self) -> Protocol:
        """Requests without numbers."""
        return HyperliquidProtocol()

    def socket(self, group: str, name: str) -> SocketConfig:
        """Kept alive by messages."""
        del group
        return self.socket_config(
            name,
            self.url,
            pings_by_message=True,
            message_rate=MESSAGES_PER_SECOND,
            message_burst=MESSAGE_BURST,
            subscribe_batch=MESSAGE_BURST,
        )

    def book(self, symbol: str) -> SyncedBook:
        """Each message is the whole book."""
        return HyperliquidBook(symbol)

    def book_detail(self, stream: str) -> str:
        """Fast books have five levels."""
        return FAST if is_fast(stream) else ""

    def is_frame_whole(self, stream: str) -> bool:
        """No message says only what has changed."""
        del stream
        return True

    def speaks_always(self, stream: str) -> bool:
        """Books, contexts and mids are repeated."""
        return stream.startswith(_ALWAYS)

    def problem(self, topic: FeedTopic, listing: Listing) -> str:
        """Mids are of a dex, everything else of a coin."""
        if topic.channel is not Channel.MIDS:
            return listing.problem(topic.symbol)
        dex = topic.symbol
        if not dex or any(symbol.startswith(f"{dex}:") for symbol in listing.instruments):
            return ""
        return f"hyperliquid has no dex {dex!r}"

    def rest_interval_seconds(self) -> float:
        """A list takes a question for each dex, and the limit is generous: 60 of them a minute."""
        return self.timing.rest_interval / 10

    async def list_instruments(self, rest: RestClient, odd: list[str]) -> list[VenueInstrument]:
        """Spot, whose tokens the perps are quoted in, and the perps of every dex."""
        spot, tokens = read_spot_meta(await rest.post({"type": "spotMeta"}), odd)
        found = read_meta(await rest.post({"type": "meta"}), "", tokens, odd)
        for dex in read_dexes(await rest.post({"type": "perpDexs"})):
            found += read_meta(await rest.post({"type": "meta", "dex": dex}), dex, tokens, odd)
        return found + spot
