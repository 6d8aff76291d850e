"""TLS and mutual TLS under asyncio: a smaller SSL protocol."""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperstream.servers.door.certificates import Certificates

HANDSHAKE_SECONDS = 5
SHUTDOWN_SECONDS = 1
ALPN = "h2"


class SmallSslProtocol(SSLProtocol):
    """asyncio's TLS with a buffer of 32 KiB for each connection instead of 256."""

    max_size = 32 * 1024
    on_lost: Callable[[], None]

    def connection_lost(self, exc: BaseException | None) -> None:
        """The socket is closed, with or without a handshake behind it."""
        super().connection_lost(exc)
        self.on_lost()


class TlsFiles(Certificates):
    """The certificates of gRPC: clients must offer HTTP/2 by ALPN."""

    def __init__(self, certificate: Path, private_key: Path, client_ca: Path | None = None) -> None:
        super().__init__(certificate, private_key, client_ca, section="grpc", alpn=ALPN)

    def protocol(
        self, loop: asyncio.AbstractEventLoop, app_protocol: Any, waiter: asyncio.Future[None]
    ) -> SmallSslProtocol:
        """The TLS layer of a new connection; ``waiter`` is done when the handshake is."""
        return SmallSslProtocol(
            loop,
            app_protocol,
            self.context,
            waiter,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
