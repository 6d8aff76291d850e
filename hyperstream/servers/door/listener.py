"""Accepting connections, in a task of our own.

asyncio's accept hands a full descriptor table to the loop's exception handler and then pauses for a second,
makes a task and a transport before anybody may say no, and cannot be asked to stop without closing
the socket. This one asks first, and tries again after ``PAUSE_SECONDS``.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Callable

import trio

PAUSE_SECONDS = 0.1
# Connections taken before others get a turn.
BATCH = 8

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


async def accept_connections(
    listener: socket.socket, take: Callable[[socket.socket, str], None], counts: Counter[str]
) -> None:
    """Hand each connection and its peer's address to ``take`` until cancelled; errors are survived.

    ``take`` owns the socket from then on. The listener must not block.
    """
    while True:
        await trio.lowlevel.wait_readable(listener)
        for _ in range(BATCH):
            try:
                peer, address = listener.accept()
            except BlockingIOError:
                break
            except OSError as exc:
                # Everything else is one peer's affair: it was gone before it was taken.
                if exc.errno in _NO_ROOM:
                    counts["accept without descriptors"] += 1
                    await trio.sleep(PAUSE_SECONDS)
                    break
                counts["accept failed"] += 1
                continue
            peer.setblocking(False)
            take(peer, address[0] if isinstance(address, tuple) else "")
        await trio.lowlevel.checkpoint()
