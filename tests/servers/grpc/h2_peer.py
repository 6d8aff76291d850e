"""A gRPC client made of h2 and a socket: it decides itself how much it reads, and h2 checks what it gets."""

from __future__ import annotations

import socket
import struct
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, StreamEnded, StreamReset, TrailersReceived
from h2.settings import SettingCodes, Settings

from hyperstream.v1 import orderbook_pb2


class H2Peer:
    """One connection with one streaming call. h2 raises if a window or a frame size is violated."""

    def __init__(self, port: int, *, window: int = 65535, max_frame_size: int = 16384) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.h2 = H2Connection(H2Configuration(client_side=True))
        values = {SettingCodes.INITIAL_WINDOW_SIZE: window, SettingCodes.MAX_FRAME_SIZE: max_frame_size}
        self.h2.local_settings = Settings(client=True, initial_values=values)
        self.h2.max_inbound_frame_size = max_frame_size
        self.h2.initiate_connection()
        self.window = window
        self.received = b""
        self.unacknowledged = 0
        self.frame_sizes: list[int] = []
        self.status: str | None = None
        self.is_reset = False

    def call(self, method: str, request: Any) -> None:
        """Start a call."""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/hyperstream.v1.OrderbookService/{method}",
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        body = request.SerializeToString()
        self.h2.send_headers(1, list(headers.items()))
        self.h2.send_data(1, b"\0" + struct.pack(">I", len(body)) + body, end_stream=True)
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def read(self, *, acknowledge: bool = True) -> bool:
        """Read what is there; with ``acknowledge`` give the windows back. False at the end."""
        data = self.socket.recv(65536)
        if not data:
            return False
        for event in self.h2.receive_data(data):
            self._handle(event)
        if acknowledge:
            self.acknowledge()
        self.flush()
        return self.status is None and not self.is_reset

    def _handle(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self.received += event.data
            self.frame_sizes.append(len(event.data))
            self.unacknowledged += event.flow_controlled_length or 0
        elif isinstance(event, TrailersReceived):
            self.status = dict(event.headers or [])[b"grpc-status"].decode()
        elif isinstance(event, StreamReset):
            self.is_reset = True
        elif isinstance(event, StreamEnded) and self.status is None:
            self.status = ""

    def acknowledge(self) -> None:
        """Give back the windows of everything read so far."""
        if self.unacknowledged and self.status is None and not self.is_reset:
            self.h2.acknowledge_received_data(self.unacknowledged, 1)
            self.unacknowledged = 0

    def messages(self) -> list[Any]:
        """The whole messages received so far, decoded; what is incomplete stays."""
        found = []
        while len(self.received) >= 5:
            (size,) = struct.unpack(">I", self.received[1:5])
            if len(self.received) < 5 + size:
                break
            found.append(orderbook_pb2.SubscribeOrderbookResponse.FromString(self.received[5 : 5 + size]))
            self.received = self.received[5 + size :]
        return found

    def close(self) -> None:
        self.socket.close()
