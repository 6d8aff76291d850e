"""Making a connection: provider, TCP, TLS, the opening handshake; each failure mapped to one kind."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from functools import cache

import trio
from attrs import define

from hyperstream.errors import ConnectFailed
from hyperstream.sockets.config import Endpoint, SocketConfig
from hyperstream.sockets.failures import FailureKind, network_failure
from hyperstream.sockets.transport import Transport

OpenStream = Callable[[Endpoint, ssl.SSLContext | None], Awaitable[trio.abc.Stream]]


@cache
def default_context() -> ssl.SSLContext:
    """Return the TLS context of connections that have none of their own: certificates and names are checked.

    Made once: reading the system's certificates holds everybody up for 15 ms at best.
    """
    return ssl.create_default_context()


async def open_stream(endpoint: Endpoint, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    """Open TCP to an endpoint, and TLS where its scheme asks for it. Raises `ConnectFailed`."""
    where = f"{endpoint.host}:{endpoint.port}"
    context = ssl_context
    if context is None and endpoint.is_secure:
        context = default_context()
    try:
        tcp = await trio.open_tcp_stream(endpoint.host, endpoint.port)
    except OSError as error:
        raise network_failure(error, where) from error
    if context is None or not endpoint.is_secure:
        return tcp
    tls = trio.SSLStream(tcp, context, server_hostname=endpoint.host, https_compatible=True)
    try:
        await tls.do_handshake()
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(tcp)
        raise network_failure(error, where) from error
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return tls


@define(eq=False, repr=False)
class Attempt:
    """One attempt to connect; ``stage`` says what it is waiting for, should it take too long."""

    config: SocketConfig
    opener: OpenStream
    on_sent: Callable[[], None]
    stage: str = "the provider"

    async def connect(self) -> tuple[Transport, Endpoint]:
        """Return a connection whose handshake is done. Raises `ConnectFailed` and nothing else."""
        config = self.config
        with trio.move_on_after(config.connect_seconds):
            endpoint = await self._ask()
            stream = await self._open(endpoint)
            return await self._upgrade(stream, endpoint), endpoint
        detail = f"{self.stage} took more than {config.connect_seconds} s"
        raise ConnectFailed(FailureKind.TIMEOUT, detail)

    async def _ask(self) -> Endpoint:
        config = self.config
        if config.provider is None:
            assert config.url is not None
            return Endpoint(config.url)
        try:
            return await config.provider()
        except ConnectFailed:
            raise
        # Whatever a provider does to find its answer (HTTP, files) fails in its own ways; it is asked again.
        except Exception as error:
            detail = f"the provider raised {type(error).__name__}: {error}"
            raise ConnectFailed(FailureKind.PROVIDER, detail) from error

    async def _open(self, endpoint: Endpoint) -> trio.abc.Stream:
        where = f"{endpoint.host}:{endpoint.port}"
        self.stage = f"connecting to {where}"
        try:
            return await self.opener(endpoint, self.config.ssl_context)
        except (OSError, trio.BrokenResourceError) as error:
            raise network_failure(error, where) from error

    async def _upgrade(self, stream: trio.abc.Stream, endpoint: Endpoint) -> Transport:
        where = f"{endpoint.host}:{endpoint.port}"
        self.stage = f"the WebSocket handshake with {where}"
        try:
            transport = Transport(
                stream,
                host=endpoint.host_header,
                target=endpoint.target,
                headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in endpoint.headers],
                subprotocols=list(endpoint.subprotocols),
                max_message_bytes=self.config.max_message_bytes,
                write_seconds=self.config.write_seconds,
                on_sent=self.on_sent,
            )
            await transport.shake_hands()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            await trio.aclose_forcefully(stream)
            raise network_failure(error, where) from error
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return transport
