"""What strangers try, over real sockets: each costs them their connection, and nobody else anything.

While it goes on, a subscriber and a health check of a foreign client (grpcio) see nothing of it.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from grpclib.health.v1 import health_pb2
from hyperframe.frame import GoAwayFrame

from hyperstream.servers.grpc.guard import (
    FRAME_SECONDS,
    KEEPALIVE_TIMEOUT_SECONDS,
    MAX_WRITE_BUFFER_BYTES,
    PREFACE_SECONDS,
    WRITE_SECONDS,
    GuardedProtocol,
)
from hyperstream.servers.grpc.guarded_server import GuardedServer
from hyperstream.v1 import orderbook_pb2

from .raw_peer import PREFACE, HeaderWriter, decoded, frame, frames_in, request_headers, talk
from .serving import Client, Served, events_until, serving, wait_until

in_thread = trio.to_thread.run_sync
CALM = 11
TINY = frame(0, b"x", stream=1)


def guard_of(served: Served) -> GuardedServer:
    server = served.server._server
    assert server is not None
    return server


def count(server: GuardedServer, cause: str) -> int:
    return server.counts[cause]


class Witness:
    """A healthy client: its stream goes on, and its unary calls are answered."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.connect()

    def connect(self) -> None:
        served = self.served
        self.client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"])
        self.call = self.client.stream("SubscribeOrderbook", request)
        self._check = self.client.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )

    async def begin(self) -> None:
        await in_thread(events_until, self.call, lambda event: event.HasField("snapshot"))

    async def comes_back(self) -> None:
        self.client.close()
        self.connect()
        await self.begin()

    async def sees_health(self) -> None:
        self.served.step(2)
        height = self.served.node.height
        reply = await in_thread(partial(self._check, health_pb2.HealthCheckRequest(), timeout=30))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        await in_thread(events_until, self.call, lambda event: event.delta.height >= height - 1)


@asynccontextmanager
async def attacked(directory: Path, **settings: Any) -> AsyncIterator[tuple[Served, GuardedServer, Witness]]:
    """A server with a witness that must be as well afterwards as before."""
    async with serving(directory, **settings) as served:
        served.server.set_serving(True)
        witness = Witness(served)
        await witness.begin()
        yield served, guard_of(served), witness
        await witness.sees_health()
        witness.call.cancel()
        witness.client.close()


def rapid_reset() -> list[bytes]:
    writer = HeaderWriter()
    return [
        writer.request("GetMarkets", stream=stream) + frame(3, b"\0\0\0\x08", stream=stream)
        for stream in range(1, 2001, 2)
    ]


FLOODS: dict[str, Callable[[], list[bytes]]] = {
    "rapid reset": rapid_reset,
    "PING flood": lambda: [frame(6, bytes(8)) * 1000],
    "SETTINGS flood": lambda: [frame(4) * 1000],
    "PRIORITY flood": lambda: [frame(2, b"\0\0\0\0\x10", stream=1) * 1000],
    "empty DATA flood": lambda: [request_headers("GetMarkets"), frame(0, stream=1) * 1000],
    "tiny DATA flood": lambda: [
        request_headers("GetMarkets"),
        frame(0, b"\0\0\1\0\0", stream=1),
        TINY * 8000,
    ],
    "WINDOW_UPDATE flood": lambda: [frame(8, b"\0\0\0\1") * 4000],
    "flood of unknown frames": lambda: [frame(0xAA, b"x") * 1000],
    "header block too long": lambda: [frame(1, bytes(16384), stream=1), frame(9, bytes(16384), stream=1) * 5],
}


@pytest.mark.parametrize("cause", FLOODS)
async def test_a_flood_ends_in_goaway_and_harms_nobody_else(tmp_path: Path, cause: str) -> None:
    async with attacked(tmp_path) as (_, server, witness):
        answer = await in_thread(talk, served_port(server), PREFACE, *FLOODS[cause]())
        assert count(server, cause) == 1
        goaways = [found for found in frames_in(answer) if isinstance(found, GoAwayFrame)]
        # A peer that is still sending when it is hung up on may lose the answer to the reset.
        assert all(found.error_code == CALM for found in goaways)
        await witness.sees_health()
        await wait_until(lambda: len(server.connections) == 1)
        assert server.limits.total == 1


def served_port(server: GuardedServer) -> int:
    assert server._listener is not None
    port: int = server._listener.getsockname()[1]
    return port


async def test_rapid_reset_leaves_no_call_behind(tmp_path: Path) -> None:
    """A task that is cancelled before its first step never gives its stream back by itself."""
    async with attacked(tmp_path) as (served, server, _):
        writer = HeaderWriter()
        parts = [
            writer.request("GetMarkets", stream=stream) + frame(3, b"\0\0\0\x08", stream=stream)
            for stream in range(1, 101, 2)
        ]
        with socket.create_connection(("127.0.0.1", served.port)) as peer:
            peer.sendall(PREFACE)
            for part in parts:
                peer.sendall(part[:-13])
                await trio.lowlevel.checkpoint()
                peer.sendall(part[-13:])
            await wait_until(lambda: any(c._h2 and c._h2.frames_received > 100 for c in server.connections))
            await wait_until(lambda: not any(c.has_streams for c in server.connections if not is_witness(c)))
            assert not count(server, "rapid reset"), "fifty are no attack"


def is_witness(connection: Any) -> bool:
    return any(stream.data_sent > 1000 for stream in connection.processor.streams.values())


async def test_a_gib_announced_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (served, server, _):
        announced = frame(0, b"\0\x40\0\0\0" + bytes(1000), stream=1)
        answer = await in_thread(
            partial(talk, served.port, PREFACE, request_headers("GetMarkets"), announced, ends=1)
        )
        assert b"a request may have 4194304 bytes, not 1073741824" in decoded(answer)
        assert count(server, "messages too long") == 1


async def test_peers_that_say_nothing_are_cut_after_five_seconds(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (served, server, witness):
        with ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(50)
            ]
            for peer in silent[::2]:
                peer.sendall(PREFACE[:15])
            silent[0].sendall(PREFACE[15:24])  # the preface without its SETTINGS
            await wait_until(lambda: len(server.connections) == 51)
            server.check(trio.current_time() + PREFACE_SECONDS - 1)
            assert not count(server, "no preface")
            server.check(trio.current_time() + PREFACE_SECONDS + 0.1)
            assert count(server, "no preface") == 50
            await witness.sees_health()
            await wait_until(lambda: len(server.connections) == 1)


@pytest.mark.parametrize("part", [frame(6, bytes(8))[:12], frame(1, b"\x83", stream=1), b"\0"])
async def test_a_frame_or_a_block_of_headers_that_never_ends_is_cut(tmp_path: Path, part: bytes) -> None:
    async with attacked(tmp_path) as (served, server, _):
        with socket.create_connection(("127.0.0.1", served.port)) as peer:
            peer.sendall(PREFACE + part)
            await wait_until(lambda: any(c._h2 and c._h2.is_inside_a_frame for c in server.connections))
            now = trio.current_time()
            server.check(now)
            server.check(now + FRAME_SECONDS - 1)
            assert not count(server, "slow frame")
            server.check(now + FRAME_SECONDS + 1)
            assert count(server, "slow frame") == 1


async def test_keepalive_asks_for_a_sign_of_life_and_aborts_without_one(tmp_path: Path) -> None:
    async with attacked(tmp_path, keepalive_seconds=30) as (served, server, _):
        with socket.create_connection(("127.0.0.1", served.port)) as peer:
            peer.sendall(PREFACE)
            await wait_until(lambda: sum(c._h2 is not None for c in server.connections) == 2)
            for connection in [c for c in server.connections if not c.has_streams]:
                now = trio.current_time() + 31
                connection.check(now)
                assert not count(server, "keepalive unanswered")
                connection.check(now + KEEPALIVE_TIMEOUT_SECONDS + 1)
            assert count(server, "keepalive unanswered") == 1
            peer.settimeout(30)
            answer = await in_thread(partial(read_to_end, peer))
            assert any(found.type == 6 for found in frames_in(answer))


def read_to_end(peer: socket.socket) -> bytes:
    answer = b""
    try:
        while chunk := peer.recv(65536):
            answer += chunk
    except ConnectionError:
        pass
    return answer


async def test_an_answered_keepalive_keeps_the_connection(tmp_path: Path) -> None:
    async with attacked(tmp_path, keepalive_seconds=30) as (_, server, witness):
        (connection,) = server.connections
        connection.check(trio.current_time() + 31)
        await wait_until(lambda: connection._pinged_at is None)
        connection.check(trio.current_time() + 20)
        await witness.sees_health()


async def test_a_peer_that_reads_nothing_is_cut_by_the_write_deadline(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (served, server, _):
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", served.port))
            writer = HeaderWriter()
            huge = frame(4, b"\0\4\x7f\xff\xff\xff")  # a window of 2^31-1 a stream
            peer.sendall(PREFACE[:24] + huge + frame(8, b"\x7f\0\0\0"))
            body = orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=1000).SerializeToString()
            message = b"\0" + len(body).to_bytes(4, "big") + body
            for stream in range(1, 101, 2):
                peer.sendall(writer.request("SubscribeOrderbook", stream=stream))
                peer.sendall(frame(0, message, flags=1, stream=stream))
            stuck: list[GuardedProtocol] = []
            with trio.fail_after(20):
                while not stuck:
                    served.step(3)
                    await trio.sleep(0.01)
                    stuck = [c for c in server.connections if c._paused_at is not None]
            paused_at = stuck[0]._paused_at
            assert paused_at is not None
            server.check(paused_at + WRITE_SECONDS - 1)
            assert not count(server, "write deadline")
            assert stuck[0].transport.get_write_buffer_size() <= MAX_WRITE_BUFFER_BYTES
            server.check(trio.current_time() + WRITE_SECONDS + 1)
            assert count(server, "write deadline") == 1
            await wait_until(lambda: len(server.connections) == 1)


async def test_answers_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    """PING answers while the socket is full: slowly enough for the bucket, for ever."""
    async with attacked(tmp_path) as (_, server, witness):
        (connection,) = server.connections
        assert connection._h2 is not None
        connection.transport.get_write_buffer_size = lambda: MAX_WRITE_BUFFER_BYTES + 1
        connection.data_received(frame(6, bytes(8)))
        assert count(server, "write buffer full") == 1
        await wait_until(lambda: not server.connections)
        await witness.comes_back()


async def test_connections_beyond_the_limit_are_hung_up_on(tmp_path: Path) -> None:
    async with attacked(tmp_path, max_connections_per_address=5) as (served, server, witness):
        with ExitStack() as stack:
            peers = [
                stack.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(9)
            ]
            await wait_until(lambda: count(server, "too many connections from one address") == 5)
            # The others are counted when they are taken, and become connections a moment later.
            await wait_until(lambda: len(server.connections) == 5)
            peers[8].settimeout(30)
            assert await in_thread(read_to_end, peers[8]) == b""
            await witness.sees_health()
        await wait_until(lambda: len(server.connections) == 1)
        with socket.create_connection(("127.0.0.1", served.port)) as peer:
            peer.sendall(PREFACE)
            await wait_until(lambda: len(server.connections) == 2)


async def test_streams_beyond_the_limit_are_refused_by_reset(tmp_path: Path) -> None:
    async with attacked(tmp_path, max_streams_per_connection=3) as (served, server, _):
        writer = HeaderWriter()
        calls = [writer.request("SubscribeOrderbook", stream=stream) for stream in (1, 3, 5, 7, 9)]
        answer = await in_thread(partial(talk, served.port, PREFACE, *calls, ends=2))
        resets = [(found.stream_id, found.error_code) for found in frames_in(answer) if found.type == 3]
        assert resets == [(7, 7), (9, 7)]
        assert count(server, "streams refused") == 2
        assert not any(found.type == 7 for found in frames_in(answer)), "and that is no connection error"


async def test_an_exception_in_one_connection_ends_that_connection_only(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (served, server, witness):
        with socket.create_connection(("127.0.0.1", served.port)) as peer:
            peer.sendall(PREFACE)
            await wait_until(lambda: sum(c._h2 is not None for c in server.connections) == 2)
            victim: Any = next(c for c in server.connections if not c.has_streams)

            def break_down(_data: bytes) -> Any:
                raise RuntimeError("a bug")

            victim.connection.feed = break_down
            peer.sendall(frame(6, bytes(8)))
            await wait_until(lambda: count(server, "unexpected RuntimeError") == 1)
            await witness.sees_health()


async def test_empty_data_inside_a_message_is_as_good_as_nothing(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (served, _, __):
        body = orderbook_pb2.GetMarketsRequest(symbols=["BTC"]).SerializeToString()
        message = b"\0" + len(body).to_bytes(4, "big") + body
        parts = [frame(0, stream=1), frame(0, message[:3], stream=1), frame(0, stream=1)]
        parts += [
            frame(0, b"\x03" + bytes(3), flags=0x8, stream=1),
            frame(0, b"\x08" + message[3:] + bytes(8), flags=0x8, stream=1),
            frame(0, flags=1, stream=1),
        ]
        answer = await in_thread(
            partial(talk, served.port, PREFACE, request_headers("GetMarkets"), *parts, ends=1)
        )
        assert b"grpc-status=0" in decoded(answer)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({":path": "/nobody/Knows"}, b"grpc-status=12"),
        ({"content-type": "text/plain"}, b":status=415"),
        ({"te": ""}, b":status=400"),
        ({"grpc-timeout": "0n"}, b"grpc-status=4"),
        ({"grpc-timeout": "9" * 400 + "S"}, b"grpc-status=13"),
        ({"grpc-encoding": "snappy"}, b"grpc-accept-encoding=identity,gzip"),
        ({"x-bin": "!"}, b"grpc-status=13"),
    ],
)
async def test_every_refusal_has_a_content_type(
    tmp_path: Path, more: dict[str, str], expected: bytes
) -> None:
    async with attacked(tmp_path) as (served, _, __):
        answer = await in_thread(
            partial(talk, served.port, PREFACE, request_headers("GetMarkets", **more), ends=1)
        )
        assert expected in decoded(answer)
        assert b"content-type=application/grpc" in decoded(answer)


async def test_a_browser_is_told_in_words(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (served, _, __):
        request = request_headers("", **{":method": "GET", ":path": "/", "content-type": "", "te": ""})
        answer = await in_thread(partial(talk, served.port, PREFACE, request, ends=1))
        assert b":status=405" in decoded(answer)
        assert b"".join(found.data for found in frames_in(answer) if found.type == 0).startswith(
            b"hyperstream"
        )
