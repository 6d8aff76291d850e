"""What the daemon of ``hyperstream demo`` listens to: imitations of three venues beside the node."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio
from attrs import evolve

from hyperstream.cli.watch.price_request import PriceChoices
from hyperstream.config import (
    FeedsSettings,
    GrpcSettings,
    HttpSettings,
    ListenAddress,
    LogSettings,
    NodeSettings,
    Settings,
    WebSocketSettings,
)
from hyperstream.testing import FakeBinance, FakeBybit, FakeHyperliquid
from hyperstream.v1 import price_pb2

# Venue, symbol, indicators; the node's own market beside those of the exchanges.
_FOLLOWED = (
    ("binance", "BTCUSDT", ("rsi:14", "ema:20", "bbands:20,2")),
    ("binance_futures", "BTCUSDT", ()),
    ("hyperliquid", "BTC", ()),
    ("bybit", "BTCUSDT", ("macd:12,26,9",)),
    ("node", "BTC", ("book_imbalance", "microprice")),
)


def price_request(heartbeat_seconds: int) -> price_pb2.StreamPricesRequest:
    """Ask for the prices and indicators that the demo shows."""
    request = price_pb2.StreamPricesRequest()
    for venue, symbol, indicators in _FOLLOWED:
        request.MergeFrom(PriceChoices((symbol,), venue, indicators).request(heartbeat_seconds))
    return request


def price_labels() -> dict[str, str]:
    """How the indicators are called on the screen, by their place in the request."""
    texts = [text for _, _, indicators in _FOLLOWED for text in indicators]
    return {f"indicators[{number}]": text for number, text in enumerate(texts)}


def settings(data_dir: Path, info_url: str, feeds: FeedsSettings) -> Settings:
    """The daemon's settings: everything on the loopback interface, ports as they are free."""
    return Settings(
        node=NodeSettings(data_dir=data_dir, info_url=info_url, snapshot="auto"),
        grpc=GrpcSettings(listen=ListenAddress("127.0.0.1", 0)),
        websocket=WebSocketSettings(listen=ListenAddress("127.0.0.1", 0)),
        http=HttpSettings(listen=ListenAddress("127.0.0.1", 0)),
        feeds=feeds,
        log=LogSettings(level="error"),
    )


@asynccontextmanager
async def serve_exchanges(seed: int) -> AsyncIterator[FeedsSettings]:
    """Run fakes of Binance, Hyperliquid and Bybit on the loopback interface; yields how to reach them."""
    now_ms = time.time_ns() // 1_000_000
    binance = FakeBinance(seed=seed, symbols=("BTCUSDT",), start_ms=now_ms)
    hyperliquid = FakeHyperliquid(seed=seed, symbols=("BTC",), start_ms=now_ms)
    bybit = FakeBybit(seed=seed, symbols=("BTCUSDT",), start_ms=now_ms)
    async with AsyncExitStack() as stack:
        of_binance = await stack.enter_async_context(binance.serve())
        of_hyperliquid = await stack.enter_async_context(hyperliquid.serve())
        of_bybit = await stack.enter_async_context(bybit.serve())
        plain = FeedsSettings()
        feeds = FeedsSettings(
            binance=evolve(
                plain.binance, url=of_binance.stream, rest_url=of_binance.rest, symbols=("BTCUSDT",)
            ),
            binance_futures=evolve(
                plain.binance_futures,
                url=of_binance.settings["feeds.binance_futures.url"],
                rest_url=of_binance.rest,
                symbols=("BTCUSDT",),
            ),
            hyperliquid=evolve(
                plain.hyperliquid, url=of_hyperliquid.stream, rest_url=of_hyperliquid.info, coins=("BTC",)
            ),
            bybit=evolve(plain.bybit, url=of_bybit.stream, rest_url=of_bybit.rest),
        )
        async with trio.open_nursery() as nursery:
            for fake in (binance, hyperliquid, bybit):
                nursery.start_soon(fake.run, name=type(fake).__name__)
            yield feeds
            nursery.cancel_scope.cancel(reason="the demo is over")
