"""Bybit v5's public streams of one market family."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from attrs import define

from hyperstream.config import BybitFeedSettings
from hyperstream.market.venue_book import BybitBook, SyncedBook
from hyperstream.market.venues import BYBIT, FeedTopic, VenueInstrument
from hyperstream.sockets import Accepted, Command, Pong, Protocol, Rejected, Reply, SocketConfig, Subscription
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.sources.exchanges.venue import CONTROL_KEY, Decoder, Venue
from hyperstream.wire.bybit import (
    MAX_ARGUMENT_CHARACTERS,
    MAX_ARGUMENTS,
    MAX_ARGUMENTS_SPOT,
    PING,
    QUOTE_PREFIX,
    BybitDecoder,
    subscribe_message,
    topic_of,
    unsubscribe_message,
)
from hyperstream.wire.bybit_fields import read_instruments
from hyperstream.wire.venue_fields import Pong as VenuePong
from hyperstream.wire.venue_fields import Reply as VenueReply

MESSAGES_PER_SECOND = 10.0
MAX_PAGES = 50
FAMILIES = ("linear", "spot", "inverse", "option")


class BybitProtocol(Protocol):
    """Requests with ids. One bad topic has a whole request refused, and only the first is named."""

    control_keys = frozenset({CONTROL_KEY})

    def subscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """One request for all of them: the connection asks for no more than fit."""
        request = str(new_id())
        topics = [str(one.key) for one in subscriptions]
        return [Command(subscribe_message(topics, request), tuple(subscriptions), request)]

    def unsubscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """One request for all of them."""
        request = str(new_id())
        topics = [str(one.key) for one in subscriptions]
        return [Command(unsubscribe_message(topics, request), tuple(subscriptions), request)]

    def reply(self, message: Any) -> Reply | None:
        """A topic that is subscribed already is as good as accepted; the others are asked for again."""
        payload = message[1]
        if isinstance(payload, VenuePong):
            return Pong()
        if not isinstance(payload, VenueReply):
            return None
        keys = (payload.stream,) if payload.stream else ()
        if payload.is_accepted or payload.is_repetition:
            return Accepted(payload.request or None, keys)
        return Rejected(payload.detail, payload.request or None, keys)

    def ping(self, new_id: Callable[[], int]) -> str:
        """The venue's own ping."""
        del new_id
        return PING


@define(eq=False)
class Bybit(Venue):
    """Bybit v5: every topic on demand, on connections whose topics have 21,000 characters together."""

    name: ClassVar[str] = BYBIT

    @classmethod
    def of(cls, settings: BybitFeedSettings, timing: FeedTiming) -> Bybit:
        """Return the venue as it is configured."""
        return cls(timing, settings.url, settings.rest_url, settings.retry_seconds, settings.silence_seconds)

    @property
    def family(self) -> str:
        """The market family, which the URL ends with; linear if it ends with anything else."""
        last = self.url.rstrip("/").rpartition("/")[2]
        return last if last in FAMILIES else FAMILIES[0]

    def streams_of(self, topic: FeedTopic) -> tuple[str, ...]:
        """One topic."""
        return (topic_of(topic),)

    def has_room(self, streams: Collection[str], stream: str) -> bool:
        """The topics of a connection have so many characters at most."""
        return sum(map(len, streams)) + len(stream) <= MAX_ARGUMENT_CHARACTERS

    def decoder(self, group: str) -> Decoder:
        """Every connection is alike."""
        del group
        return BybitDecoder()

    def protocol(self) -> Protocol:
        """Requests with ids."""
        return BybitProtocol()

    def socket(self, group: str, name: str) -> SocketConfig:
        """Kept alive by messages."""
        del group
        return self.socket_config(
            name,
            self.url,
            pings_by_message=True,
            message_rate=MESSAGES_PER_SECOND,
            message_burst=5,
            subscribe_batch=MAX_ARGUMENTS_SPOT if self.family == "spot" else MAX_ARGUMENTS,
        )

    def book(self, symbol: str) -> SyncedBook:
        """A snapshot, then updates that count by one."""
        return BybitBook(symbol)

    def book_detail(self, stream: str) -> str:
        """The depth is part of the topic."""
        return stream.split(".")[1]

    def is_quote(self, stream: str) -> bool:
        """The book of one level."""
        return stream.startswith(QUOTE_PREFIX)

    def speaks_always(self, stream: str) -> bool:
        """The book of one level is repeated every 3 s."""
        return self.is_quote(stream)

    async def list_instruments(self, rest: RestClient, odd: list[str]) -> list[VenueInstrument]:
        """``instruments-info``, page by page."""
        found: list[VenueInstrument] = []
        cursor = ""
        for _ in range(MAX_PAGES):
            # The cursor comes percent-encoded, and is taken as it came only.
            more = f"&cursor={cursor}" if cursor else ""
            path = f"/v5/market/instruments-info?category={self.family}&limit=1000{more}"
            page, cursor = read_instruments(await rest.get(path), odd)
            found += page
            if not cursor:
                break
        return found
