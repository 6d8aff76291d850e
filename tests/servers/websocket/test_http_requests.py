"""Requests that HTTP allows and few programs send: answered, on the port that WebSockets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .raw_peer import RawPeer, raw_peer, request
from .serving import serving

MIDS = b'{"type":"allMids"}'


async def only_headers(peer: RawPeer) -> bytes:
    """What is sent until the server hangs up, or all that has come with the headers."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await peer.stream.receive_some()
    return data


@pytest.mark.parametrize(
    ("target", "status", "size"),
    [("/", 200, 189), ("/info", 405, 8), ("/ws", 426, 53), ("/nothing", 404, 29), ("/?key=secret", 400, 89)],
)
async def test_of_a_head_request_the_body_is_only_measured(
    tmp_path: Path, target: str, status: int, size: int
) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request(target, "HEAD", upgrade=None, connection=None))
        head, _, body = (await only_headers(peer)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"content-length: %d\r\n" % size in head + b"\r\n"
        assert body == b""
        if status != 400:
            await peer.send(request("/info", "POST", MIDS, upgrade=None, connection=None))
            assert (await peer.answer())[0] == 200, "the connection goes on"
        assert "connections that failed" not in served.counts


async def test_a_handshake_by_head_is_refused_without_a_body(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request(method="HEAD"))
        head, _, body = (await only_headers(peer)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nallow: GET\r\n" in head
        assert body == b""
        assert "connections that failed" not in served.counts


@pytest.mark.parametrize("host", ["http://localhost:8000", "HTTP://127.0.0.1"])
async def test_the_target_may_name_the_host_as_proxies_do(tmp_path: Path, host: str) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request(f"{host}/info", "POST", MIDS, upgrade=None, connection=None))
        status, _, body = await peer.answer()
        assert (status, body[:7]) == (200, b'{"BTC":')
        await peer.send(request(f"{host}", upgrade=None, connection=None))
        assert (await peer.answer())[0] == 200
        await peer.send(request(f"{host}/ws"))
        assert (await peer.answer())[0] == 101
