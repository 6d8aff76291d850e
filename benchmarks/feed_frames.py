"""Frames as the three venues send them: what the fake exchanges say of lively markets, taken down.

The mix is a feed's: best prices, trades, books and tickers of three markets each. Everything comes from a
seed, so the same frames are measured every time, and updates of books link up as the venue's do.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson
import trio
from attrs import frozen
from trio_websocket import wrap_client_stream

from hyperstream.sockets import Protocol
from hyperstream.sources.exchanges.binance_protocol import BinanceProtocol
from hyperstream.sources.exchanges.bybit import BybitProtocol
from hyperstream.sources.exchanges.hyperliquid import HyperliquidProtocol
from hyperstream.sources.exchanges.venue import Decoder
from hyperstream.testing.exchanges import (
    Activity,
    BinanceLimits,
    FakeBinance,
    FakeBybit,
    FakeHyperliquid,
    FakeVenue,
)
from hyperstream.wire.binance import BinanceDecoder
from hyperstream.wire.bybit import BybitDecoder
from hyperstream.wire.hyperliquid import HyperliquidDecoder

STEP_MS = 20
MAX_FRAME_BYTES = 1 << 24
# Large markets on a lively day: a Binance depth update of 100 ms holds some twenty levels.
ACTIVITY = Activity(changes_per_second=200, trades_per_second=15)


@frozen
class Source:
    """A venue to be recorded: how to make its fake, the path of its stream, what to ask for.

    ``is_data`` tells market data from answers; ``decoder`` and ``protocol`` are those of the venue's feed.
    """

    make_fake: Callable[[], FakeVenue]
    path: str
    requests: Sequence[bytes]
    streams: Sequence[str]
    make_decoder: Callable[[], Decoder]
    make_protocol: Callable[[], Protocol]
    is_data: Callable[[Any], bool]

    def decoder(self) -> Decoder:
        """Return a decoder that follows everything."""
        decoder = self.make_decoder()
        for stream in self.streams:
            decoder.follow(stream)
        return decoder

    def protocol(self) -> Protocol:
        """Return how the streams are asked for, of a venue that answers nothing."""
        protocol = self.make_protocol()
        protocol.acknowledges = False
        return protocol


def binance() -> Source:
    """Spot: best prices, aggregated trades and changes of the whole book, of three symbols."""
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    kinds = ("bookTicker", "aggTrade", "depth@100ms")
    streams = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds]
    limits = BinanceLimits(ping_seconds=0)
    fake = partial(FakeBinance, symbols=symbols, activity=ACTIVITY, limits=limits)
    request = orjson.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1})
    return Source(
        fake,
        "/stream",
        [request],
        streams,
        BinanceDecoder,
        BinanceProtocol,
        lambda message: "stream" in message,
    )


def bybit() -> Source:
    """Linear: best prices, books of fifty levels, trades and tickers of three symbols."""
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    kinds = ("orderbook.1", "orderbook.50", "publicTrade", "tickers")
    topics = [f"{kind}.{symbol}" for symbol in symbols for kind in kinds]
    fake = partial(FakeBybit, symbols=symbols, activity=ACTIVITY)
    request = orjson.dumps({"req_id": "1", "op": "subscribe", "args": topics})
    return Source(
        fake,
        "/v5/public/linear",
        [request],
        topics,
        BybitDecoder,
        BybitProtocol,
        lambda message: "topic" in message,
    )


def hyperliquid() -> Source:
    """Best prices, trades, books of twenty levels and tickers of three coins."""
    coins = ("BTC", "ETH", "SOL")
    kinds = ("bbo", "trades", "l2Book", "activeAssetCtx")
    wanted = [{"type": kind, "coin": coin} for coin in coins for kind in kinds]
    fake = partial(FakeHyperliquid, symbols=coins, activity=ACTIVITY)
    requests = [orjson.dumps({"method": "subscribe", "subscription": one}) for one in wanted]
    return Source(
        fake,
        "/ws",
        requests,
        [f"{one['type']}:{one['coin']}" for one in wanted],
        HyperliquidDecoder,
        HyperliquidProtocol,
        lambda message: message["channel"] != "subscriptionResponse",
    )


SOURCES = {"binance": binance, "bybit": bybit, "hyperliquid": hyperliquid}


async def record(source: Source, count: int) -> list[bytes]:
    """Return the first ``count`` frames with market data."""
    frames: list[bytes] = []
    answers = 0
    fake = source.make_fake()
    async with fake.serve(), trio.open_nursery() as nursery:
        stream: Any = fake.open_stream()
        socket = await wrap_client_stream(
            nursery, stream, "fake", source.path, max_message_size=MAX_FRAME_BYTES
        )
        for request in source.requests:
            await socket.send_message(request.decode())
        while len(frames) < count:
            frame = str(await socket.get_message()).encode()
            if source.is_data(orjson.loads(frame)):
                frames.append(frame)
                continue
            answers += 1
            if answers == len(source.requests):  # or else frames would depend on who ran first
                nursery.start_soon(_live, fake, name="live")
        nursery.cancel_scope.cancel(reason="enough was recorded")
    return frames


async def _live(fake: FakeVenue) -> None:
    while True:
        fake.step(STEP_MS)
        await fake.flushed()
        await trio.lowlevel.checkpoint()
