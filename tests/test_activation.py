"""Sockets handed over by systemd: which are taken, and what is said of those that are not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from hyperstream.activation import inherited_sockets, listening_there
from hyperstream.config import GrpcSettings, HttpSettings, Settings, WebSocketSettings
from hyperstream.errors import ConfigurationError

FIRST = 900  # descriptors from here on are nobody's


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    """Three listening sockets, at the descriptors from FIRST on."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        for place, listener in enumerate(opened):
            os.dup2(listener.fileno(), FIRST + place)
        yield opened
        for place in range(3):
            with suppress(OSError):  # taken over, and closed by who took it
                os.close(FIRST + place)


def handed_over(number: object, names: str, owner: int | None = None) -> dict[str, str]:
    return {
        "LISTEN_PID": str(owner or os.getpid()),
        "LISTEN_FDS": str(number),
        "LISTEN_FDNAMES": names,
        "HOME": "/nonexistent",
    }


def test_each_server_gets_the_socket_of_its_name(listeners: list[socket.socket]) -> None:
    environ = handed_over(3, "websocket:http:grpc")
    found = inherited_sockets(environ, FIRST)
    order = ("websocket", "http", "grpc")
    assert {name: taken.getsockname() for name, taken in found.items()} == {
        name: listener.getsockname() for name, listener in zip(order, listeners, strict=True)
    }
    assert environ == {"HOME": "/nonexistent"}, "programs that are started later are not handed them"
    for taken in found.values():
        assert not taken.getblocking()
        assert not taken.get_inheritable()
        taken.close()


def test_without_any_or_with_somebody_elses_there_are_none() -> None:
    for environ in ({}, handed_over(1, "grpc", owner=1), {"LISTEN_PID": str(os.getpid())}):
        assert inherited_sockets(environ, FIRST) == {}


@pytest.mark.parametrize(
    ("number", "names", "words"),
    [
        ("many", "grpc", "LISTEN_FDS must be a number"),
        (1, "", "a socket named ''"),
        (1, "hyperstream.socket", "a socket named 'hyperstream.socket'"),
        (2, "grpc", "a socket named ''"),
        (2, "grpc:grpc", "two sockets named 'grpc'"),
    ],
)
def test_what_nobody_could_listen_on_is_refused_with_what_to_do(
    listeners: list[socket.socket], number: object, names: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        inherited_sockets(handed_over(number, names), FIRST)
    assert all(listener.fileno() >= 0 for listener in listeners)


def test_a_socket_that_does_not_accept_is_refused() -> None:
    with (
        socket.socket(socket.AF_UNIX) as local,
        socket.socket() as idle,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
    ):
        for kind in (local, idle, datagrams):
            os.dup2(kind.fileno(), FIRST)
            with pytest.raises(ConfigurationError, match="'http' does not accept TCP connections"):
                inherited_sockets(handed_over(1, "http"), FIRST)
            os.close(FIRST)


def test_what_is_no_socket_is_refused() -> None:
    reading, writing = os.pipe()
    os.dup2(reading, FIRST)
    with pytest.raises(ConfigurationError, match=f"descriptor {FIRST}, named 'grpc', is no socket"):
        inherited_sockets(handed_over(1, "grpc"), FIRST)
    for descriptor in (reading, writing, FIRST):
        os.close(descriptor)


def test_a_server_listens_where_its_socket_does(listeners: list[socket.socket]) -> None:
    before = Settings(grpc=GrpcSettings(listen="127.0.0.1:1"))
    settings = listening_there(before, {"grpc": listeners[0]})
    assert (settings.grpc.listen.host, settings.grpc.listen.port) == listeners[0].getsockname()
    assert settings.websocket == before.websocket


@pytest.mark.parametrize("name", ["grpc", "websocket", "http"])
def test_a_socket_that_others_can_reach_needs_keys_as_an_address_does(name: str) -> None:
    everywhere = "0.0.0.0"
    with socket.create_server((everywhere, 0)) as listener:
        with pytest.raises(ConfigurationError, match=f"{name}.listen {everywhere}:.* can be reached"):
            listening_there(Settings(), {name: listener})
        anybody = Settings(
            grpc=GrpcSettings(allow_anyone=True),
            websocket=WebSocketSettings(allow_anyone=True),
            http=HttpSettings(allow_anyone=True),
        )
        assert getattr(listening_there(anybody, {name: listener}), name).listen.host == everywhere


@pytest.mark.parametrize("name", ["websocket", "http"])
def test_a_server_that_is_off_is_handed_none(name: str, listeners: list[socket.socket]) -> None:
    off = Settings(websocket=WebSocketSettings(enabled=False), http=HttpSettings(enabled=False))
    with pytest.raises(ConfigurationError, match=f"{name}.enabled is false: switch it on"):
        listening_there(off, {name: listeners[0]})
