"""Binance spot."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from attrs import define, field

from hyperstream.config import BinanceFeedSettings
from hyperstream.market.binance_books import BinanceSpotBook
from hyperstream.market.venue_book import BookSnapshot, SyncedBook
from hyperstream.market.venues import BINANCE, Channel, FeedTopic, VenueInstrument
from hyperstream.sockets import Protocol, SocketConfig
from hyperstream.sources.exchanges.binance_protocol import BinanceProtocol
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.sources.exchanges.venue import Decoder, Venue
from hyperstream.wire.binance import BinanceDecoder, read_instruments, streams_of
from hyperstream.wire.binance_fields import (
    MAX_STREAMS_PER_CONNECTION,
    MAX_STREAMS_PER_MESSAGE,
    read_snapshot,
)

# Five messages a second, pings and pongs included; one is left for these.
MESSAGES_PER_SECOND = 4.0
# What a snapshot of so many levels weighs, and half of what the venue allows a second (6,000 a minute).
_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_WEIGHT_PER_SECOND = 50.0


@define(eq=False)
class Binance(Venue):
    """Binance spot: combined streams, 1,024 a connection, cut after 24 hours; snapshots by HTTP."""

    name: ClassVar[str] = BINANCE
    is_cut_by_age: ClassVar[bool] = True
    has_snapshots: ClassVar[bool] = True

    trades: str = field(default="trade", kw_only=True)
    snapshot_levels: int = field(default=1000, kw_only=True)

    @classmethod
    def of(cls, settings: BinanceFeedSettings, timing: FeedTiming) -> Binance:
        """Return the venue as it is configured."""
        channels = (Channel.QUOTES, Channel.TRADES)
        return cls(
            timing,
            settings.url,
            settings.rest_url,
            settings.retry_seconds,
            settings.silence_seconds,
            tuple(FeedTopic(BINANCE, channel, symbol) for symbol in settings.symbols for channel in channels),
            trades=settings.trades,
            snapshot_levels=settings.snapshot_levels,
        )

    def streams_of(self, topic: FeedTopic) -> tuple[str, ...]:
        """As the wire names them."""
        return streams_of(topic, self.trades)

    def has_room(self, streams: Collection[str], stream: str) -> bool:
        """A connection carries 1,024 streams."""
        del stream
        return len(streams) < MAX_STREAMS_PER_CONNECTION

    def decoder(self, group: str) -> Decoder:
        """Every connection is alike."""
        del group
        return BinanceDecoder()

    def protocol(self) -> Protocol:
        """Requests with numbers."""
        return BinanceProtocol()

    def socket(self, group: str, name: str) -> SocketConfig:
        """The venue pings every 20 s, which the connection answers by itself."""
        del group
        return self.socket_config(
            name,
            self.url,
            message_rate=MESSAGES_PER_SECOND,
            message_burst=2,
            subscribe_batch=MAX_STREAMS_PER_MESSAGE,
        )

    def book(self, symbol: str) -> SyncedBook:
        """Snapshot and updates, joined by U and u."""
        return BinanceSpotBook(symbol)

    def speaks_always(self, stream: str) -> bool:
        """Bars are told every two seconds, also where nothing is traded."""
        return "@kline_" in stream

    def rest_interval_seconds(self) -> float:
        """As far apart as the weight of a snapshot asks for."""
        weight = next(weight for levels, weight in _WEIGHTS if self.snapshot_levels <= levels)
        return max(self.timing.rest_interval, self.timing.rest_interval * weight / _WEIGHT_PER_SECOND)

    async def list_instruments(self, rest: RestClient, odd: list[str]) -> list[VenueInstrument]:
        """``exchangeInfo``, without the permissions, which are most of it."""
        return read_instruments(await rest.get("/api/v3/exchangeInfo", {"showPermissionSets": "false"}), odd)

    async def fetch_snapshot(self, rest: RestClient, symbol: str) -> BookSnapshot:
        """``depth``."""
        answer = await rest.get("/api/v3/depth", {"symbol": symbol, "limit": self.snapshot_levels})
        return read_snapshot(BINANCE, answer)
