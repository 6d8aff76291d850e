"""What the services of the node's markets share: requests become subscriptions, bytes become responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from attrs import define, field, frozen
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.directory import MarketDirectory, PublishedMarket
from hyperstream.hub.hub import Hub
from hyperstream.hub.topic import Topic
from hyperstream.servers.grpc.message_stream import charge_markets
from hyperstream.servers.grpc.requests import Chosen, resume_points
from hyperstream.servers.grpc.subscriber import Subscriber, name_of
from hyperstream.v1 import common_pb2
from hyperstream.wire.protobuf.formats import ProtobufFormat

QUEUED = frozenset({Contract.LOSSLESS, Contract.RESYNC})


@frozen
class Following:
    """What a streaming request comes down to."""

    chosen: Chosen
    wire_format: ProtobufFormat
    contract: Contract
    heartbeat_seconds: int
    resume: Iterable[common_pb2.ResumePoint]
    topic_of: Callable[[PublishedMarket], Topic]


@define(eq=False)
class MarketService:
    """Serves the markets of a directory; a subclass has a method for each call of its ``descriptor``.

    ``is_draining`` refuses new calls.
    """

    descriptor: ClassVar[ServiceDescriptor]

    directory: MarketDirectory
    hub: Hub
    limits: OutboxLimits
    now_ns: Callable[[], int]
    is_draining: bool = False
    subscribers: dict[Subscriber, None] = field(factory=dict)

    async def _request(self, stream: Stream[Any, Any]) -> Any:
        """The call's request; new calls are refused while draining."""
        if self.is_draining:
            raise GRPCError(Status.UNAVAILABLE, "hyperstream is shutting down; connect again in a moment")
        request = await stream.recv_message()
        if request is None:
            raise GRPCError(Status.INVALID_ARGUMENT, "the call ended before its request came")
        return request

    async def _follow(self, stream: Stream[Any, Any], following: Following) -> None:
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
        handlers = {}
        for method in self.descriptor.methods:
            cardinality = Cardinality.UNARY_STREAM if method.server_streaming else Cardinality.UNARY_UNARY
            handlers[f"/{self.descriptor.full_name}/{method.name}"] = Handler(
                getattr(self, method.name),
                cardinality,
                GetMessageClass(method.input_type),
                GetMessageClass(method.output_type),
            )
        return handlers
