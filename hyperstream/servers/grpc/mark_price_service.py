"""hyperstream.v1.MarkPriceService: mark prices of the node's markets."""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import define, field
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from hyperstream.hub.delivery import Contract
from hyperstream.hub.mark_directory import MarkDirectory
from hyperstream.hub.topic import Topic
from hyperstream.servers.grpc.market_service import Following, MarketService
from hyperstream.servers.grpc.requests import (
    choose_contract,
    choose_markets,
    choose_one,
    heartbeat_seconds,
)
from hyperstream.v1 import mark_price_pb2
from hyperstream.wire.protobuf.marks import MARK_PRICES

ANY = frozenset(Contract)
# A first mark waits two seconds for those who are to tell something, and is computed at the next look.
FIRST_MARK_SECONDS = 5.0


@define(eq=False)
class MarkPriceService(MarketService):
    """Serves the marks that ``marks`` computes of a directory's markets."""

    descriptor = mark_price_pb2.DESCRIPTOR.services_by_name["MarkPriceService"]

    marks: MarkDirectory = field(kw_only=True)

    async def GetMarkPrice(self, stream: Stream[Any, Any]) -> None:  # noqa: N802 - named by the proto
        """The mark price of one market now, or as soon as there is one."""
        request = await self._request(stream)
        market = choose_one(request, self.directory)
        try:
            mark = await asyncio.wait_for(self._first_mark(self.marks.stream(market)), FIRST_MARK_SECONDS)
        except TimeoutError:
            mark = None
        if mark is None:
            raise GRPCError(Status.UNAVAILABLE, "no mark price could be computed now; try again")
        await stream.send_message(mark)

    async def _first_mark(self, topic: Topic) -> mark_price_pb2.MarkPrice | None:
        """What a subscriber gets first; None if the stream ends without."""
        news = asyncio.Event()
        subscription = self.hub.subscribe(Contract.CONFLATE, MARK_PRICES, news.set, self.limits)
        try:
            subscription.attach(topic)
            while True:
                news.clear()
                message = subscription.take()
                if message is not None:
                    for event in mark_price_pb2.SubscribeMarkPricesResponse.FromString(message).events:
                        if event.HasField("mark_price"):
                            return event.mark_price
                elif subscription.is_finished:
                    return None
                else:
                    await news.wait()
        finally:
            subscription.finish()

    async def SubscribeMarkPrices(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """The mark price of each market, once a second."""
        request = await self._request(stream)
        await self._follow(
            stream,
            Following(
                choose_markets(request, self.directory),
                MARK_PRICES,
                choose_contract(request.delivery, Contract.CONFLATE, ANY),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                self.marks.stream,
            ),
        )
