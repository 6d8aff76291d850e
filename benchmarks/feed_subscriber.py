"""The subscriber of the latency benchmark, as a process: grpcio's StreamPrices, every message's time noted.

    (start)                {"connected": true}              the stream is open, its request acknowledged
    {"ask": "samples"}     {"messages": …, "error": …}      what came so far, written to --output

A foreign client, and a light one: messages stay raw bytes while it is measured.
"""

import queue
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
from hyperstream.v1 import price_pb2

METHOD = "/hyperstream.v1.PriceService/StreamPrices"
CONNECT_SECONDS = 60.0
_WIDTH = 12  # of a sample's head: the time in ns, and the length of the message


@define(eq=False)
class PriceListener:
    """One stream, read by a thread. ``samples`` are the time of receipt and the message."""

    target: str
    samples: list[tuple[int, bytes]] = field(factory=list)
    error: str = ""
    is_acknowledged: threading.Event = field(factory=threading.Event)
    _requests: "queue.SimpleQueue[Any]" = field(factory=queue.SimpleQueue)

    def ask(self, request: Any) -> None:
        """Send a request."""
        self._requests.put(request)

    def listen(self) -> None:
        """Read until the stream ends."""
        channel = grpc.insecure_channel(self.target)
        call = channel.stream_stream(
            METHOD,
            request_serializer=price_pb2.StreamPricesRequest.SerializeToString,
            response_deserializer=None,
        )
        keep, now = self.samples.append, time.time_ns
        try:
            stream = call(iter(self._requests.get, None), wait_for_ready=True)
            keep((now(), next(stream)))
            self.is_acknowledged.set()
            for message in stream:
                keep((now(), message))
            self.error = "the stream ended"
        except (grpc.RpcError, StopIteration) as exc:
            self.error = str(exc)


def write_samples(path: Path, samples: list[tuple[int, bytes]]) -> None:
    """Write samples to a file."""
    with path.open("wb") as file:
        for time_ns, message in samples:
            file.write(time_ns.to_bytes(8, "big") + len(message).to_bytes(4, "big") + message)


def read_samples(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield what was written: the time of receipt in ns, and the message."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + _WIDTH], "big")
        yield int.from_bytes(data[at : at + 8], "big"), data[at + _WIDTH : at + _WIDTH + length]
        at += _WIDTH + length


@click.command()
@click.option("--target", required=True, help="HOST:PORT")
@click.option("--venue", required=True)
@click.option("--symbols", required=True, help="Comma-separated.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
def main(target: str, venue: str, symbols: str, output: Path) -> None:
    """Subscribe, then answer questions until standard input ends."""
    listener = PriceListener(target)
    selection = price_pb2.PriceSelection(venue=venue, symbols=symbols.split(","))
    listener.ask(
        price_pb2.StreamPricesRequest(request_id="all", operation=price_pb2.OPERATION_ADD, prices=[selection])
    )
    threading.Thread(target=listener.listen, daemon=True, name="stream").start()
    if not listener.is_acknowledged.wait(CONNECT_SECONDS):
        raise click.ClickException(f"nothing came within {CONNECT_SECONDS:.0f} s: {listener.error}")
    answer({"connected": True})
    for line in sys.stdin.buffer:
        orjson.loads(line)
        samples = listener.samples.copy()
        write_samples(output, samples)
        answer({"messages": len(samples), "error": listener.error})


if __name__ == "__main__":
    main()
