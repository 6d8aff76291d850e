"""Each way in which a connection cannot be made has a kind, and the strategy goes on trying."""

from __future__ import annotations

import errno
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from hyperstream.errors import ConfigurationError, ConnectFailed, HyperstreamError
from hyperstream.sockets import (
    Command,
    Connection,
    Endpoint,
    FailureKind,
    FixedDelay,
    Router,
    SocketConfig,
    State,
    StateChange,
    open_stream,
)
from hyperstream.sockets.connecting import Attempt, default_context
from hyperstream.sockets.failures import causes, network_failure, retry_after_seconds

from .venue import ToyProtocol, Venue, toy_router

CERTIFICATES = Path(__file__).parent.parent / "servers" / "grpc" / "certificates"


async def failure(config: SocketConfig) -> ConnectFailed:
    with trio.fail_after(30), pytest.raises(ConnectFailed) as failed:
        await Attempt(config, open_stream, lambda: None).connect()
    return failed.value


@asynccontextmanager
async def tcp_server(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve on a free port of this host; yield the port."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel(reason="the test is over")


def test_the_systems_certificates_are_read_once_and_always_asked_for() -> None:
    context = default_context()
    assert context is default_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_a_port_nobody_listens_on_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = await failure(SocketConfig("toy", f"ws://127.0.0.1:{port}/"))
    assert error.kind == FailureKind.REFUSED
    assert f"127.0.0.1:{port}" in error.detail


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), FailureKind.UNREACHABLE),
        (OSError(errno.EHOSTUNREACH, "No route to host"), FailureKind.UNREACHABLE),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), FailureKind.TIMEOUT),
        (OSError(errno.ECONNRESET, "Connection reset"), FailureKind.CLOSED),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), FailureKind.DNS),
        (ssl.SSLError(1, "[SSL] wrong version"), FailureKind.TLS),
        (trio.BrokenResourceError("gone"), FailureKind.CLOSED),
        (OSError("nothing more is known"), FailureKind.UNREACHABLE),
    ],
)
def test_a_low_level_error_has_a_kind_however_it_is_wrapped(error: Exception, kind: FailureKind) -> None:
    group = OSError("all attempts failed")
    group.__cause__ = ExceptionGroup("attempts", [error])
    assert network_failure(error, "venue.test:443").kind == kind
    if isinstance(error, OSError) and error.errno is not None:
        assert network_failure(group, "venue.test:443").kind == kind
    assert "venue.test:443" in network_failure(error, "venue.test:443").detail


def test_the_causes_of_an_error_that_causes_itself_end() -> None:
    error = ValueError("snake")
    error.__context__ = error
    assert list(causes(error)) == [error]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        (" 0 ", 0.0),
        ("999999", 3600.0),
        ("Sat, 21 Nov 2026 00:01:30 GMT", 90.0),
        ("Fri, 20 Nov 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(value, datetime(2026, 11, 21, tzinfo=UTC)) == seconds


async def test_a_certificate_nobody_vouches_for_is_a_bad_certificate() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")

    async def serve(stream: trio.SocketStream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_side=True).do_handshake()

    async with tcp_server(serve) as port:
        error = await failure(SocketConfig("toy", f"wss://localhost:{port}/"))
        assert error.kind == FailureKind.CERTIFICATE
        assert "certificate" in error.detail


async def test_a_peer_that_speaks_no_tls_is_a_tls_failure() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
        await stream.receive_some()

    async with tcp_server(serve) as port:
        error = await failure(SocketConfig("toy", f"wss://127.0.0.1:{port}/"))
        assert error.kind == FailureKind.TLS


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Swi"])
async def test_a_tcp_reset_in_the_handshake_is_closed(answer: bytes) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer) if answer else None
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()

    async with tcp_server(serve) as port:
        error = await failure(SocketConfig("toy", f"ws://127.0.0.1:{port}/"))
        assert error.kind == FailureKind.CLOSED


async def test_connecting_takes_five_seconds_at_most(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        venue = Venue(nursery)

        async def hang(_number: int) -> None:
            await trio.sleep_forever()

        venue.refuse = hang
        config = SocketConfig("toy", "ws://venue.test:81/")
        with pytest.raises(ConnectFailed) as failed:
            await Attempt(config, venue.opener, lambda: None).connect()
        assert trio.current_time() == 5.0
        assert failed.value.kind == FailureKind.TIMEOUT
        assert failed.value.detail == "connecting to venue.test:81 took more than 5.0 s"


async def test_a_peer_that_never_answers_the_handshake_times_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = trio.testing.memory_stream_pair()

    async def opener(_endpoint: Endpoint, _context: object) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return near

    with pytest.raises(ConnectFailed, match=r"the WebSocket handshake with venue\.test:80 took more than 5"):
        await Attempt(SocketConfig("toy", "ws://venue.test"), opener, lambda: None).connect()
    await far.receive_some()
    assert await far.receive_some() == b"", "the stream of a failed attempt is closed"


async def test_the_provider_is_asked_anew_at_each_connect(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[int] = []

    async def provide() -> Endpoint:
        await trio.lowlevel.checkpoint()
        asked.append(len(asked) + 1)
        if asked[-1] == 2:
            raise OSError("the token service is down")
        return Endpoint("ws://venue.test", headers=(("x-token", f"t{asked[-1]}"),))

    async with trio.open_nursery() as nursery:
        venue = Venue(nursery)
        config = SocketConfig("toy", provider=provide, heartbeat=None, reconnect=FixedDelay(1.0))
        async with Connection(config, toy_router([]), ToyProtocol(), venue.opener) as connection:
            await connection.wait_state(State.CONNECTED)
            await venue.visit.hang_up()
            await connection.wait_state(State.RECONNECTING)
            await connection.wait_state(State.CONNECTED)
            assert connection.statistics().connect_failures == 1
        assert [visit.headers.get("x-token") for visit in venue.visits] == ["t1", "t3"]


async def test_a_provider_that_hangs_or_lies_is_a_failure_like_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def hang() -> Endpoint:
        await trio.sleep_forever()
        raise AssertionError

    async def lie() -> Endpoint:
        await trio.lowlevel.checkpoint()
        return Endpoint("https://venue.test")

    async def refuse() -> Endpoint:
        await trio.lowlevel.checkpoint()
        raise ConnectFailed("rate limited", "slow down", retry_after_seconds=9.0)

    assert (await failure(SocketConfig("toy", provider=hang))).detail == "the provider took more than 5.0 s"
    assert "must begin with ws://" in (await failure(SocketConfig("toy", provider=lie))).detail
    assert (await failure(SocketConfig("toy", provider=refuse))).retry_after_seconds == 9.0


async def test_what_cannot_connect_says_so_once_per_cause_and_keeps_trying(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def refuse(number: int) -> None:
        if number <= 20:
            raise OSError(errno.ECONNREFUSED, "Connection refused")
        if number <= 40:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            venue = Venue(nursery, refuse=refuse)
            async with venue.connect(toy_router([])) as connection:
                await connection.wait_state(State.CONNECTED)
            statistics = connection.statistics()
    assert (statistics.connect_failures, statistics.connects) == (40, 1)
    said = [line["reason"] for line in logs if line["event"] == "cannot connect"]
    assert said == [
        "refused: venue.test:80: Connection refused",
        "name not found: venue.test:80: Name or service not known",
    ]


async def test_a_429_is_left_alone_for_as_long_as_it_asks(autojump_clock: trio.testing.MockClock) -> None:
    def refuse(number: int) -> None:
        if number == 1:
            raise ConnectFailed("rate limited", "HTTP 429", status=429, retry_after_seconds=120.0)

    async with trio.open_nursery() as nursery:
        venue = Venue(nursery, refuse=refuse)
        async with venue.connect(toy_router([])) as connection:
            await connection.wait_state(State.CONNECTED)
    assert venue.attempts == [0.0, 120.0]


async def test_headers_are_sent_and_authentication_comes_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def provide() -> Endpoint:
        await trio.lowlevel.checkpoint()
        return Endpoint(
            "ws://venue.test",
            headers=(("x-api-key", "k"),),
            authentication=('{"op":"hello"}', Command('{"op":"echo","id":"login"}', id="login")),
        )

    async with trio.open_nursery() as nursery:
        venue = Venue(nursery)
        config = SocketConfig("toy", provider=provide, heartbeat=None)
        async with Connection(config, toy_router([]), ToyProtocol(), venue.opener) as connection:
            await connection.wait_state(State.CONNECTED)
            await connection.send('{"op":"after"}')
            await trio.testing.wait_all_tasks_blocked()
            assert venue.visit.headers["x-api-key"] == "k"
            assert [command["op"] for _, command in venue.visit.commands] == ["hello", "echo", "after"]


@pytest.mark.parametrize("is_silent", [False, True])
async def test_authentication_that_is_refused_or_unanswered_is_a_failure_to_connect(
    autojump_clock: trio.testing.MockClock, is_silent: bool
) -> None:
    async def behave(visit: object, command: dict[str, object]) -> None:
        if not is_silent:
            await visit.send({"no": command["id"], "bad": [], "why": "wrong key"})  # type: ignore[attr-defined]

    async def provide() -> Endpoint:
        await trio.lowlevel.checkpoint()
        return Endpoint("ws://venue.test", authentication=(Command('{"op":"login","id":1}', id=1),))

    async with trio.open_nursery() as nursery:
        venue = Venue(nursery, behave=behave)
        config = SocketConfig("toy", provider=provide, heartbeat=None)
        connection = Connection(config, toy_router([]), ToyProtocol(), venue.opener)
        async with connection:
            events = connection.events()
            await connection.wait_state(State.RECONNECTING)
        reasons = [event.reason async for event in events if isinstance(event, StateChange)]
        assert connection.statistics().connects == 0
    expected = "took more than 5.0 s" if is_silent else "was refused: wrong key"
    assert any("authentication failed" in reason and expected in reason for reason in reasons)


def test_failures_are_errors_of_hyperstream() -> None:
    assert issubclass(ConnectFailed, HyperstreamError)
    assert not issubclass(ConfigurationError, ConnectFailed)


def test_a_router_serves_one_connection_at_a_time() -> None:
    router = Router(decode=bytes, key=len)
    router.bind("a", bool, None)
    with pytest.raises(ConfigurationError, match="serves another connection"):
        router.bind("b", bool, None)
    router.release()
    router.bind("b", bool, None)
