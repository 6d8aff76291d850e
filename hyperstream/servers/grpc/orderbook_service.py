"""hyperstream.v1.OrderbookService: requests become subscriptions, bytes become responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import define
from grpclib.server import Stream

from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import PublishedMarket
from hyperstream.servers.grpc.listing import describe_market
from hyperstream.servers.grpc.market_service import QUEUED, Following, MarketService
from hyperstream.servers.grpc.requests import (
    book_variant,
    choose_contract,
    choose_markets,
    choose_one,
    heartbeat_seconds,
    require_ready,
)
from hyperstream.v1 import orderbook_pb2
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES

ANY = frozenset(Contract)


@define(eq=False)
class OrderbookService(MarketService):
    """Books, best prices, trades and orders."""

    descriptor = orderbook_pb2.DESCRIPTOR.services_by_name["OrderbookService"]

    async def GetMarkets(self, stream: Stream[Any, Any]) -> None:  # noqa: N802 - named by the proto
        """The markets named, or all."""
        request = await self._request(stream)
        require_ready(self.directory)
        markets: Iterable[PublishedMarket] = self.directory.all_markets()
        if request.symbols or request.market_ids:
            markets = choose_markets(request, self.directory).markets
        await stream.send_message(
            orderbook_pb2.GetMarketsResponse(
                markets=[describe_market(market) for market in markets], height=self.directory.height
            )
        )

    async def GetOrderbook(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """The book of one market now."""
        request = await self._request(stream)
        variant = book_variant(request)
        frame = ORDERBOOK.encode(choose_one(request, self.directory).book_now(variant))
        response = orderbook_pb2.SubscribeOrderbookResponse.FromString(frame)
        await stream.send_message(response.events[0].snapshot)

    async def SubscribeOrderbook(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """A snapshot and what changes within the depth."""
        request = await self._request(stream)
        only_snapshots = request.snapshots_only
        variant = book_variant(request, snapshots_only=only_snapshots)
        default = Contract.CONFLATE if only_snapshots else Contract.RESYNC
        await self._follow(
            stream,
            Following(
                choose_markets(request, self.directory),
                ORDERBOOK,
                choose_contract(request.delivery, default, ANY if only_snapshots else QUEUED),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                lambda market: market.book_stream(variant),
            ),
        )

    async def SubscribeBbo(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """The best bid and ask."""
        request = await self._request(stream)
        await self._follow(
            stream,
            Following(
                choose_markets(request, self.directory),
                BBO,
                choose_contract(request.delivery, Contract.CONFLATE, ANY),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                lambda market: market.bbo_stream(),
            ),
        )

    async def SubscribeTrades(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """The trades."""
        request = await self._request(stream)
        await self._follow(
            stream,
            Following(
                choose_markets(request, self.directory),
                TRADES,
                choose_contract(request.delivery, Contract.LOSSLESS, QUEUED),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                lambda market: market.trades_stream(),
            ),
        )

    async def SubscribeOrders(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """Every order."""
        request = await self._request(stream)
        await self._follow(
            stream,
            Following(
                choose_markets(request, self.directory),
                ORDERS,
                choose_contract(request.delivery, Contract.LOSSLESS, QUEUED),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                lambda market: market.orders_stream(),
            ),
        )
