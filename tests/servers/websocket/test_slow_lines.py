"""Peers on slow lines: they live as long as they read."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import trio

from hyperstream.servers.door import transport
from hyperstream.servers.websocket.sender import MAX_ANSWERS

from .raw_peer import TEXT, frame, raw_peer
from .serving import serving

BYTES_A_SECOND = 2_500
PING = b'{"method":"ping"}'
PONG = b'{"channel":"pong"}'


async def test_who_reads_a_long_snapshot_slowly_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """While too many answers wait behind it nothing is read from the peer, an answer to a ping neither."""
    monkeypatch.setattr(transport, "SEND_BUFFER_BYTES", 4096)
    asked = {"method": "subscribe", "subscription": {"type": "l4Book", "coin": "BTC"}}
    pings = MAX_ANSWERS + 20
    async with serving(tmp_path) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        await peer.upgrade()
        await peer.send(frame(TEXT, orjson.dumps(asked)) + frame(TEXT, PING) * pings)
        received, began = b"", trio.current_time()
        while received.count(PONG) < pings:
            data = await peer.stream.receive_some(512)
            assert data, f"cut after {len(received)} bytes: {served.counts}"
            received += data
            await trio.sleep(len(data) / BYTES_A_SECOND)
        assert b'"Snapshot"' in received
        assert trio.current_time() - began > 35
