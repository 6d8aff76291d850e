"""hyperstream.v1.PriceService: one subscription per call, changed by requests while it is being served.

Two tasks share a call. One sends what the subscription has, as for every other stream (``subscriber.py``).
The other reads requests, one after the other, no faster than the answers are read: what a client sends
beyond that stays in its own window, and in the end in its own socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define, field
from google.protobuf.message_factory import GetMessageClass
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.price_directory import PriceDirectory
from hyperstream.servers.grpc.codec import UnreadableRequest
from hyperstream.servers.grpc.message_stream import charge_series
from hyperstream.servers.grpc.price_following import PriceFollowing
from hyperstream.servers.grpc.price_instruments import describe_indicators, describe_venue
from hyperstream.servers.grpc.price_selections import PriceSelections, size_of
from hyperstream.servers.grpc.requests import MAX_HEARTBEAT_SECONDS, refuse
from hyperstream.servers.grpc.subscriber import Subscriber, name_of
from hyperstream.token_bucket import TokenBucket
from hyperstream.v1 import price_pb2
from hyperstream.wire.protobuf.prices import PRICES

_PREFIX = "/hyperstream.v1.PriceService/"

# A request costs ten series and each series it names one: a hundred requests a second, or a thousand series.
REQUEST_COST = 10
SERIES_PER_SECOND = 1_000
SERIES_AT_ONCE = 5_000
MAX_UNREAD_ANSWERS = 64
MAX_UNREAD_BYTES = 65_536


@define(eq=False)
class PriceService:
    """Serves the series of a directory. ``is_draining`` refuses new streams."""

    directory: PriceDirectory
    hub: Hub
    limits: OutboxLimits
    now_ns: Callable[[], int]
    max_series_per_stream: int
    is_draining: bool = False
    subscribers: dict[Subscriber, None] = field(factory=dict)

    async def GetInstruments(self, stream: Stream[Any, Any]) -> None:  # noqa: N802 - named by the proto
        """Venues with their markets, and every indicator."""
        request = await stream.recv_message()
        if request is None:
            raise GRPCError(Status.INVALID_ARGUMENT, "the call ended before its request came")
        reports = {report.name: report for report in self.directory.venues()}
        for i, name in enumerate(request.venues):
            if name not in reports:
                refuse(f"venues[{i}]", f"there is no venue {name[:100]!r}; there are {', '.join(reports)}")
        venues = []
        for name in dict.fromkeys(request.venues or reports):
            venues.append(describe_venue(reports[name], with_instruments=not request.omit_instruments))
            await asyncio.sleep(0)  # thousands of instruments take milliseconds
        indicators = () if request.omit_indicators else describe_indicators()
        await stream.send_message(price_pb2.GetInstrumentsResponse(venues=venues, indicators=indicators))

    async def StreamPrices(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        """Whatever the requests on the stream ask for."""
        if self.is_draining:
            raise GRPCError(Status.UNAVAILABLE, "hyperstream is shutting down; connect again in a moment")
        subscriber = Subscriber(
            stream, heartbeat=lambda: PRICES.heartbeat(self.now_ns(), 0), heartbeat_seconds=0
        )
        subscription = self.hub.subscribe(Contract.CONFLATE, PRICES, subscriber.wake, self.limits)
        subscription.who = name_of(stream)
        subscriber.follow(subscription)
        most = self.max_series_per_stream
        following = PriceFollowing(
            self.directory, subscription, lambda count: charge_series(stream, count), most
        )
        self.subscribers[subscriber] = None
        reader = asyncio.create_task(
            self._read(stream, subscriber, PriceSelections(following)), name="price requests"
        )
        reader.add_done_callback(lambda task: _reading_ended(task, subscriber))
        try:
            await subscriber.run()
        finally:
            reader.cancel()
            del self.subscribers[subscriber]
            subscription.finish()
        if reader.done() and not reader.cancelled():
            reader.result()

    async def _read(
        self, stream: Stream[Any, Any], subscriber: Subscriber, selections: PriceSelections
    ) -> None:
        """Do what requests ask for, until the client has no more."""
        loop = asyncio.get_running_loop()
        bucket = TokenBucket(SERIES_PER_SECOND, SERIES_AT_ONCE)
        subscription = subscriber.subscription
        while True:
            try:
                request = await stream.recv_message()
            except UnreadableRequest as exc:
                selections.refuse(exc.message or "")
                await asyncio.sleep(bucket.owe(loop.time(), REQUEST_COST))
                continue
            if request is None:
                return
            if request.heartbeat_seconds:
                subscriber.heartbeat_seconds = min(request.heartbeat_seconds, MAX_HEARTBEAT_SECONDS)
                subscriber.wake()  # it rests, and has set no timer
            for _ in selections.steps(request):
                await asyncio.sleep(0)  # bars begin with their history, which takes milliseconds
            while _is_too_much(subscription.unread_answers):
                if subscription.is_finished:
                    return
                await subscriber.wait_taken()
            await asyncio.sleep(bucket.owe(loop.time(), REQUEST_COST + size_of(request)))

    def __mapping__(self) -> dict[str, Handler]:
        """The calls by path, as grpclib wants them."""
        service = price_pb2.DESCRIPTOR.services_by_name["PriceService"]
        kinds = {"GetInstruments": Cardinality.UNARY_UNARY, "StreamPrices": Cardinality.STREAM_STREAM}
        return {
            _PREFIX + method.name: Handler(
                getattr(self, method.name),
                kinds[method.name],
                GetMessageClass(method.input_type),
                GetMessageClass(method.output_type),
            )
            for method in service.methods
        }


def _is_too_much(unread: tuple[int, int]) -> bool:
    return unread[0] >= MAX_UNREAD_ANSWERS or unread[1] >= MAX_UNREAD_BYTES


def _reading_ended(reader: asyncio.Task[None], subscriber: Subscriber) -> None:
    """Requests that cannot be read on end the stream behind what waits; that there are no more does not."""
    if not reader.cancelled() and reader.exception() is not None:
        subscriber.subscription.finish()
