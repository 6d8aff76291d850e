"""What a venue must define to be a feed; everything else is the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar
from typing import Protocol as Structure

from attrs import define, field

from hyperstream.market.venue_book import BookSnapshot, SyncedBook
from hyperstream.market.venues import Channel, FeedTopic, VenueInstrument
from hyperstream.sockets import ExponentialBackoff, Heartbeat, Protocol, SocketConfig
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.wire.venue_fields import Message

CONTROL_KEY = ""
LONGEST_RETRY_SECONDS = 60.0
# Trades may pause for long in markets that are well; the others seldom do.
TRADE_PATIENCE = 5


class Decoder(Structure):
    """Reads the frames of one connection."""

    def follow(self, stream: str) -> None:
        """Read this stream from now on."""

    def unfollow(self, stream: str) -> None:
        """What still comes of it is nobody's."""

    def decode(self, frame: bytes | str, receive_time_ns: int) -> Message:
        """Return the stream a frame belongs to and what it holds; raises FormatError."""


@define(eq=False)
class Venue(ABC):
    """One exchange: how topics become streams, and streams connections.

    Connections are of ``groups`` where a venue needs several kinds (Binance's two paths); ``key`` is the
    name of a stream, which is also the key of its subscription.
    """

    name: ClassVar[str]
    is_harmless_to_guess: ClassVar[bool] = True  # an unknown symbol costs nobody anything
    is_cut_by_age: ClassVar[bool] = False
    has_snapshots: ClassVar[bool] = False
    marks_closed_bars: ClassVar[bool] = True
    books_repeat: ClassVar[bool] = False  # each message about a book is the whole of it

    timing: FeedTiming
    url: str
    rest_url: str
    retry_seconds: float
    silence_seconds: float
    always: tuple[FeedTopic, ...] = field(default=())

    @abstractmethod
    def streams_of(self, topic: FeedTopic) -> tuple[str, ...]:
        """Return the streams a topic is made of; raises TopicError."""

    def group_of(self, stream: str) -> str:  # noqa: ARG002 - most venues have one kind of connection
        """Return which kind of connection carries a stream."""
        return ""

    def has_room(self, streams: Collection[str], stream: str) -> bool:  # noqa: ARG002
        """Whether a connection that carries these streams may carry one more."""
        return True

    def limit(self, streams: Collection[str]) -> str:  # noqa: ARG002
        """Why the venue serves nothing more when all these streams are followed; ``""`` if it does."""
        return ""

    @abstractmethod
    def decoder(self, group: str) -> Decoder:
        """Return a decoder for a connection."""

    @abstractmethod
    def protocol(self) -> Protocol:
        """Return how subscriptions are asked for."""

    @abstractmethod
    def socket(self, group: str, name: str) -> SocketConfig:
        """Return how a connection behaves."""

    @abstractmethod
    def book(self, symbol: str) -> SyncedBook:
        """Return a new book, with this venue's rules of synchronisation."""

    def book_detail(self, stream: str) -> str:  # noqa: ARG002
        """What a book of this stream says of its depth, where there are several."""
        return ""

    def is_frame_whole(self, stream: str) -> bool:  # noqa: ARG002
        """Whether a message of this stream says everything, so that who wants frames may begin with any."""
        return False

    def is_quote(self, stream: str) -> bool:  # noqa: ARG002
        """Whether this stream of books tells best prices only."""
        return False

    @abstractmethod
    def speaks_always(self, stream: str) -> bool:
        """Whether a stream says something even when nothing changes."""

    @abstractmethod
    async def list_instruments(self, rest: RestClient, odd: list[str]) -> list[VenueInstrument]:
        """Fetch what the venue lists; raises RestError or FormatError.

        What is wrong with members that cannot be read, and are left out, is put into ``odd``.
        """

    async def fetch_snapshot(self, rest: RestClient, symbol: str) -> BookSnapshot:
        """Fetch a book, where the stream tells changes only; raises RestError or FormatError."""
        raise NotImplementedError(f"{self.name} has no snapshots of {symbol}: {rest.url}")

    def problem(self, topic: FeedTopic, listing: Listing) -> str:
        """Why the venue cannot serve a topic, judged by its list; ``""`` if it can."""
        return listing.problem(topic.symbol)

    def silence_of(self, channel: Channel) -> float:
        """After how many seconds of silence a stream is asked for anew."""
        return self.silence_seconds * (TRADE_PATIENCE if channel is Channel.TRADES else 1)

    def rest_interval_seconds(self) -> float:
        """The least time between two requests."""
        return self.timing.rest_interval

    def socket_config(self, name: str, url: str, **more: Any) -> SocketConfig:
        """What the connections of all venues have in common."""
        timing = self.timing
        heartbeat = Heartbeat(
            timing.heartbeat, timing.heartbeat_deadline, is_application=more.pop("pings_by_message", False)
        )
        return SocketConfig(
            name=name,
            url=url,
            connect_seconds=timing.connect,
            heartbeat=heartbeat,
            reconnect=ExponentialBackoff(
                self.retry_seconds, max(self.retry_seconds, LONGEST_RETRY_SECONDS), self.retry_seconds / 10
            ),
            healthy_seconds=timing.healthy,
            acknowledge_seconds=timing.acknowledge,
            refused_seconds=timing.refused_once,
            close_seconds=timing.close,
            **more,
        )
