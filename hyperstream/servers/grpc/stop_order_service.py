"""hyperstream.v1.StopOrderService: the stop and take-profit orders that wait for their price."""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import define
from grpclib.server import Stream

from hyperstream.hub.delivery import Contract
from hyperstream.servers.grpc.market_service import QUEUED, Following, MarketService
from hyperstream.servers.grpc.message_stream import charge_markets
from hyperstream.servers.grpc.requests import choose_contract, choose_markets, heartbeat_seconds
from hyperstream.v1 import stop_order_pb2
from hyperstream.wire.protobuf.stop_orders import STOP_ORDERS, snapshot_field


@define(eq=False)
class StopOrderService(MarketService):
    """What waits beside the books."""

    descriptor = stop_order_pb2.DESCRIPTOR.services_by_name["StopOrderService"]

    async def GetStopOrders(self, stream: Stream[Any, Any]) -> None:  # noqa: N802 - named by the proto
        """The orders that wait now. Markets are told one after the other, others run in between."""
        request = await self._request(stream)
        chosen = choose_markets(request, self.directory)
        charge_markets(stream, len(chosen.markets))
        parts: list[bytes] = []
        for market in chosen.markets:
            parts.append(snapshot_field(market.stops.now(STOP_ORDERS)))
            await asyncio.sleep(0)
        await stream.send_message(b"".join(parts))

    async def SubscribeStopOrders(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """A snapshot of the orders that wait, and every change."""
        request = await self._request(stream)
        await self._follow(
            stream,
            Following(
                choose_markets(request, self.directory),
                STOP_ORDERS,
                choose_contract(request.delivery, Contract.LOSSLESS, QUEUED),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                lambda market: market.stops.stream(STOP_ORDERS),
            ),
        )
