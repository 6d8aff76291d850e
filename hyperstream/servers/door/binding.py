"""Listening sockets."""

from __future__ import annotations

import errno
import socket

from hyperstream.config import ListenAddress
from hyperstream.errors import ConfigurationError

# A thousand clients may connect in the same second.
BACKLOG = 4096


def bind(
    listen: ListenAddress, server: str, setting: str, inherited: socket.socket | None = None
) -> socket.socket:
    """Return a socket that listens there and does not block: the one that was handed over, if any was.

    Raises ConfigurationError naming the ``server`` ("gRPC") and the ``setting`` ("grpc.listen") to change.
    """
    if inherited is not None:
        inherited.listen(BACKLOG)
        return inherited
    host, port = listen.host, listen.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only on sockets that name their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            what = f"port {port} is taken: is another hyperstream running? Choose another with {setting}"
        else:
            what = f"{exc.strerror}: check {setting}"
        raise ConfigurationError(f"{server} cannot listen on {host}:{port}: {what}") from exc
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
