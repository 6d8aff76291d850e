"""A port that a test holds is its own while servers come and go."""

import errno
import socket
import struct

import pytest

from .ports import held_port

IP_LOCAL_PORT_RANGE = 51  # Linux 6.3: the ports from which the kernel may choose for this socket


def socket_given_only(port: int) -> socket.socket:
    """A socket for which the kernel has this port to choose and no other."""
    made = socket.socket()
    try:
        made.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port))
    except OSError as exc:
        made.close()
        if exc.errno != errno.ENOPROTOOPT:
            raise
        pytest.skip("this kernel does not let a socket's range of ports be chosen")
    return made


def serve_once(port: int) -> None:
    """Listen there as a server does, take a connection and hang up first."""
    address = ("127.0.0.1", port)
    with socket.create_server(address) as listener, socket.create_connection(address, timeout=60) as client:
        listener.accept()[0].close()
        assert client.recv(1) == b""


def test_one_server_after_another_may_listen_at_a_held_port() -> None:
    with held_port() as port:
        for _ in range(3):
            serve_once(port)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=60)


@pytest.mark.parametrize("reuse", [False, True])
def test_nobody_is_given_a_held_port_to_listen_at(reuse: bool) -> None:
    with held_port() as port, socket_given_only(port) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", 0))


def test_nobody_is_given_a_held_port_to_call_from_not_even_to_call_itself() -> None:
    with held_port() as port, socket.create_server(("127.0.0.1", 0)) as listener:
        for address in (listener.getsockname(), ("127.0.0.1", port)):
            with socket_given_only(port) as other, pytest.raises(OSError, match="Cannot assign"):
                other.connect(address)
