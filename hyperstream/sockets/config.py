"""How one connection is to behave; what cannot work is refused when it is built."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from attrs import field, fields, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.sockets.protocol import Command
from hyperstream.sockets.strategies import ExponentialBackoff, Never, ReconnectStrategy


@frozen
class Heartbeat:
    """A ping every ``interval_seconds``, to be answered within ``deadline_seconds``, or else we reconnect.

    Pings are WebSocket pings, or with ``is_application`` what `Protocol.ping` builds, for venues whose own
    keep-alive is a message.
    """

    interval_seconds: float = 20.0
    deadline_seconds: float = 10.0
    is_application: bool = False

    def __attrs_post_init__(self) -> None:
        if self.interval_seconds <= 0 or self.deadline_seconds <= 0:
            raise ConfigurationError("heartbeat: interval_seconds and deadline_seconds must be above 0")
        if self.deadline_seconds > self.interval_seconds:
            raise ConfigurationError(
                f"heartbeat: deadline_seconds {self.deadline_seconds} is longer than interval_seconds "
                f"{self.interval_seconds}: the next ping would be due before an answer is missed"
            )


@frozen
class PassivePing:
    """A peer's own ping message: recognised on the raw bytes, answered before anything is parsed."""

    matches: Callable[[bytes], bool]
    reply: Callable[[bytes], str | bytes]


@frozen
class Endpoint:
    """Where to connect, asked anew at each attempt.

    ``authentication`` is sent first, in this order; a `Command` with an id is waited for.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    subprotocols: tuple[str, ...] = ()
    authentication: tuple[Command | str | bytes, ...] = field(default=(), repr=False)

    def __attrs_post_init__(self) -> None:
        parts = self._parts
        if parts.scheme not in ("ws", "wss"):
            raise ConfigurationError(f"url {self.url!r}: it must begin with ws:// or wss://")
        if not parts.hostname:
            raise ConfigurationError(f"url {self.url!r}: it names no host")
        if parts.username is not None or parts.fragment:
            raise ConfigurationError(
                f"url of {parts.hostname}: a WebSocket address has no user and no fragment; send credentials "
                "as headers or authentication messages"
            )
        if not self.target.isascii() or " " in self.target:
            raise ConfigurationError(f"url of {parts.hostname}: the path must be percent-encoded ASCII")

    @property
    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as error:
            raise ConfigurationError(f"url {self.url!r}: {error}") from None
        return parts

    @property
    def is_secure(self) -> bool:
        """Whether the connection is TLS."""
        return self._parts.scheme == "wss"

    @property
    def host(self) -> str:
        """The host's name or address, without brackets."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._parts.port or (443 if self.is_secure else 80)

    @property
    def host_header(self) -> str:
        """The Host header: IPv6 in brackets, the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """The path and query to request."""
        parts = self._parts
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


Provider = Callable[[], Awaitable[Endpoint]]


@frozen
class SocketConfig:
    """One connection's settings; impossible combinations raise `ConfigurationError` with the reason.

    - ``url`` or ``provider``: where to connect; a provider is asked anew at each attempt.
    - ``connect_seconds``: for provider, DNS, TCP, TLS, handshake and authentication together.
    - ``reconnect``: the strategy; its attempts count anew after ``healthy_seconds`` of connection.
    - ``message_rate``: messages to the peer per second, pings and pongs included, of which
      ``message_burst`` may go at once.
    - ``acknowledge_seconds``: how long the peer has to answer a command.
    - ``subscribe_batch``: how many subscriptions one call of `Protocol.subscribe` covers at most.
    - ``refused_seconds``: when a desired subscription that was refused is asked for again.
    - ``blame_seconds``: a connection that dies so soon after a subscribe may have died of it.
    - ``max_age_seconds``: a planned reconnect after that, less up to ``max_age_jitter_seconds``.
    - ``max_message_bytes``: a longer message closes the connection with code 1009.
    - ``max_queued``: how many messages may wait to be sent; past it senders are refused.
    - ``write_seconds``: a peer that takes nothing for so long is given up.
    - ``close_seconds``: leaving is done within that: queued messages, goodbye, handlers.
    - ``ssl_context``: for wss; the default one checks certificates and names.
    """

    name: str
    url: str | None = None
    provider: Provider | None = field(default=None, repr=False)
    connect_seconds: float = 5.0
    heartbeat: Heartbeat | None = field(factory=Heartbeat)
    passive_ping: PassivePing | None = None
    reconnect: ReconnectStrategy = field(factory=ExponentialBackoff)
    healthy_seconds: float = 10.0
    message_rate: float | None = None
    message_burst: int = 1
    acknowledge_seconds: float = 10.0
    subscribe_batch: int = 100
    refused_seconds: float = 30.0
    blame_seconds: float = 1.0
    max_age_seconds: float | None = None
    max_age_jitter_seconds: float = 0.0
    max_message_bytes: int = 4 * 1024 * 1024
    max_queued: int = 1000
    write_seconds: float = 10.0
    close_seconds: float = 5.0
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.name:
            raise ConfigurationError("a connection needs a name: logs and statistics use it")
        for attribute in fields(type(self)):
            value: Any = getattr(self, attribute.name)
            if attribute.name.endswith("_seconds") and value is not None:
                is_positive = value >= 0 if attribute.name == "max_age_jitter_seconds" else value > 0
                self._require(is_positive, f"{attribute.name} is {value}: it must be above 0")
        self._check_where()
        self._check_rates()
        self._check_age()

    def _check_where(self) -> None:
        self._require(
            (self.url is None) != (self.provider is None),
            "give either a url or a provider: a provider is asked at each connect, and makes a url void",
        )
        if self.url is not None:
            endpoint = Endpoint(self.url)
            self._require(
                self.ssl_context is None or endpoint.is_secure,
                f"there is an ssl_context but {self.url} is not encrypted: use wss://, or leave it out",
            )

    def _check_rates(self) -> None:
        self._require(self.subscribe_batch >= 1, f"subscribe_batch is {self.subscribe_batch}, not 1 or more")
        self._require(self.message_burst >= 1, f"message_burst is {self.message_burst}, not 1 or more")
        self._require(self.max_queued >= 1, f"max_queued is {self.max_queued}, not 1 or more")
        self._require(
            self.max_message_bytes >= 125,
            f"max_message_bytes is {self.max_message_bytes}: control frames alone may have 125",
        )
        if self.message_rate is None:
            self._require(self.message_burst == 1, "message_burst means nothing without a message_rate")
            return
        self._require(self.message_rate > 0, f"message_rate is {self.message_rate}: it must be above 0")
        if self.heartbeat is not None:
            self._require(
                self.heartbeat.interval_seconds * self.message_rate > 1,
                f"a ping every {self.heartbeat.interval_seconds} s uses up the whole message_rate of "
                f"{self.message_rate}/s: nothing else could ever be sent",
            )

    def _check_age(self) -> None:
        if self.max_age_seconds is None:
            self._require(
                self.max_age_jitter_seconds == 0,
                "max_age_jitter_seconds means nothing without max_age_seconds",
            )
            return
        self._require(
            self.max_age_seconds - self.max_age_jitter_seconds > self.healthy_seconds,
            f"a connection of at most {self.max_age_seconds} s (less {self.max_age_jitter_seconds} s) never "
            f"gets healthy, which takes {self.healthy_seconds} s",
        )
        self._require(
            not isinstance(self.reconnect, Never),
            "max_age_seconds plans a reconnect, and the strategy Never forbids it",
        )

    def _require(self, is_possible: bool, reason: str) -> None:
        if not is_possible:
            raise ConfigurationError(f"socket {self.name!r}: {reason}")
