"""Accepting goes on when the process has no descriptors left, and when peers are gone before their turn."""

from __future__ import annotations

import os
import resource
import socket
import struct
from collections import Counter
from typing import Any

import pytest
import trio

from hyperstream.servers.door.listener import accept_connections


class _Reporting:
    """Whatever was accepted, and a way to wait for it."""

    def __init__(self) -> None:
        self.peers: list[tuple[socket.socket, str]] = []
        self.counts: Counter[str] = Counter()

    def take(self, peer: socket.socket, address: str) -> None:
        self.peers.append((peer, address))

    async def wait(self, is_true: object) -> None:
        assert callable(is_true)
        with trio.fail_after(30):
            while not is_true():  # noqa: ASYNC110 - the kernel tells nobody
                await trio.sleep(0.005)

    def close(self) -> None:
        for peer, _ in self.peers:
            peer.close()


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


async def test_a_full_table_of_descriptors_is_survived_and_counted() -> None:
    seen = _Reporting()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with _listener() as listener, socket.socket() as early, socket.socket() as late:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_connections, listener, seen.take, seen.counts)
            early.connect(listener.getsockname())
            await seen.wait(lambda: len(seen.peers) == 1)
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
            try:
                late.connect(listener.getsockname())
                await seen.wait(lambda: seen.counts["accept without descriptors"])
                assert len(seen.peers) == 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await seen.wait(lambda: len(seen.peers) == 2)
            assert not seen.peers[1][0].getblocking()
            assert seen.peers[1][1] == "127.0.0.1"
            nursery.cancel_scope.cancel(reason="seen enough")
    assert set(seen.counts) == {"accept without descriptors"}
    assert seen.counts["accept without descriptors"] < 60, "it pauses between tries"
    seen.close()


class _Odd:
    """A listener whose accept raises once what Linux reports of a connection that is gone again."""

    def __init__(self, listener: socket.socket, error: OSError) -> None:
        self.listener = listener
        self.error: OSError | None = error

    def fileno(self) -> int:
        return self.listener.fileno()

    def accept(self) -> object:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return self.listener.accept()


@pytest.mark.parametrize("error", [ConnectionAbortedError(103, "aborted"), OSError(71, "protocol error")])
async def test_a_connection_that_is_gone_again_is_counted(error: OSError) -> None:
    seen = _Reporting()
    with _listener() as listener, socket.socket() as client:
        odd: Any = _Odd(listener, error)  # all that is used of a socket
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                accept_connections,
                odd,
                seen.take,
                seen.counts,
            )
            client.connect(listener.getsockname())
            await seen.wait(lambda: seen.peers)
            nursery.cancel_scope.cancel(reason="seen enough")
    assert seen.counts == {"accept failed": 1}
    seen.close()


async def test_a_peer_that_resets_at_once_harms_nobody() -> None:
    seen = _Reporting()
    with _listener() as listener, socket.socket() as rude, socket.socket() as polite:
        rude.connect(listener.getsockname())
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude.close()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_connections, listener, seen.take, seen.counts)
            polite.connect(listener.getsockname())
            await seen.wait(lambda: len(seen.peers) == 2)
            nursery.cancel_scope.cancel(reason="seen enough")
    seen.close()
