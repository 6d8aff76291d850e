"""Sockets that outlive the daemon, as systemd's do: nobody is refused while it starts anew."""

from __future__ import annotations

import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from .client import Client
from .program import Daemon, command, simulated_node

SETTINGS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))
# What systemd does between fork and exec.
HAND_OVER = """
import os, sys
names, descriptors, program = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
for place, descriptor in enumerate(descriptors):
    os.dup2(int(descriptor), 3 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(descriptors)), LISTEN_FDNAMES=names)
os.execv(program[0], program)
"""


def activated(settings: dict[str, Any], **listeners: socket.socket) -> Daemon:
    """A daemon that was handed these sockets."""
    numbers = [listener.fileno() for listener in listeners.values()]
    names, places = ":".join(listeners), ",".join(map(str, numbers))
    start = [sys.executable, "-c", HAND_OVER, names, places, *command()]
    return Daemon(settings, start=start, descriptors=numbers)


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_who_connects_while_the_daemon_starts_anew_waits_and_is_served(tmp_path: Path) -> None:
    with (
        simulated_node(tmp_path / "data", "--rate", "20") as (_, url),
        socket.create_server(("127.0.0.1", 0)) as for_grpc,
        socket.create_server(("127.0.0.1", 0)) as for_websocket,
        socket.create_server(("127.0.0.1", 0)) as for_http,
    ):
        sockets = {"websocket": for_websocket, "grpc": for_grpc, "http": for_http}
        settings = {"node.data_dir": tmp_path / "data", "node.info_url": url}
        with activated(settings, **sockets) as daemon:
            assert daemon.port() == port_of(for_grpc)
            assert daemon.gateway_port() == port_of(for_websocket)
            with Client(port_of(for_grpc)) as client:
                daemon.wait_event("books loaded")
                client.follow("SubscribeBbo", ["BTC"]).wait_first_event()
                daemon.process.send_signal(signal.SIGTERM)
                assert daemon.wait() == 0
        with (
            socket.create_connection(for_grpc.getsockname(), timeout=60) as early,
            ThreadPoolExecutor() as threads,
        ):
            early.sendall(PREFACE)
            page = f"http://127.0.0.1:{port_of(for_http)}/healthz"
            asked = threads.submit(httpx.get, page, timeout=60)
            with activated(settings, **sockets) as daemon:
                assert early.recv(9)[3] == SETTINGS
                assert asked.result(60).status_code == 200
                daemon.wait_event("books loaded")
                with Client(port_of(for_grpc)) as client:
                    client.follow("SubscribeBbo", ["BTC"]).wait_first_event()
                with connect(f"ws://127.0.0.1:{port_of(for_websocket)}/ws") as peer:
                    peer.send('{"method":"ping"}')
                    assert peer.recv(20) == '{"channel":"pong"}'


def test_a_socket_of_an_unknown_name_is_a_bad_configuration(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = {"node.data_dir": tmp_path / "data"}
        with activated(settings, **{"hyperstream.socket": listener}) as daemon:
            assert daemon.wait() == 2
            assert "FileDescriptorName= one of grpc, websocket, http" in daemon.told()
