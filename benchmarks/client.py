"""Subscribers of a benchmark, as a process: grpcio streams that note when each message came.

A foreign client on purpose, and a light one: messages stay raw bytes, and while it is measured it
keeps of each the time, the length and the first bytes, which hold the first event's height and times.
Parsing those, or whole messages with Python's protobuf, would be measured as the daemon's delay.

It answers lines of JSON on standard input with lines on standard output:

    (start)              {"connected": N}                   every stream has its initial metadata
    {"ask": "height"}    {"height": H, "time_ns": …}        the daemon's height, by GetMarkets
    {"ask": "samples"}   {"messages": …, "bytes": …}        what came so far, written to --output
"""

import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import grpc
import orjson
from attrs import define, field

from benchmarks.processes import answer
from hyperstream.v1 import orderbook_pb2

HEAD_BYTES = 200
SERVICE = "/hyperstream.v1.OrderbookService/"
REQUESTS: dict[str, tuple[str, Any]] = {
    "orderbook": ("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest),
    "bbo": ("SubscribeBbo", orderbook_pb2.SubscribeBboRequest),
    "trades": ("SubscribeTrades", orderbook_pb2.SubscribeTradesRequest),
    "orders": ("SubscribeOrders", orderbook_pb2.SubscribeOrdersRequest),
}
CONNECT_SECONDS = 60.0
_RETRY_SECONDS = 0.05
# Every stream has a connection of its own, as subscribers in different places would.
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
_SAMPLE = struct.Struct("<qI")


@define(eq=False)
class Listener:
    """One stream, read by a thread. ``samples`` are time of receipt, length and first bytes."""

    channel: Any
    call: Any
    samples: list[tuple[int, int, bytes]] = field(factory=list)
    error: str = ""

    def listen(self) -> None:
        """Read until the stream ends."""
        keep, now = self.samples.append, time.time_ns
        try:
            for message in self.call:
                keep((now(), len(message), message[:HEAD_BYTES]))
            self.error = "the stream ended"
        except grpc.RpcError as exc:
            self.error = str(exc)


@define(eq=False)
class Client:
    """All streams of the process and a channel for questions."""

    target: str
    _questions: Any = field(init=False)
    listeners: list[Listener] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._questions = grpc.insecure_channel(self.target, _OPTIONS)

    def height(self, symbol: str) -> int:
        """Return the daemon's height; waits until its books are ready."""
        ask = self._questions.unary_unary(
            SERVICE + "GetMarkets",
            request_serializer=orderbook_pb2.GetMarketsRequest.SerializeToString,
            response_deserializer=orderbook_pb2.GetMarketsResponse.FromString,
        )
        give_up = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                request = orderbook_pb2.GetMarketsRequest(symbols=[symbol])
                return int(ask(request, timeout=CONNECT_SECONDS, wait_for_ready=True).height)
            except grpc.RpcError as exc:
                if exc.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > give_up:
                    raise
                time.sleep(_RETRY_SECONDS)

    def subscribe(self, call: str, symbols: list[str]) -> None:
        """Open a stream on a connection of its own and read it in a thread."""
        method, request = REQUESTS[call]
        channel = grpc.insecure_channel(self.target, _OPTIONS)
        stream = channel.unary_stream(
            SERVICE + method, request_serializer=request.SerializeToString, response_deserializer=None
        )
        listener = Listener(channel, stream(request(symbols=symbols), wait_for_ready=True))
        self.listeners.append(listener)
        listener.call.initial_metadata()
        threading.Thread(target=listener.listen, daemon=True, name=f"stream {len(self.listeners)}").start()

    def write_samples(self, path: Path) -> dict[str, object]:
        """Write what came so far; returns totals and the first error."""
        messages = size = 0
        with path.open("wb") as file:
            for listener in self.listeners:
                samples = list(listener.samples)
                messages += len(samples)
                for time_ns, length, head in samples:
                    size += length
                    file.write(_SAMPLE.pack(time_ns, length) + head.ljust(HEAD_BYTES, b"\0"))
        errors = [listener.error for listener in self.listeners if listener.error]
        return {"messages": messages, "bytes": size, "error": errors[0] if errors else ""}


def read_samples(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield what a client wrote: time of receipt in ns, length, and the first bytes of each message."""
    data = path.read_bytes()
    width = _SAMPLE.size + HEAD_BYTES
    for start in range(0, len(data), width):
        time_ns, length = _SAMPLE.unpack_from(data, start)
        yield time_ns, length, data[start + _SAMPLE.size : start + width]


@click.command()
@click.option("--target", required=True, help="HOST:PORT")
@click.option("--call", type=click.Choice(list(REQUESTS)), default="orderbook")
@click.option("--streams", type=int, required=True)
@click.option("--symbols", required=True, help="Comma-separated; they are dealt out to the streams.")
@click.option("--each", type=int, default=0, help="Symbols of each stream; 0: every market.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
def main(target: str, call: str, streams: int, symbols: str, each: int, output: Path) -> None:
    """Subscribe, then answer questions until standard input ends."""
    client = Client(target)
    names = symbols.split(",")
    client.height(names[0])
    for number in range(streams):
        first = number * each
        mine = [names[(first + index) % len(names)] for index in range(each)] or ["*"]
        client.subscribe(call, list(dict.fromkeys(mine)))
    answer({"connected": len(client.listeners)})
    for line in sys.stdin.buffer:
        question = orjson.loads(line)["ask"]
        if question == "height":
            height = client.height(names[0])
            answer({"height": height, "time_ns": time.time_ns()})
        else:
            answer(client.write_samples(output))


if __name__ == "__main__":
    main()
