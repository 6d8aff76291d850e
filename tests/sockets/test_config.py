"""Settings of a connection: what cannot work is refused when it is built, with the reason."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trio

from hyperstream.errors import ConfigurationError
from hyperstream.sockets import (
    Connection,
    Endpoint,
    Heartbeat,
    Never,
    Protocol,
    Router,
    SocketConfig,
    Subscription,
)


async def provide() -> Endpoint:
    await trio.lowlevel.checkpoint()
    return Endpoint("ws://venue.test")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"url": None}, "either a url or a provider"),
        ({"provider": provide}, "either a url or a provider"),
        ({"url": "http://venue.test"}, "must begin with ws:// or wss://"),
        ({"url": "ws:///path"}, "names no host"),
        ({"url": "ws://venue.test:99999"}, "Port out of range"),
        ({"url": "ws://me:secret@venue.test"}, "no user and no fragment"),
        ({"url": "ws://venue.test/#x"}, "no user and no fragment"),
        ({"url": "ws://venue.test/ä"}, "percent-encoded"),
        ({"ssl_context": ssl.create_default_context()}, "is not encrypted: use wss://"),
        ({"connect_seconds": 0}, "connect_seconds is 0: it must be above 0"),
        ({"close_seconds": -1}, "close_seconds is -1"),
        ({"max_age_jitter_seconds": 5}, "means nothing without max_age_seconds"),
        ({"max_age_seconds": 60, "healthy_seconds": 60}, "never gets healthy"),
        ({"max_age_seconds": 100, "max_age_jitter_seconds": 95}, "never gets healthy"),
        ({"max_age_seconds": 60, "reconnect": Never()}, "the strategy Never forbids it"),
        ({"message_burst": 5}, "means nothing without a message_rate"),
        ({"message_rate": 0}, "message_rate is 0: it must be above 0"),
        ({"message_rate": 0.05}, "uses up the whole message_rate"),
        ({"subscribe_batch": 0}, "subscribe_batch is 0"),
        ({"message_rate": 1, "message_burst": 0}, "message_burst is 0"),
        ({"max_queued": 0}, "max_queued is 0"),
        ({"max_message_bytes": 124}, "control frames alone may have 125"),
    ],
)
def test_an_impossible_combination_is_refused_with_the_reason(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        SocketConfig("toy", **{"url": "ws://venue.test/ws", **settings})


def test_a_refusal_names_the_connection_and_never_a_password() -> None:
    with pytest.raises(ConfigurationError, match="'toy'"):
        SocketConfig("toy")
    with pytest.raises(ConfigurationError) as refused:
        Endpoint("ws://me:secret@venue.test")
    assert "secret" not in str(refused.value)


def test_a_connection_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs a name"):
        SocketConfig("", "ws://venue.test")


@pytest.mark.parametrize(
    ("interval", "deadline", "reason"),
    [(0, 1, "above 0"), (1, 0, "above 0"), (10, 11, "the next ping would be due before")],
)
def test_an_impossible_heartbeat_is_refused(interval: float, deadline: float, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Heartbeat(interval, deadline)


def test_an_application_heartbeat_needs_a_protocol_that_can_ping() -> None:
    config = SocketConfig("toy", "ws://venue.test", heartbeat=Heartbeat(is_application=True))
    with pytest.raises(ConfigurationError, match="Protocol builds no ping"):
        Connection(config, Router(decode=bytes, key=len), Protocol())


def test_an_impossible_subscription_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_silence_seconds is 0"):
        Subscription("a", max_silence_seconds=0)
    with pytest.raises(ConfigurationError, match="max_renewals is 0"):
        Subscription("a", max_renewals=0)


@pytest.mark.parametrize(
    ("url", "host", "port", "host_header", "target"),
    [
        ("ws://venue.test", "venue.test", 80, "venue.test", "/"),
        ("wss://venue.test/ws?a=1&b=2", "venue.test", 443, "venue.test", "/ws?a=1&b=2"),
        ("wss://venue.test:9443/stream", "venue.test", 9443, "venue.test:9443", "/stream"),
        ("ws://[::1]:8000/ws", "::1", 8000, "[::1]:8000", "/ws"),
        ("ws://venue.test:443/", "venue.test", 443, "venue.test:443", "/"),
    ],
)
def test_an_endpoint_is_taken_apart(url: str, host: str, port: int, host_header: str, target: str) -> None:
    endpoint = Endpoint(url)
    found = endpoint.host, endpoint.port, endpoint.host_header, endpoint.target
    assert found == (host, port, host_header, target)
    assert endpoint.is_secure is url.startswith("wss")


def test_credentials_do_not_show_in_an_endpoints_repr() -> None:
    endpoint = Endpoint("ws://venue.test", headers=(("x-api-key", "secret"),), authentication=("secret",))
    assert "secret" not in repr(endpoint)
