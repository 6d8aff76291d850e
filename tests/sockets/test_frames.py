"""Any frames, any tears: the fast way hears what wsproto alone would hear."""

from __future__ import annotations

import struct

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.utilities import LocalProtocolError

from .frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
    open_websocket,
    read_all,
)

_TEXTS = st.text(max_size=40).map(str.encode)
_FRAMES = st.one_of(
    st.builds(lambda text: frame(TEXT, text), _TEXTS),
    st.builds(lambda data: frame(BINARY, data), st.binary(max_size=300)),
    st.builds(lambda data, fin: frame(CONTINUATION, data, fin=fin), st.binary(max_size=20), st.booleans()),
    st.builds(lambda data: frame(BINARY, data, fin=False), st.binary(max_size=20)),
    st.builds(lambda text: frame(TEXT, text, fin=False), _TEXTS),
    st.builds(lambda data: frame(PING, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(PONG, data), st.binary(max_size=125)),
)
_RARE = st.one_of(
    st.builds(lambda code: frame(CLOSE, struct.pack("!H", code)), st.integers(0, 5000)),
    st.builds(frame, st.integers(0, 15), st.binary(max_size=130), fin=st.booleans(), bits=st.just(0x10)),
    st.builds(frame, st.sampled_from([TEXT, PING]), st.binary(max_size=10), masked=st.just(True)),
    st.builds(frame, st.sampled_from([PING, CLOSE]), st.binary(min_size=126, max_size=200)),
)


def by_wsproto(data: bytes) -> tuple[list[bytes], int]:
    """What wsproto alone makes of bytes: the messages, and the code it ends with."""
    connection, messages, parts = Connection(ConnectionType.CLIENT), [], b""
    connection.receive_data(data)
    for event in connection.events():
        if isinstance(event, TextMessage | BytesMessage):
            parts += event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
            if event.message_finished:
                messages.append(parts)
                parts = b""
        elif isinstance(event, CloseConnection):
            return messages, int(event.code)
    return messages, 1006


@settings(max_examples=4 * settings().max_examples)
@given(
    st.lists(_FRAMES, max_size=12),
    st.one_of(st.none(), _RARE),
    st.lists(_FRAMES, max_size=3),
    st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_any_frames_in_any_pieces_are_what_wsproto_makes_of_them(
    before: list[bytes], rare: bytes | None, after: list[bytes], sizes: list[int]
) -> None:
    data = b"".join([*before, rare or b"", *after])

    async def main() -> tuple[list[bytes], int]:
        transport, far = await open_websocket()
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(data[at : at + size])
            at += size

        async def say() -> None:
            for piece in pieces:
                await far.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
            await far.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say)
            messages, code = await read_all(transport)
        return messages, code

    assert trio.run(main) == by_wsproto(data)


@given(st.binary(max_size=400))
def test_garbage_ends_the_connection_and_nothing_else(data: bytes) -> None:
    async def main() -> None:
        transport, far = await open_websocket()
        await far.send_all(data)
        await far.send_eof()
        with trio.fail_after(30):
            _, code = await read_all(transport)
        assert code in (1002, 1005, 1006, 1007, 1009) or 1000 <= code < 5000

    trio.run(main)


def test_wsproto_refuses_to_hear_more_after_the_end() -> None:
    """What `Transport._consult` catches, so that a frame behind a goodbye is no error of ours."""
    connection = Connection(ConnectionType.CLIENT)
    connection.receive_data(None)
    with pytest.raises(LocalProtocolError):
        connection.receive_data(frame(TEXT, b"late"))
