"""An environment that sets nothing, and a scripted server of the gRPC project's own library."""

import os
import queue
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

from hyperstream.logs import reset
from hyperstream.v1 import common_pb2, mark_price_pb2, orderbook_pb2, stop_order_pb2

REQUESTS: dict[str, dict[str, Any]] = {
    "OrderbookService": {
        "SubscribeOrderbook": orderbook_pb2.SubscribeOrderbookRequest,
        "SubscribeBbo": orderbook_pb2.SubscribeBboRequest,
        "SubscribeTrades": orderbook_pb2.SubscribeTradesRequest,
        "SubscribeOrders": orderbook_pb2.SubscribeOrdersRequest,
    },
    "MarkPriceService": {"SubscribeMarkPrices": mark_price_pb2.SubscribeMarkPricesRequest},
    "StopOrderService": {"SubscribeStopOrders": stop_order_pb2.SubscribeStopOrdersRequest},
}
Script = Callable[[Any, Any], Iterator[Any]]


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away what configures hyperstream or colours output, and how a command has logs written."""
    for name in list(os.environ):
        if name.startswith(("HYPERSTREAM_", "FORCE_")):
            monkeypatch.delenv(name)
    yield
    reset()


class ScriptedServer:
    """Answers the n-th subscription with the n-th script of ``scripts``, the last one for ever after."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.requests: queue.Queue[Any] = queue.Queue()
        self.subscriptions = 0
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        for service, requests in REQUESTS.items():
            methods = {
                name: grpc.unary_stream_rpc_method_handler(
                    self._answer,
                    request_deserializer=request.FromString,
                    response_serializer=lambda message: message.SerializeToString(),
                )
                for name, request in requests.items()
            }
            handlers = grpc.method_handlers_generic_handler(f"hyperstream.v1.{service}", methods)
            self.server.add_generic_rpc_handlers((handlers,))
        self.target = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def _answer(self, request: Any, context: Any) -> Iterator[Any]:
        self.requests.put(request)
        number = min(self.subscriptions, len(self.scripts) - 1)
        self.subscriptions += 1
        yield from self.scripts[number](request, context)


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """Yield a running server without scripts."""
    server = ScriptedServer()
    yield server
    server.server.stop(None).wait(30)


class Events:
    """Makes responses of one market, with heads that count up."""

    def __init__(self, symbol: str = "BTC") -> None:
        self.symbol = symbol
        self.sequence = 0

    def _head(self) -> dict[str, Any]:
        self.sequence += 1
        now_ns = 1_746_464_339 * 10**9 + self.sequence * 70_000_000
        return {
            "symbol": self.symbol,
            "market_id": 3,
            "epoch": 1,
            "sequence": self.sequence,
            "height": 985_000_000 + self.sequence,
            "block_time_ns": now_ns,
            "node_time_ns": now_ns + 1,
            "read_time_ns": now_ns + 2,
            "publish_time_ns": now_ns + 3,
        }

    def snapshot(self, bids: dict[str, str], asks: dict[str, str], **more: Any) -> Any:
        return self._book(
            snapshot=orderbook_pb2.OrderbookSnapshot(
                **self._head(), bids=levels(bids), asks=levels(asks), **more
            )
        )

    def delta(self, bids: dict[str, str], asks: dict[str, str], **more: Any) -> Any:
        previous = more.pop("previous_sequence", self.sequence)
        return self._book(
            delta=orderbook_pb2.OrderbookDelta(
                **self._head(), previous_sequence=previous, bids=levels(bids), asks=levels(asks), **more
            )
        )

    def gap(self) -> Any:
        return self._book(
            gap=common_pb2.Gap(
                symbol=self.symbol,
                epoch=1,
                from_sequence=5,
                to_sequence=9,
                dropped=5,
                reason=common_pb2.GAP_REASON_SLOW_CONSUMER,
                detail="read too slowly",
            )
        )

    def bbo(self, bid: tuple[str, str] | None, ask: tuple[str, str] | None, **more: Any) -> Any:
        body = orderbook_pb2.Bbo(**self._head(), **more)
        for side, best in (("bid", bid), ("ask", ask)):
            if best is not None:
                getattr(body, side).CopyFrom(levels(dict([best]))[0])
        return orderbook_pb2.SubscribeBboResponse(events=[orderbook_pb2.BboEvent(bbo=body)])

    def trades(self, *trades: tuple[str, str, bool]) -> Any:
        head = self._head()
        body = orderbook_pb2.TradeBatch(
            **head,
            trades=[
                orderbook_pb2.Trade(
                    trade_id=number,
                    price=price,
                    size=size,
                    side=common_pb2.SIDE_BID if is_buy else common_pb2.SIDE_ASK,
                    trade_time_ns=head["block_time_ns"],
                )
                for number, (price, size, is_buy) in enumerate(trades)
            ],
        )
        return orderbook_pb2.SubscribeTradesResponse(events=[orderbook_pb2.TradesEvent(trades=body)])

    def orders(self, *orders: Any, **more: Any) -> Any:
        body = orderbook_pb2.OrdersSnapshot(**self._head(), orders=orders, last_chunk=True, **more)
        return orderbook_pb2.SubscribeOrdersResponse(events=[orderbook_pb2.OrdersEvent(snapshot=body)])

    def order_changes(self, *changes: Any, **more: Any) -> Any:
        previous = more.pop("previous_sequence", self.sequence)
        body = orderbook_pb2.OrdersDelta(**self._head(), previous_sequence=previous, changes=changes, **more)
        return orderbook_pb2.SubscribeOrdersResponse(events=[orderbook_pb2.OrdersEvent(delta=body)])

    def stops(self, *orders: Any, **more: Any) -> Any:
        fields = {"last_chunk": True, "complete": True, **more}
        body = stop_order_pb2.StopOrdersSnapshot(**self._head(), orders=orders, **fields)
        event = stop_order_pb2.StopOrdersEvent(snapshot=body)
        return stop_order_pb2.SubscribeStopOrdersResponse(events=[event])

    def stop_changes(self, *changes: Any, **more: Any) -> Any:
        previous = more.pop("previous_sequence", self.sequence)
        fields = {"complete": True, **more}
        body = stop_order_pb2.StopOrdersDelta(
            **self._head(), previous_sequence=previous, changes=changes, **fields
        )
        event = stop_order_pb2.StopOrdersEvent(delta=body)
        return stop_order_pb2.SubscribeStopOrdersResponse(events=[event])

    @staticmethod
    def _book(**event: Any) -> Any:
        return orderbook_pb2.SubscribeOrderbookResponse(events=[orderbook_pb2.OrderbookEvent(**event)])


def levels(side: dict[str, str]) -> list[Any]:
    return [orderbook_pb2.Level(price=price, size=size, order_count=1) for price, size in side.items()]


@pytest.fixture
def make() -> type[Events]:
    """The maker of responses, by market."""
    return Events
