"""A subscriber that stops reading: HTTP/2 by hand, so that no window is ever opened again."""

from __future__ import annotations

import select
import socket
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from .contract import SERVICE
from .program import PATIENCE_SECONDS

WINDOW_BYTES = 400


class StalledClient:
    """Subscribes to every book, takes the first few bytes and nothing more.

    ``trailers_seen`` tells whether the stream came to an end. Use it as a context manager.
    """

    def __init__(self, port: int, request: Any) -> None:
        self.received = 0
        self.has_ended = False
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._http = H2Connection(H2Configuration(client_side=True))
        self._http.local_settings = type(self._http.local_settings)(
            client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES}
        )
        self._http.initiate_connection()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/{SERVICE}/SubscribeOrderbook",
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, list(headers.items()))
        body = request.SerializeToString()
        self._http.send_data(stream, b"\0" + len(body).to_bytes(4, "big") + body, end_stream=True)
        self._socket.sendall(self._http.data_to_send())

    def __enter__(self) -> StalledClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def stall(self) -> None:
        """Read until the window is full: from here on the server cannot send a byte of data."""
        while self.received < WINDOW_BYTES:
            assert self._receive(PATIENCE_SECONDS), "the server hung up before the window was full"

    def wait_hang_up(self) -> None:
        """Wait until the server closes the connection."""
        while self._receive(PATIENCE_SECONDS):
            assert not self.has_ended, "a stream that takes nothing cannot end in order"

    def _receive(self, seconds: float) -> bool:
        """Take what came, without granting more; False when the connection is gone."""
        assert select.select([self._socket], [], [], seconds)[0], "nothing came"
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            return False
        for event in self._http.receive_data(data) if data else ():
            if isinstance(event, DataReceived):
                self.received += len(event.data)
            elif isinstance(event, StreamEnded | StreamReset):
                self.has_ended = True
            else:
                assert not isinstance(event, ResponseReceived) or (b":status", b"200") in event.headers
        self._socket.sendall(self._http.data_to_send())
        return bool(data)
