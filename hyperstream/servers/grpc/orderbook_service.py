"""hyperstream.v1.OrderbookService: requests become subscriptions, bytes become responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field, frozen
from google.protobuf.message_factory import GetMessageClass
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from hyperstream.hub.directory import MarketDirectory, PublishedMarket
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Contract, OutboxLimits
from hyperstream.hub.topic import Topic
from hyperstream.servers.grpc.listing import describe_market
from hyperstream.servers.grpc.message_stream import charge_markets
from hyperstream.servers.grpc.requests import (
    Chosen,
    book_variant,
    choose_contract,
    choose_markets,
    choose_one,
    heartbeat_seconds,
    require_ready,
    resume_points,
)
from hyperstream.servers.grpc.subscriber import Subscriber, name_of
from hyperstream.v1 import common_pb2, orderbook_pb2
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES, ProtobufFormat

QUEUED = frozenset({Contract.LOSSLESS, Contract.RESYNC})
ANY = frozenset(Contract)
_PREFIX = "/hyperstream.v1.OrderbookService/"


@frozen
class _Following:
    """What a streaming request comes down to."""

    chosen: Chosen
    wire_format: ProtobufFormat
    contract: Contract
    heartbeat_seconds: int
    resume: Iterable[common_pb2.ResumePoint]
    topic_of: Callable[[PublishedMarket], Topic]


@define(eq=False)
class OrderbookService:
    """Serves the markets of a directory. ``is_draining`` refuses new streams."""

    directory: MarketDirectory
    hub: Hub
    limits: OutboxLimits
    now_ns: Callable[[], int]
    is_draining: bool = False
    subscribers: dict[Subscriber, None] = field(factory=dict)

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
        topic = choose_one(request, self.directory).book_stream(variant)
        snapshot = topic.snapshot()
        frame = snapshot.frame(0) if snapshot is not None else None
        if frame is None:
            raise GRPCError(Status.UNAVAILABLE, "the book cannot be read now; try again")
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
            _Following(
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
            _Following(
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
            _Following(
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
            _Following(
                choose_markets(request, self.directory),
                ORDERS,
                choose_contract(request.delivery, Contract.LOSSLESS, QUEUED),
                heartbeat_seconds(request.heartbeat_seconds),
                request.resume,
                lambda market: market.orders_stream(),
            ),
        )

    async def _request(self, stream: Stream[Any, Any]) -> Any:
        """The call's request; new calls are refused while draining."""
        if self.is_draining:
            raise GRPCError(Status.UNAVAILABLE, "hyperstream is shutting down; connect again in a moment")
        request = await stream.recv_message()
        if request is None:
            raise GRPCError(Status.INVALID_ARGUMENT, "the call ended before its request came")
        return request

    async def _follow(self, stream: Stream[Any, Any], following: _Following) -> None:
        """Subscribe to the topics and send until the end."""
        charge_markets(stream, len(following.chosen.markets))
        wire_format = following.wire_format
        subscriber = Subscriber(
            stream,
            heartbeat=lambda: wire_format.heartbeat(self.now_ns(), self.directory.height),
            heartbeat_seconds=following.heartbeat_seconds,
        )
        subscription = self.hub.subscribe(following.contract, wire_format, subscriber.wake, self.limits)
        subscription.who = name_of(stream)
        subscriber.follow(subscription)
        resume = resume_points(following.resume)

        def attach(market: PublishedMarket) -> None:
            subscription.attach(following.topic_of(market), resume.get(market.name.symbol))

        for market in following.chosen.markets:
            attach(market)
        if following.chosen.is_every:
            self.directory.follow_new_markets(attach)
        subscription.flush()
        self.subscribers[subscriber] = None
        try:
            await subscriber.run()
        finally:
            del self.subscribers[subscriber]
            self.directory.unfollow_new_markets(attach)
            subscription.finish()

    def __mapping__(self) -> dict[str, Handler]:
        """The calls by path, as grpclib wants them; names and types come from the descriptor."""
        service = orderbook_pb2.DESCRIPTOR.services_by_name["OrderbookService"]
        handlers = {}
        for method in service.methods:
            cardinality = Cardinality.UNARY_STREAM if method.server_streaming else Cardinality.UNARY_UNARY
            handlers[_PREFIX + method.name] = Handler(
                getattr(self, method.name),
                cardinality,
                GetMessageClass(method.input_type),
                GetMessageClass(method.output_type),
            )
        return handlers
