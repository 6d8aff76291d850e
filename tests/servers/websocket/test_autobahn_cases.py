"""The cases of the Autobahn test suite that matter to a server, by number, against an echo on our session.

1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 large
messages, 12 and 13 compression. Said here is what a strict server does; the suite itself wants a Python of
its own, and is run by hand (docs/decisions/0005-websocket-server.md).
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from .echo_server import echo_server
from .raw_peer import BINARY, CLOSE, PING, PONG, TEXT, RawPeer, frame, raw_peer, request

MIB = 1 << 20
CONTINUATION = 0


@asynccontextmanager
async def echo_peer(tmp_path: Path) -> AsyncIterator[RawPeer]:
    server = echo_server()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            _, port = await nursery.start(server.run)
            async with raw_peer(port) as peer:
                await peer.upgrade()
                yield peer
            nursery.cancel_scope.cancel(reason="the case is over")


async def next_message(peer: RawPeer) -> str | bytes:
    """The next message, whatever its frames."""
    text, data = "", b""
    while True:
        event = await peer.event()
        assert isinstance(event, TextMessage | BytesMessage), event
        if isinstance(event, TextMessage):
            text += event.data
        else:
            data += bytes(event.data)
        if event.message_finished:
            return text if isinstance(event, TextMessage) else data


@pytest.mark.parametrize("size", [0, 125, 126, 127, 128, 65_535, 65_536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_1_frames_of_every_length_are_echoed(tmp_path: Path, opcode: int, size: int) -> None:
    async with echo_peer(tmp_path) as peer:
        await peer.send(frame(opcode, b"*" * size))
        told = await next_message(peer)
        assert told == ("*" * size if opcode == TEXT else b"*" * size)


@pytest.mark.parametrize("payload", [b"", b"Hello", bytes(range(125)), b"\x00\xff\xfe" * 41])
async def test_2_pings_are_answered_with_their_payload(tmp_path: Path, payload: bytes) -> None:
    async with echo_peer(tmp_path) as peer:
        await peer.send(frame(PONG, b"unasked") + frame(PING, payload))
        event = await peer.event()
        assert isinstance(event, Pong)
        assert bytes(event.payload) == payload


async def test_2_10_pings_are_answered_in_their_order(tmp_path: Path) -> None:
    async with echo_peer(tmp_path) as peer:
        await peer.send(b"".join(frame(PING, b"%d" % number) for number in range(10)))
        events = [await peer.event() for _ in range(10)]
        assert [bytes(event.payload) for event in events if isinstance(event, Pong)] == [
            b"%d" % number for number in range(10)
        ]


BROKEN = {
    "2.5 a ping of 126 bytes": frame(PING, b"x" * 126),
    "3.1 rsv 1 without an extension": frame(TEXT, b"x", rsv=0x10),
    "3.2 rsv 2": frame(TEXT, b"x", rsv=0x20),
    "3.5 rsv in a binary frame": frame(BINARY, b"x", rsv=0x50),
    "3.6 rsv in a ping": frame(PING, b"x", rsv=0x60),
    "3.7 rsv in a close": frame(CLOSE, rsv=0x70),
    "4.1.1 opcode 3": frame(3),
    "4.1.5 opcode 7": frame(7, b"x"),
    "4.2.1 opcode 11": frame(11),
    "4.2.5 opcode 15": frame(15, b"x"),
    "5.1 a ping in two fragments": frame(PING, b"a", fin=False) + frame(CONTINUATION, b"b"),
    "5.2 a pong in two fragments": frame(PONG, b"a", fin=False) + frame(CONTINUATION, b"b"),
    "5.9 a continuation of nothing": frame(CONTINUATION, b"x"),
    "5.11 unfinished continuation of nothing": frame(CONTINUATION, b"x", fin=False) + frame(TEXT, b"x"),
    "5.18 a message within a message": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "7.3.2 a close of one byte": frame(CLOSE, b"x"),
    "7.3.6 a close with 124 bytes of reason": frame(CLOSE, struct.pack(">H", 1000) + b"x" * 124),
    "7.9.1 close code 0": frame(CLOSE, struct.pack(">H", 0)),
    "7.9.2 close code 999": frame(CLOSE, struct.pack(">H", 999)),
    "7.9.3 close code 1004": frame(CLOSE, struct.pack(">H", 1004)),
    "7.9.4 close code 1005": frame(CLOSE, struct.pack(">H", 1005)),
    "7.9.6 close code 1016": frame(CLOSE, struct.pack(">H", 1016)),
    "7.9.9 close code 2999": frame(CLOSE, struct.pack(">H", 2999)),
    "7.13.1 close code 5000": frame(CLOSE, struct.pack(">H", 5000)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_what_breaks_the_protocol_closes_with_1002(tmp_path: Path, data: bytes) -> None:
    async with echo_peer(tmp_path) as peer:
        await peer.send(data)
        assert (await peer.closed())[0] == 1002
        await peer.stream.aclose()


@pytest.mark.parametrize("cut", [1, 7, 100])
async def test_5_fragments_with_pings_between_are_one_message(tmp_path: Path, cut: int) -> None:
    text = "Hello-µ@ßöäüàá-UTF-8!!" * 5
    data = text.encode()
    pieces = [data[index : index + cut] for index in range(0, len(data), cut)]
    async with echo_peer(tmp_path) as peer:
        for index, piece in enumerate(pieces):
            opcode = TEXT if index == 0 else CONTINUATION
            await peer.send(frame(opcode, piece, fin=index == len(pieces) - 1))
            if index == 1:
                await peer.send(frame(PING, b"between"))
        events: list[Event | None] = [await peer.event() for _ in range(2 if len(pieces) > 1 else 1)]
        assert any(isinstance(event, TextMessage) and event.data == text for event in events)


INVALID_UTF8 = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # 6.3.1
    b"\xf8\x88\x80\x80\x80",  # 6.11.5: five bytes
    b"\xc0\xaf",  # 6.18: overlong
    b"\xed\xa0\x80",  # 6.20: a surrogate
    b"\xf4\x90\x80\x80",  # 6.4: past the last code point
    b"\xe2\x82",  # cut off
]


@pytest.mark.parametrize("data", INVALID_UTF8)
@pytest.mark.parametrize("is_cut", [False, True])
async def test_6_invalid_utf8_closes_with_1007(tmp_path: Path, data: bytes, is_cut: bool) -> None:
    whole = frame(TEXT, data)
    torn = frame(TEXT, data[:1], fin=False) + frame(CONTINUATION, data[1:])
    async with echo_peer(tmp_path) as peer:
        await peer.send(torn if is_cut else whole)
        assert (await peer.closed())[0] == 1007


@pytest.mark.parametrize("text", ["κόσμε", "\U0010ffff", "�", "￿", "\0", "퟿"])
async def test_6_valid_utf8_is_echoed_byte_by_byte(tmp_path: Path, text: str) -> None:
    async with echo_peer(tmp_path) as peer:
        for byte in frame(TEXT, text.encode()):
            await peer.send(bytes((byte,)))
        assert await next_message(peer) == text


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]


@pytest.mark.parametrize("code", CODES)
async def test_7_a_close_is_returned_and_nothing_after_it_is_answered(tmp_path: Path, code: int) -> None:
    async with echo_peer(tmp_path) as peer:
        reason = "x" * 123
        await peer.send(
            frame(CLOSE, struct.pack(">H", code) + reason.encode()) + frame(PING) + frame(TEXT, b"x")
        )
        assert await peer.closed() == (code, reason)
        assert await peer.event() is None


async def test_7_3_1_a_close_without_a_code_is_returned_without_one(tmp_path: Path) -> None:
    async with echo_peer(tmp_path) as peer:
        await peer.send(frame(CLOSE))
        event = await peer.event()
        assert isinstance(event, CloseConnection)
        assert event.code == 1005
        assert await peer.event() is None


async def test_7_5_1_a_reason_that_is_not_utf8_closes_with_1007(tmp_path: Path) -> None:
    async with echo_peer(tmp_path) as peer:
        await peer.send(frame(CLOSE, struct.pack(">H", 1000) + b"\xce\xba\xe1\xbd\xed\xa0\x80"))
        assert (await peer.closed())[0] == 1007


@pytest.mark.parametrize(("size", "piece"), [(MIB, MIB), (4 * MIB, 64 * 1024), (16 * MIB, 16 * MIB)])
async def test_9_large_messages_are_echoed(tmp_path: Path, size: int, piece: int) -> None:
    async with echo_peer(tmp_path) as peer:

        async def send() -> None:
            for first in range(0, size, piece):
                opcode = BINARY if first == 0 else CONTINUATION
                await peer.send(frame(opcode, b"*" * piece, fin=first + piece >= size))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert await next_message(peer) == b"*" * size


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
    ],
)
async def test_12_and_13_compressed_messages_are_echoed_compressed(tmp_path: Path, offer: str) -> None:
    async with echo_peer(tmp_path) as plain:
        port: Any = plain.stream.socket.getpeername()[1]
        async with raw_peer(port) as peer:
            await peer.send(request(sec_websocket_extensions=offer))
            _, headers, _ = await peer.answer()
            extension = PerMessageDeflate()
            extension.finalize(headers["sec-websocket-extensions"])
            peer._peer = Connection(ConnectionType.CLIENT, [extension])
            for size in (0, 16, 64, 1024, 8192, 131_072):
                text = ('{"price":"84143.0","size":"1.25"}' * (size // 32 + 1))[:size]
                await peer.send(bytes(peer._peer.send(TextMessage(text))))
                assert await next_message(peer) == text
