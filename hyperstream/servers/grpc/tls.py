"""TLS and mutual TLS: contexts made from files, remade when told, and a smaller SSL protocol."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field

from hyperstream.errors import ConfigurationError

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


@define(eq=False)
class TlsFiles:
    """The certificate, key and client CA, and the context made of them.

    ``reload`` reads them again for the connections to come; those that are open keep what they have.
    """

    certificate: Path
    private_key: Path
    client_ca: Path | None = None
    context: ssl.SSLContext = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the files. Raises ConfigurationError, and keeps the context, if they cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols([ALPN])
        _load(context, self.certificate, self.private_key)
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except OSError as exc:
                raise _unusable("client_ca", self.client_ca, exc) from exc
            context.verify_mode = ssl.CERT_REQUIRED
        self.context = context

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


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for setting, path in (("certificate", certificate), ("private_key", key)):
        try:
            with path.open("rb"):
                pass
        except OSError as exc:
            raise _unusable(setting, path, exc) from exc
    try:
        # A password would be asked for on the terminal; there is none to ask.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as exc:
        raise _unusable("certificate", certificate, exc, f" with grpc.private_key {key}") from exc


def _no_password() -> str:
    raise ValueError("the key is encrypted: hyperstream wants one without a password")


def _unusable(setting: str, path: Path, exc: Exception, more: str = "") -> ConfigurationError:
    reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or exc
    return ConfigurationError(f"grpc.{setting}: {path} cannot be used{more}: {reason}")
