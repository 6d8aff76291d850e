"""A hostile or merely odd client: frames written by hand to a socket, and what comes back."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Decoder
from hyperframe.frame import Frame

PATIENCE_SECONDS = 30
RST_STREAM, GOAWAY = 3, 7
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # and an empty SETTINGS frame


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def talk(port: int, *parts: bytes, ends: int | None = None, is_all: bool = False) -> bytes:
    """Send bytes; return what comes back until the server says goodbye, or has ended so many streams.

    With ``is_all`` the server is told that nothing more will come: it may take that for a goodbye.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as peer:
        answer = b""
        try:
            for part in parts:
                peer.sendall(part)
            if is_all:
                peer.shutdown(socket.SHUT_WR)
            while chunk := peer.recv(65536):
                answer += chunk
                frames = frames_in(answer)
                ended = {found.stream_id for found in frames if _is_end(found)}
                if any(found.type == GOAWAY for found in frames) or len(ended) == ends:
                    break
        except ConnectionError:
            pass
    return answer


def _is_end(found: Any) -> bool:
    return found.type == RST_STREAM or "END_STREAM" in found.flags


def frames_in(data: bytes) -> list[Any]:
    """The whole frames of an answer."""
    found = []
    while len(data) >= 9:
        parsed, length = Frame.parse_frame_header(memoryview(data[:9]))
        if len(data) < 9 + length:
            break
        parsed.parse_body(memoryview(data[9 : 9 + length]))
        found.append(parsed)
        data = data[9 + length :]
    return found


class HeaderWriter:
    """Encodes requests, one HPACK table for all: stream after stream."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
        self.h2.initiate_connection()
        self.h2.data_to_send()

    def request(self, method: str, more: Mapping[str, str] | None = None, *, stream: int = 1) -> bytes:
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/hyperstream.v1.OrderbookService/{method}",
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
            **(more or {}),
        }
        self.h2.send_headers(stream, [item for item in headers.items() if item[1]])
        return self.h2.data_to_send()


def request_headers(method: str, **more: str) -> bytes:
    """The HEADERS frame of a first call."""
    return HeaderWriter().request(method, more)


def decoded(answer: bytes) -> bytes:
    """The header values of an answer, one after the other."""
    decoder = Decoder()
    values: list[bytes] = []
    for found in frames_in(answer):
        if found.type == 1:
            values += [b"%s=%s" % (k, v) for k, v in decoder.decode(found.data, raw=True)]
    return b"\n".join(values)
