"""A subscriber in a process of its own: follows every book through restarts and compares with the truth.

    python -m tests.soak.follower --port P --truth FILE --last-height H

It knows proto/ and nothing else. Connections that are lost are made again with the resume points. It
prints a JSON line for every few hundred blocks, and at the end, after block H, one with all counts.
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import grpc
import orjson

from tests.acceptance.client import Client, body, kind
from tests.acceptance.contract import message
from tests.acceptance.program import PATIENCE_SECONDS
from tests.acceptance.rebuilt import RebuiltBook

DEPTH = 1000
PROGRESS_BLOCKS = 100
RETRY_SECONDS = 0.1


class Truth:
    """The true books, read from the file that the simulated node writes while it runs."""

    def __init__(self, file: BinaryIO) -> None:
        self.height = 0
        self._file = file
        self._torn = b""
        self._books: dict[str, list[tuple[int, Any]]] = {}

    def at(self, symbol: str, height: int) -> Any:
        """The book after a block, None if the file did not tell it yet; forgets what is before."""
        self._read_up_to(height)
        told = self._books.get(symbol, [])
        while len(told) > 1 and told[1][0] <= height:
            told.pop(0)
        return told[0][1] if told and told[0][0] <= height else None

    def _read_up_to(self, height: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.height < height:
            *lines, self._torn = (self._torn + self._file.read(1 << 20)).split(b"\n")
            for line in lines:
                block = orjson.loads(line)
                self.height = block["height"]
                for symbol, book in block["books"].items():
                    sides = tuple(tuple(map(tuple, book[side])) for side in ("bids", "asks"))
                    self._books.setdefault(symbol, []).append((self.height, sides))
            if not lines:
                assert time.monotonic() < deadline, f"the truth does not go on after {self.height}"
                time.sleep(0.005)


class Follower:
    """Rebuilds the books and counts what it met."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.counts: Counter[str] = Counter()
        self.height = 0
        self.books: dict[str, RebuiltBook] = {}
        self._told_height = 0

    def take(self, event: Any) -> None:
        """One event of the stream."""
        told, name = body(event), kind(event)
        self.counts[name] += 1
        if name == "gap":
            reason = told.DESCRIPTOR.fields_by_name["reason"].enum_type.values_by_number[told.reason].name
            self.counts[reason] += 1
        if name in ("snapshot", "delta"):
            book = self.books.setdefault(told.symbol, RebuiltBook(DEPTH))
            if (told.epoch, told.height) != (book.epoch, book.height):
                self.compare(told.symbol)
            (book.take_snapshot if name == "snapshot" else book.take_delta)(told)
            self.counts["doubtful"] += told.doubtful
        if name != "notice" and name != "gap":
            self.height = max(self.height, told.height)
        if self.height >= self._told_height + PROGRESS_BLOCKS:
            self._told_height = self.height
            print(json.dumps({"height": self.height}), flush=True)

    def compare(self, symbol: str) -> None:
        """Compare a book with the truth after the last block that changed it."""
        book = self.books[symbol]
        truth = self.truth.at(symbol, book.height) if book.height else None
        if truth is None:
            self.counts["not compared"] += bool(book.height)
            return
        assert book.sides() == truth, f"{symbol} after block {book.height} is not the node's"
        self.counts["compared"] += 1

    def compare_with_the_end(self, last_height: int) -> None:
        """Every book is the node's after its very last block."""
        for symbol, book in self.books.items():
            truth = self.truth.at(symbol, last_height)
            if truth is not None:
                assert book.sides() == truth, f"{symbol} stands at {book.height} and lacks what came after"
                self.counts["equal at the end"] += 1

    def resume_points(self) -> list[Any]:
        """Where to go on after what was taken."""
        point = message("ResumePoint")
        return [
            point(symbol=symbol, epoch=book.epoch, sequence=book.sequence)
            for symbol, book in self.books.items()
        ]


def events(client: Client, resume: list[Any]) -> Iterator[Any]:
    """The events of one connection until it is lost."""
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()
    call = client.start("SubscribeOrderbook", depth=DEPTH, heartbeat_seconds=1, resume=resume)

    def receive() -> None:
        try:
            for response in call:
                received.put(response.events)
        except grpc.RpcError as error:
            received.put(error)
        else:
            received.put(None)

    threading.Thread(target=receive, daemon=True).start()
    while (batch := received.get()) is not None:
        if isinstance(batch, grpc.RpcError):
            error: Any = batch
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error
            return
        yield from batch


def follow(port: int, truth: Truth, last_height: int) -> Follower:
    """Follow until a heartbeat says that everything up to the last block was sent."""
    follower = Follower(truth)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with Client(port, **{"grpc.enable_retries": 0}) as client:
            is_first = True
            for event in events(client, follower.resume_points()):
                follower.counts["connections"] += is_first
                is_first = False
                follower.take(event)
                deadline = time.monotonic() + PATIENCE_SECONDS
                if kind(event) == "heartbeat" and event.heartbeat.height >= last_height:
                    follower.compare_with_the_end(last_height)
                    return follower
        assert time.monotonic() < deadline, "the server does not come back"
        time.sleep(RETRY_SECONDS)


def main() -> None:
    """Follow, and say what it came to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--last-height", type=int, required=True)
    arguments = parser.parse_args()
    with arguments.truth.open("rb", buffering=0) as file:
        follower = follow(arguments.port, Truth(file), arguments.last_height)
    print(json.dumps({"done": follower.counts}), flush=True)


if __name__ == "__main__":
    main()
