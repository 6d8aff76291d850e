"""Sockets that systemd opened and hands over, so that nobody is refused while the daemon restarts.

The protocol is sd_listen_fds(3): from descriptor 3 on there are ``$LISTEN_FDS`` sockets for the process
``$LISTEN_PID``, named by ``$LISTEN_FDNAMES`` (``FileDescriptorName=`` of a socket unit). A server whose name
one of them has listens there, whatever its ``listen`` says.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping

from attrs import evolve

from hyperstream.config import ListenAddress, Settings, check_access
from hyperstream.errors import ConfigurationError

FIRST_DESCRIPTOR = 3
SERVERS = ("grpc", "websocket", "http")
_HOW = f"give each a socket unit of its own, with FileDescriptorName= one of {', '.join(SERVERS)}"


def inherited_sockets(
    environ: MutableMapping[str, str], first_descriptor: int = FIRST_DESCRIPTOR
) -> dict[str, socket.socket]:
    """The listening sockets that were handed to this process, by server; none if none were.

    The variables are taken away: they are not meant for programs that this one starts. Raises
    ConfigurationError for what no server can listen on.
    """
    owner, number, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if not number or owner != str(os.getpid()):
        return {}
    if not (number.isascii() and number.isdecimal()):
        raise ConfigurationError(f"LISTEN_FDS must be a number, not {number!r}")
    named = names.split(":")[: int(number)] if names else []
    named += [""] * (int(number) - len(named))
    for name in named:
        if name not in SERVERS:
            raise ConfigurationError(f"a socket named {name!r} was handed over, and no server is: {_HOW}")
        if named.count(name) > 1:
            raise ConfigurationError(f"two sockets named {name!r} were handed over: {_HOW}")
    return {name: _adopted(name, first_descriptor + place) for place, name in enumerate(named)}


def _adopted(name: str, descriptor: int) -> socket.socket:
    try:
        adopted = socket.socket(fileno=descriptor)
    except OSError as exc:
        raise ConfigurationError(f"descriptor {descriptor}, named {name!r}, is no socket: {_HOW}") from exc
    is_tcp = adopted.family in (socket.AF_INET, socket.AF_INET6) and adopted.type == socket.SOCK_STREAM
    if not (is_tcp and adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        adopted.detach()
        raise ConfigurationError(
            f"the socket named {name!r} does not accept TCP connections: its unit must say "
            "ListenStream=HOST:PORT and Accept=no"
        )
    adopted.setblocking(False)
    adopted.set_inheritable(False)
    return adopted


def listening_there(settings: Settings, sockets: Mapping[str, socket.socket]) -> Settings:
    """The settings with the addresses of these sockets, checked as those of a file are.

    Raises ConfigurationError: a server that is switched off is handed none, and one that others can reach
    says who may call.
    """
    for name, listener in sockets.items():
        server = getattr(settings, name)
        if not getattr(server, "enabled", True):
            raise ConfigurationError(
                f"a socket named {name!r} was handed over, and {name}.enabled is false: switch it on, or "
                "disable that socket unit"
            )
        host, port = listener.getsockname()[:2]
        settings = evolve(settings, **{name: evolve(server, listen=ListenAddress(host, port))})
    check_access(settings)
    return settings
