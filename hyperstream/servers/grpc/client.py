"""A client of hyperstream for Trio programs.

    async with connect("127.0.0.1:50051") as client:
        async with client.subscribe_orderbook(["BTC"], depth=20) as events:
            async for event in events:
                ...

grpclib needs an asyncio loop. ``connect`` uses the trio-asyncio loop of the calling task if
there is one, and otherwise opens one for as long as the client lives. Loops of separate
tasks do not disturb each other, and one may be opened inside another: trio-asyncio keeps
the current one in a context variable, and each loop is nothing but a Trio task that runs
callbacks. A client therefore works in the process of the daemon it talks to.

Errors: ServerUnavailable when there is no server or the connection broke; RpcError for a
status other than OK; FormatError when the server's bytes are not the messages announced.
They leave ``connect`` and the subscriptions as they are, never inside an ExceptionGroup.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import structlog
import trio
import trio_asyncio
from attrs import define, field
from google.protobuf.message import Message
from grpclib.client import StreamStreamMethod, UnaryStreamMethod, UnaryUnaryMethod

from hyperstream.errors import ConfigurationError
from hyperstream.servers.grpc.client_channel import ClientChannel, Traffic
from hyperstream.servers.grpc.client_stream import (
    Dialogue,
    EventStream,
    open_dialogue,
    open_stream,
    rpc_errors,
)
from hyperstream.v1 import common_pb2, mark_price_pb2, orderbook_pb2, price_pb2, stop_order_pb2

log = structlog.get_logger("hyperstream.client")

DEFAULT_PORT = 50051
CONNECT_SECONDS = 5.0
CALL_SECONDS = 10.0
_TARGET = re.compile(
    r"(?:\[(?P<bracketed>[0-9a-fA-F:.%]+)\]|(?P<name>[^\s:\[\]/]+))(?::(?P<port>[0-9]{1,5}))?"
    r"|(?P<ipv6>[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)",
    re.ASCII,
)
_SERVICE = "/hyperstream.v1.OrderbookService/"
_STOP_ORDER_SERVICE = "/hyperstream.v1.StopOrderService/"
_PRICE_SERVICE = "/hyperstream.v1.PriceService/"
_MARK_PRICE_SERVICE = "/hyperstream.v1.MarkPriceService/"

Response = TypeVar("Response", bound=Message)


@define(eq=False)
class Client:
    """Calls to one server; made by ``connect`` and of use only inside it."""

    target: str
    _channel: ClientChannel
    _metadata: dict[str, str] = field(factory=dict)

    def statistics(self) -> Traffic:
        """Return how many messages and bytes have arrived on all calls so far."""
        counter = self._channel.counter
        return Traffic(counter.messages, counter.message_bytes)

    async def get_markets(self, symbols: Sequence[str] = ()) -> orderbook_pb2.GetMarketsResponse:
        """Return the named markets, or all, and the height of the last block applied."""
        request = orderbook_pb2.GetMarketsRequest(symbols=symbols)
        return await self._call("GetMarkets", request, orderbook_pb2.GetMarketsResponse)

    async def get_orderbook(
        self, symbol: str, *, depth: int = 0, significant_figures: int = 0, mantissa: int = 0
    ) -> orderbook_pb2.OrderbookSnapshot:
        """Return the book of one market now; zeros mean the server's defaults."""
        request = orderbook_pb2.GetOrderbookRequest(
            symbols=[symbol], depth=depth, significant_figures=significant_figures, mantissa=mantissa
        )
        return await self._call("GetOrderbook", request, orderbook_pb2.OrderbookSnapshot)

    def subscribe_orderbook(
        self,
        symbols: Sequence[str],
        *,
        depth: int = 0,
        significant_figures: int = 0,
        mantissa: int = 0,
        delivery: common_pb2.DeliveryContract = common_pb2.DELIVERY_CONTRACT_UNSPECIFIED,
        snapshots_only: bool = False,
        heartbeat_seconds: int = 0,
        resume: Sequence[common_pb2.ResumePoint] = (),
    ) -> AbstractAsyncContextManager[EventStream[orderbook_pb2.OrderbookEvent]]:
        """Stream a snapshot of each book, then every change within the depth."""
        request = orderbook_pb2.SubscribeOrderbookRequest(
            symbols=symbols,
            depth=depth,
            significant_figures=significant_figures,
            mantissa=mantissa,
            delivery=delivery,
            snapshots_only=snapshots_only,
            heartbeat_seconds=heartbeat_seconds,
            resume=resume,
        )
        return self._subscribe("SubscribeOrderbook", request, orderbook_pb2.SubscribeOrderbookResponse)

    def subscribe_bbo(
        self,
        symbols: Sequence[str],
        *,
        delivery: common_pb2.DeliveryContract = common_pb2.DELIVERY_CONTRACT_UNSPECIFIED,
        heartbeat_seconds: int = 0,
        resume: Sequence[common_pb2.ResumePoint] = (),
    ) -> AbstractAsyncContextManager[EventStream[orderbook_pb2.BboEvent]]:
        """Stream the best bid and ask of each market whenever either changed."""
        request = orderbook_pb2.SubscribeBboRequest(
            symbols=symbols, delivery=delivery, heartbeat_seconds=heartbeat_seconds, resume=resume
        )
        return self._subscribe("SubscribeBbo", request, orderbook_pb2.SubscribeBboResponse)

    def subscribe_trades(
        self,
        symbols: Sequence[str],
        *,
        delivery: common_pb2.DeliveryContract = common_pb2.DELIVERY_CONTRACT_UNSPECIFIED,
        heartbeat_seconds: int = 0,
        resume: Sequence[common_pb2.ResumePoint] = (),
    ) -> AbstractAsyncContextManager[EventStream[orderbook_pb2.TradesEvent]]:
        """Stream the trades of each market, a batch per block."""
        request = orderbook_pb2.SubscribeTradesRequest(
            symbols=symbols, delivery=delivery, heartbeat_seconds=heartbeat_seconds, resume=resume
        )
        return self._subscribe("SubscribeTrades", request, orderbook_pb2.SubscribeTradesResponse)

    def subscribe_orders(
        self,
        symbols: Sequence[str],
        *,
        delivery: common_pb2.DeliveryContract = common_pb2.DELIVERY_CONTRACT_UNSPECIFIED,
        heartbeat_seconds: int = 0,
        resume: Sequence[common_pb2.ResumePoint] = (),
    ) -> AbstractAsyncContextManager[EventStream[orderbook_pb2.OrdersEvent]]:
        """Stream every resting order of each market, then every change of one."""
        request = orderbook_pb2.SubscribeOrdersRequest(
            symbols=symbols, delivery=delivery, heartbeat_seconds=heartbeat_seconds, resume=resume
        )
        return self._subscribe("SubscribeOrders", request, orderbook_pb2.SubscribeOrdersResponse)

    async def get_mark_price(self, symbol: str) -> mark_price_pb2.MarkPrice:
        """Return the mark price of one market now, with what made it."""
        request = mark_price_pb2.GetMarkPriceRequest(symbols=[symbol])
        return await self._call("GetMarkPrice", request, mark_price_pb2.MarkPrice, _MARK_PRICE_SERVICE)

    def subscribe_mark_prices(
        self,
        symbols: Sequence[str],
        *,
        delivery: common_pb2.DeliveryContract = common_pb2.DELIVERY_CONTRACT_UNSPECIFIED,
        heartbeat_seconds: int = 0,
        resume: Sequence[common_pb2.ResumePoint] = (),
    ) -> AbstractAsyncContextManager[EventStream[mark_price_pb2.MarkPriceEvent]]:
        """Stream the mark price of each market, once a second."""
        request = mark_price_pb2.SubscribeMarkPricesRequest(
            symbols=symbols, delivery=delivery, heartbeat_seconds=heartbeat_seconds, resume=resume
        )
        response = mark_price_pb2.SubscribeMarkPricesResponse
        return self._subscribe("SubscribeMarkPrices", request, response, _MARK_PRICE_SERVICE)

    async def get_stop_orders(self, symbols: Sequence[str]) -> stop_order_pb2.GetStopOrdersResponse:
        """Return the stop and take-profit orders that wait in these markets now."""
        request = stop_order_pb2.GetStopOrdersRequest(symbols=symbols)
        reply = stop_order_pb2.GetStopOrdersResponse
        return await self._call("GetStopOrders", request, reply, _STOP_ORDER_SERVICE)

    def subscribe_stop_orders(
        self,
        symbols: Sequence[str],
        *,
        delivery: common_pb2.DeliveryContract = common_pb2.DELIVERY_CONTRACT_UNSPECIFIED,
        heartbeat_seconds: int = 0,
        resume: Sequence[common_pb2.ResumePoint] = (),
    ) -> AbstractAsyncContextManager[EventStream[stop_order_pb2.StopOrdersEvent]]:
        """Stream the stop and take-profit orders that wait in each market, then every change."""
        request = stop_order_pb2.SubscribeStopOrdersRequest(
            symbols=symbols, delivery=delivery, heartbeat_seconds=heartbeat_seconds, resume=resume
        )
        reply = stop_order_pb2.SubscribeStopOrdersResponse
        return self._subscribe("SubscribeStopOrders", request, reply, _STOP_ORDER_SERVICE)

    async def get_instruments(
        self, venues: Sequence[str] = (), *, omit_instruments: bool = False, omit_indicators: bool = False
    ) -> price_pb2.GetInstrumentsResponse:
        """Return the venues named, or all, with their markets, and every indicator there is."""
        request = price_pb2.GetInstrumentsRequest(
            venues=venues, omit_instruments=omit_instruments, omit_indicators=omit_indicators
        )
        return await self._call("GetInstruments", request, price_pb2.GetInstrumentsResponse, _PRICE_SERVICE)

    def stream_prices(self) -> AbstractAsyncContextManager[Dialogue[price_pb2.PriceStreamEvent]]:
        """Stream prices, bars and indicators: ``request`` a StreamPricesRequest at any time."""
        method = StreamStreamMethod(
            self._channel,
            _PRICE_SERVICE + "StreamPrices",
            price_pb2.StreamPricesRequest,
            price_pb2.StreamPricesResponse,
        )
        return open_dialogue(self.target, method.open(metadata=self._metadata))

    async def _call(
        self, name: str, request: Message, response_type: type[Response], service: str = _SERVICE
    ) -> Response:
        method = UnaryUnaryMethod(self._channel, service + name, type(request), response_type)
        call: Callable[..., Awaitable[Response]] = trio_asyncio.aio_as_trio(method)
        with rpc_errors(self.target):
            return await call(request, timeout=CALL_SECONDS, metadata=self._metadata)

    def _subscribe(
        self, name: str, request: Message, response_type: type[Any], service: str = _SERVICE
    ) -> AbstractAsyncContextManager[EventStream[Any]]:
        method = UnaryStreamMethod(self._channel, service + name, type(request), response_type)
        return open_stream(self.target, method.open(metadata=self._metadata), request)


@asynccontextmanager
async def connect(target: str, *, api_key: str = "") -> AsyncIterator[Client]:
    """Connect to a server and yield a Client; hang up at the end of the block.

    ``target`` is ``HOST:PORT``, ``HOST`` (port 50051) or ``[IPV6]:PORT``. Raises
    ConfigurationError when it is none of those and ServerUnavailable when nobody answers.
    """
    host, port = parse_target(target)
    metadata = {"authorization": f"Bearer {api_key}"} if api_key else {}
    failure: Exception | None = None
    async with AsyncExitStack() as stack:
        if trio_asyncio.current_loop.get() is None:
            loop = await stack.enter_async_context(trio_asyncio.open_loop())
            loop.set_exception_handler(_report)
        # An error of the body is kept back and raised when the loop is closed: passing
        # through the loop's nurseries it would come out wrapped in two exception groups.
        try:
            channel = ClientChannel(host, port)
            try:
                with rpc_errors(target), trio.fail_after(CONNECT_SECONDS):
                    await trio_asyncio.aio_as_trio(channel.open_connection)()
                yield Client(target, channel, metadata)
            finally:
                channel.close()
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure


def parse_target(target: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; raises ConfigurationError for anything else."""
    match = _TARGET.fullmatch(target)
    if match is None or not 0 < (port := int(match["port"] or DEFAULT_PORT)) < 65_536:
        raise ConfigurationError(f"not a server address: {target!r}; write HOST:PORT, as in 127.0.0.1:50051")
    return match["bracketed"] or match["ipv6"] or match["name"], port


def _report(_loop: Any, context: dict[str, Any]) -> None:
    """Log what asyncio could not hand to anybody. trio-asyncio's own handler ends the program."""
    log.warning(
        "asyncio reported a problem", problem=context.get("message"), error=repr(context.get("exception"))
    )
