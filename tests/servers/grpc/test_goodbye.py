"""GOAWAY in both directions: nobody's running call is cut short."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import trio
from hyperframe.frame import GoAwayFrame

from hyperstream.v1 import orderbook_pb2

from .raw_peer import PREFACE, HeaderWriter, frame, frames_in
from .serving import serving, wait_until

in_thread = trio.to_thread.run_sync
GOAWAY = frame(7, bytes(8))


def subscription(stream: int, writer: HeaderWriter) -> bytes:
    body = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"]).SerializeToString()
    message = b"\0" + len(body).to_bytes(4, "big") + body
    return writer.request("SubscribeOrderbook", stream=stream) + frame(0, message, flags=1, stream=stream)


def read_to_end(peer: socket.socket) -> bytes:
    answer = b""
    while chunk := peer.recv(65536):
        answer += chunk
    return answer


async def test_a_drain_says_goaway_ends_the_streams_says_goaway_again_and_closes(tmp_path: Path) -> None:
    with socket.socket() as peer:
        async with serving(tmp_path) as served:
            peer.settimeout(10)
            peer.connect(("127.0.0.1", served.port))
            peer.sendall(PREFACE + subscription(1, HeaderWriter()))
            await wait_until(lambda: served.hub.subscriptions)
            served.server.close_intake()
            served.step(1)
        answer = await in_thread(partial(read_to_end, peer))
    found = frames_in(answer)
    kinds = [(each.type, each.stream_id) for each in found]
    first, last = (at for at, each in enumerate(found) if isinstance(each, GoAwayFrame))
    trailers = max(at for at, kind in enumerate(kinds) if kind == (1, 1))
    assert first < trailers < last == len(found) - 1
    assert (found[first].last_stream_id, found[last].last_stream_id) == (2**31 - 1, 1)
    assert (0, 1) in kinds[first:trailers], "the block after the first GOAWAY was delivered"


async def test_a_clients_goaway_lets_its_own_streams_finish(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as peer:
            peer.sendall(PREFACE + subscription(1, HeaderWriter()))
            await wait_until(lambda: served.hub.subscriptions)
            peer.sendall(GOAWAY)
            await wait_until(lambda: served.server.statistics().counts.get("peers that said GOAWAY"))
            served.step(3)
            assert len(served.hub.subscriptions) == 1
            served.hub.finish()
            answer = await in_thread(partial(read_to_end, peer))
        found = frames_in(answer)
        assert sum(each.type == 0 for each in found) >= 4
        assert found[-1].type == 1
        assert "END_STREAM" in found[-1].flags, "and the connection is closed behind the trailers"


async def test_a_goaway_without_streams_closes_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as peer:
            peer.sendall(PREFACE + GOAWAY)
            await in_thread(partial(read_to_end, peer))
        await wait_until(lambda: not served.server.statistics().connections)
