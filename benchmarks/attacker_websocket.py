"""An attacker of the WebSocket gateway, as a process: does one bad thing to a port of 127.0.0.1 for a while.

When it is hung up on it connects again, at most MAX_CONNECTIONS times in all. It answers lines of JSON:

    (start)                                  {"ready": true}
    {"seconds": 2, "symbols": ["BTC", …]}    {"connections": …, "bytes": …}
"""

import random
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import cycle

import click
import orjson

from benchmarks.attacker import MAX_CONNECTIONS, PAUSE_SECONDS
from benchmarks.gateway_client import PING, TEXT, client_frame, open_websocket, wish
from benchmarks.measure import allow_descriptors
from benchmarks.processes import answer

CROWD = 200
DRIP_SECONDS = 0.05
SMALL_BUFFER_BYTES = 4_096
_FINAL, _COMPRESSED = 0x80, 0x40
_DEFLATE = b"sec-websocket-extensions: permessage-deflate\r\n"
_HALF = b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgr"


class Strike:
    """One attack under way: where, until when, and what it has done so far."""

    def __init__(self, port: int, seconds: float, symbols: list[str]) -> None:
        self.port = port
        self.symbols = symbols
        self.until = time.monotonic() + seconds
        self.connections = self.bytes = 0

    @property
    def is_on(self) -> bool:
        """Whether it still lasts."""
        return time.monotonic() < self.until

    def send(self, peer: socket.socket, chunks: Iterator[bytes]) -> None:
        """Send until the time is up. Raises OSError when hung up on."""
        for chunk in chunks:
            if not self.is_on:
                return
            peer.sendall(chunk)
            self.bytes += len(chunk)

    def flood(self, chunks: list[bytes], header: bytes = b"", *, is_upgraded: bool = True) -> None:
        """Send the chunks over and over, on a new connection whenever the last was closed."""
        while self.is_on and self.connections < MAX_CONNECTIONS:
            self.connections += 1
            with suppress(OSError):
                if is_upgraded:
                    peer = open_websocket(self.port, header)
                else:
                    peer = socket.create_connection(("127.0.0.1", self.port), timeout=0.5)
                with peer:
                    peer.settimeout(0.5)
                    self.send(peer, cycle(chunks))
            time.sleep(PAUSE_SECONDS)

    def crowd(self, first: bytes, drip: bytes = b"") -> None:
        """Open connections that begin like this, then send a byte each now and then, or nothing."""
        with ExitStack() as stack:
            peers = []
            for _ in range(CROWD):
                with suppress(OSError):
                    peer = socket.create_connection(("127.0.0.1", self.port), timeout=0.5)
                    peers.append(stack.enter_context(peer))
                    peer.sendall(first)
            self.connections = len(peers)
            letters = cycle(drip or b"x")
            while self.is_on:
                letter = bytes((next(letters),))
                for peer in peers if drip else ():
                    with suppress(OSError):
                        self.bytes += peer.send(letter)
                time.sleep(DRIP_SECONDS)

    def deaf(self, streams: int) -> None:
        """Subscribe to everything on some connections, and read nothing of it."""
        with ExitStack() as stack:
            for _ in range(streams):
                peer = stack.enter_context(open_websocket(self.port))
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
                wishes = [wish(kind, coin) for coin in self.symbols for kind in ("l2Book", "bbo", "l4Book")]
                peer.sendall(b"".join(wishes))
                self.connections += 1
            while self.is_on:
                time.sleep(DRIP_SECONDS)

    def spare(self, *, is_busy: bool) -> None:
        """Let the gateway alone: do nothing, or use as much of a core as a flood does."""
        block = bytes(1 << 16)
        while self.is_on:
            if is_busy:
                zlib.crc32(block)
            else:
                time.sleep(DRIP_SECONDS)

    def greedy(self) -> None:
        """Ask for every aggregation of every book, and give it up again, as fast as it is answered."""
        peer = open_websocket(self.port)
        self.connections += 1
        with peer:
            peer.settimeout(0.5)
            kinds = [{"nSigFigs": figures} for figures in (2, 3, 4, 5)]
            kinds += [{"nSigFigs": 5, "mantissa": mantissa} for mantissa in (2, 5)]
            for coin in cycle(self.symbols):
                for kind in kinds:
                    if not self.is_on:
                        return
                    peer.sendall(wish("l2Book", coin, **kind))
                    with suppress(TimeoutError):
                        self.bytes += len(peer.recv(1 << 20))


def _bomb() -> bytes:
    """A message of 8 KB that inflates to 8 MB."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = compressor.compress(bytes(8 << 20)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return client_frame(_FINAL | _COMPRESSED | TEXT, packed[:-4])


def _noise() -> list[bytes]:
    draw = random.Random(1)
    return [draw.randbytes(1_400) for _ in range(50)]


ATTACKS: dict[str, Callable[[Strike], None]] = {
    "nothing": lambda strike: strike.spare(is_busy=False),
    "a busy program beside it": lambda strike: strike.spare(is_busy=True),
    "garbage": lambda strike: strike.flood(_noise(), is_upgraded=False),
    "garbage after the handshake": lambda strike: strike.flood(_noise()),
    "200 half handshakes": lambda strike: strike.crowd(_HALF),
    "200 slow headers": lambda strike: strike.crowd(_HALF, b"ade\r\nx-long: " + b"y" * 4_096),
    "deflate bombs": lambda strike: strike.flood([_bomb()], _DEFLATE),
    "tiny fragments": lambda strike: strike.flood([client_frame(TEXT, b"x") + client_frame(0, b"y") * 500]),
    "pings": lambda strike: strike.flood([client_frame(_FINAL | PING, b"ping") * 200]),
    "messages": lambda strike: strike.flood([client_frame(_FINAL | TEXT, b'{"method":"ping"}') * 100]),
    "readers that stop": lambda strike: strike.deaf(20),
    "every aggregation": lambda strike: strike.greedy(),
}


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--attack", type=click.Choice(list(ATTACKS)), required=True)
def main(port: int, attack: str) -> None:
    """Attack when told to on standard input."""
    allow_descriptors()
    answer({"ready": True})
    for line in sys.stdin.buffer:
        question = orjson.loads(line)
        strike = Strike(port, question["seconds"], question["symbols"])
        with suppress(OSError):
            ATTACKS[attack](strike)
        answer({"connections": strike.connections, "bytes": strike.bytes})


if __name__ == "__main__":
    main()
