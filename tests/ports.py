"""Ports of this machine that one test has for itself."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """A port of 127.0.0.1 at which nobody listens but whom the test lets, one after another.

    A port that was free a moment ago may be anybody's: another program is given it, or a client that calls it
    while nobody listens is given it to call from, and reaches itself. Here a socket stays bound to it without
    listening. Linux gives such a port to nobody who does not name it, and lets servers bind to it beside that
    socket, because they allow the reuse of addresses.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
