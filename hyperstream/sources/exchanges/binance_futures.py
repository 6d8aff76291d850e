"""Binance USD-M futures."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from attrs import define, field

from hyperstream.config import BinanceFuturesFeedSettings
from hyperstream.market.binance_books import BinanceFuturesBook
from hyperstream.market.venue_book import BookSnapshot, SyncedBook
from hyperstream.market.venues import BINANCE_FUTURES, Channel, FeedTopic, VenueInstrument
from hyperstream.sockets import Protocol, SocketConfig
from hyperstream.sources.exchanges.binance_protocol import BinanceProtocol
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.timing import FeedTiming
from hyperstream.sources.exchanges.venue import Decoder, Venue
from hyperstream.wire.binance_fields import MAX_STREAMS_PER_MESSAGE, read_snapshot
from hyperstream.wire.binance_futures import BinanceFuturesDecoder, path_of, read_instruments, streams_of

# Ten messages a second, pings and pongs included.
MESSAGES_PER_SECOND = 8.0
# 1,024 are allowed; older documentation says 200, and a connection more costs little.
MAX_STREAMS = 200
SNAPSHOT_LEVELS = 1000


@define(eq=False)
class BinanceFutures(Venue):
    """Binance USD-M: two kinds of connections, public and market; snapshots by HTTP."""

    name: ClassVar[str] = BINANCE_FUTURES
    is_cut_by_age: ClassVar[bool] = True
    has_snapshots: ClassVar[bool] = True

    trades: str = field(default="aggTrade", kw_only=True)

    @classmethod
    def of(cls, settings: BinanceFuturesFeedSettings, timing: FeedTiming) -> BinanceFutures:
        """Return the venue as it is configured."""
        channels = (Channel.QUOTES, Channel.TRADES)
        return cls(
            timing,
            settings.url,
            settings.rest_url,
            settings.retry_seconds,
            settings.silence_seconds,
            tuple(
                FeedTopic(BINANCE_FUTURES, channel, symbol)
                for symbol in settings.symbols
                for channel in channels
            ),
            trades=settings.trades,
        )

    def streams_of(self, topic: FeedTopic) -> tuple[str, ...]:
        """As the wire names them."""
        return streams_of(topic, self.trades)

    def group_of(self, stream: str) -> str:
        """Streams are served under /public or /market, and silent under the other."""
        return path_of(stream)

    def has_room(self, streams: Collection[str], stream: str) -> bool:
        """So many streams a connection."""
        del stream
        return len(streams) < MAX_STREAMS

    def decoder(self, group: str) -> Decoder:
        """Both paths are read alike."""
        del group
        return BinanceFuturesDecoder()

    def protocol(self) -> Protocol:
        """Requests with numbers."""
        return BinanceProtocol()

    def socket(self, group: str, name: str) -> SocketConfig:
        """The venue pings every 3 minutes, which the connection answers by itself."""
        return self.socket_config(
            name,
            f"{self.url.rstrip('/')}/{group}/stream",
            message_rate=MESSAGES_PER_SECOND,
            message_burst=2,
            subscribe_batch=MAX_STREAMS_PER_MESSAGE,
        )

    def book(self, symbol: str) -> SyncedBook:
        """Snapshot and updates, linked by pu."""
        return BinanceFuturesBook(symbol)

    def speaks_always(self, stream: str) -> bool:
        """Bars and mark prices are told whether anything is traded or not."""
        return "@kline_" in stream or "@markPrice" in stream

    async def list_instruments(self, rest: RestClient, odd: list[str]) -> list[VenueInstrument]:
        """``exchangeInfo``."""
        return read_instruments(await rest.get("/fapi/v1/exchangeInfo"), odd)

    async def fetch_snapshot(self, rest: RestClient, symbol: str) -> BookSnapshot:
        """``depth``."""
        answer = await rest.get("/fapi/v1/depth", {"symbol": symbol, "limit": SNAPSHOT_LEVELS})
        return read_snapshot(BINANCE_FUTURES, answer)
