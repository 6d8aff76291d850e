"""permessage-deflate: negotiated as RFC 7692 says, shared when sent, bounded when received."""

from __future__ import annotations

import json
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, TextMessage
from wsproto.extensions import PerMessageDeflate

from hyperstream.servers.websocket.deflate import NAME, BoundedDeflate, accept_offer
from hyperstream.testing import BUSY

from .raw_peer import PING, TEXT, frame, raw_peer, request
from .serving import client, serving

ANSWER = f"{NAME}; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (NAME, (ANSWER, 15)),
        (f"{NAME}; client_max_window_bits", (ANSWER, 15)),
        (f"{NAME}; client_max_window_bits=10; server_no_context_takeover", (ANSWER, 15)),
        (f"{NAME}; server_max_window_bits=15", (ANSWER, 15)),
        (f'{NAME}; server_max_window_bits="9"', (f"{ANSWER}; server_max_window_bits=9", 9)),
        (f"x-other, {NAME}; server_max_window_bits=8, {NAME}", (ANSWER, 15)),
        (f"{NAME}; server_max_window_bits=8", None),
        (f"{NAME}; server_max_window_bits=16", None),
        (f"{NAME}; server_max_window_bits", None),
        (f"{NAME}; client_max_window_bits=7", None),
        (f"{NAME}; server_no_context_takeover=1", None),
        (f"{NAME}; client_max_window_bits; client_max_window_bits", None),
        (f"{NAME}; whatever", None),
        (f"{NAME}; server_max_window_bits=09", None),
        ("", None),
        ("x-webkit-deflate-frame", None),
    ],
)
def test_an_offer_is_accepted_or_declined_as_a_whole(offer: str, answer: tuple[str, int] | None) -> None:
    assert accept_offer(offer) == answer


@given(st.text(max_size=60))
def test_any_offer_is_judged_without_an_error(offer: str) -> None:
    assert accept_offer(offer) in (None, (ANSWER, 15)) or NAME in offer


def exchange(data: bytes, *, most: int = 1000) -> list[Event]:
    """What a server's connection makes of these bytes."""
    peer = Connection(ConnectionType.SERVER, [BoundedDeflate(most)])
    peer.receive_data(data)
    return list(peer.events())


def packed(text: bytes, *, level: int = 6) -> bytes:
    """A message as a client compresses it."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


LONG = packed(b"x" * 2000)


@given(st.text(max_size=300), st.lists(st.integers(0, 200), max_size=5), st.booleans())
def test_messages_in_any_pieces_are_inflated(text: str, cuts: list[int], is_first_plain: bool) -> None:
    body = packed(text.encode())
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[first:last] for first, last in pairwise(edges)] or [body]
    data = frame(TEXT, b"plain") if is_first_plain else b""
    for index, piece in enumerate(pieces):
        is_last = index == len(pieces) - 1
        data += frame(TEXT if index == 0 else 0, piece, rsv=0x40 if index == 0 else 0, fin=is_last)
        data += frame(PING) if not is_last else b""
    events = [event for event in exchange(data) if isinstance(event, TextMessage)]
    told = "".join(event.data for event in events)
    assert told == ("plain" if is_first_plain else "") + text


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, packed(b"x" * 1001), rsv=0x40), 1009),
        (frame(TEXT, packed(b"\0" * 10_000_000, level=9), rsv=0x40), 1009),
        (frame(TEXT, LONG[:5], rsv=0x40, fin=False) + frame(0, LONG[5:]), 1009),
        (frame(TEXT, b"\xff\xff garbage", rsv=0x40), 1007),
        (frame(TEXT, packed(b"\xff\xfe"), rsv=0x40), 1007),
        (frame(PING, b"", rsv=0x40), 1002),
        (frame(TEXT, b"x", fin=False) + frame(0, b"x", rsv=0x40), 1002),
        (frame(TEXT, b"x", rsv=0x20), 1002),
    ],
)
def test_what_is_too_much_or_nonsense_closes_the_connection(data: bytes, code: int) -> None:
    last = exchange(data)[-1]
    assert isinstance(last, CloseConnection)
    assert last.code == code


def test_a_bomb_is_never_inflated_past_the_limit() -> None:
    class Counting(BoundedDeflate):
        most_inflated = 0

        def _inflate(self, inflater: Any, data: bytes) -> Any:
            inflated = super()._inflate(inflater, data)
            self.most_inflated = max(self.most_inflated, self._inflated)
            return inflated

    extension = Counting(1000)
    peer = Connection(ConnectionType.SERVER, [extension])
    peer.receive_data(frame(TEXT, packed(b"\0" * 50_000_000, level=9), rsv=0x40))
    assert isinstance(list(peer.events())[-1], CloseConnection)
    assert extension.most_inflated <= 1001


async def test_a_client_that_takes_compressed_messages_gets_the_same_as_others(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        async with client(served.port, compression="deflate") as packed_peer, client(served.port) as plain:
            for peer in (packed_peer, plain):
                await peer.subscribe(type="l2Book", coin="BTC")
                await peer.subscribe(type="trades", coin="BTC")
                await peer.subscribe(type="l4Book", coin="BTC")
            served.step(20)
            compressed, told = await packed_peer.so_far(served), await plain.so_far(served)
            extensions = packed_peer.connection.protocol.extensions
            assert [extension.name for extension in extensions] == [NAME]
        for channel in ("trades", "l4Book"):
            mine, theirs = (
                [message for message in messages if message["channel"] == channel]
                for messages in (compressed, told)
            )
            assert mine == theirs
            assert mine
        last, other = (
            [message for message in messages if message["channel"] == "l2Book"][-1]
            for messages in (compressed, told)
        )
        assert last == other


async def test_a_compressed_book_is_made_once_and_smaller(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, busy=BUSY) as served,
        client(served.port, compression="deflate") as one,
        client(served.port, compression="deflate") as two,
        client(served.port) as plain,
    ):
        for peer in (one, two, plain):
            await peer.subscribe(type="l2Book", coin="BTC")
            await peer.receive()
        market = served.engine.find_symbol("BTC")
        assert market is not None
        followers = sorted(len(book.topic.cursors) for book in market.books.values())
        assert followers == [1, 2], "those who take compressed books share a topic, and so its frames"
        sizes = {session: session.transport.bytes_sent for session in served.server.sessions}
        served.step(20)
        sent = sorted(session.transport.bytes_sent - size for session, size in sizes.items())
        assert sent[0] == sent[1] < sent[2] / 3


async def test_compression_can_be_switched_off(tmp_path: Path) -> None:
    async with serving(tmp_path, compression=False) as served, raw_peer(served.port) as peer:
        await peer.send(request(sec_websocket_extensions=NAME))
        status, headers, _ = await peer.answer()
        assert (status, "sec-websocket-extensions" in headers) == (101, False)


async def test_a_smaller_window_is_kept_to(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        offer = f"{NAME}; server_max_window_bits=9"
        await peer.send(request(sec_websocket_extensions=offer))
        _, headers, _ = await peer.answer()
        assert headers["sec-websocket-extensions"] == f"{ANSWER}; server_max_window_bits=9"
        extension = PerMessageDeflate()
        extension.finalize(headers["sec-websocket-extensions"])
        peer._peer = Connection(ConnectionType.CLIENT, [extension])
        await peer.ask({"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC"}})
        book = await peer.message()
        assert book["channel"] == "l2Book"
        assert len(json.dumps(book)) > 512


@pytest.mark.parametrize("is_packed", [False, True])
async def test_who_sends_too_long_a_message_is_told_how_long_it_may_be(
    tmp_path: Path, is_packed: bool
) -> None:
    text = b"x" * 9000
    data = frame(TEXT, packed(text), rsv=0x40) if is_packed else frame(TEXT, text)
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.upgrade(sec_websocket_extensions=NAME)
        await peer.send(data)
        assert await peer.closed() == (1009, "a message may have 8192 bytes")


async def test_a_bomb_ends_its_sender_alone(tmp_path: Path) -> None:
    bomb = frame(TEXT, packed(b"\0" * 100_000_000, level=9), rsv=0x40)
    async with serving(tmp_path) as served, raw_peer(served.port) as peer, raw_peer(served.port) as other:
        await other.upgrade()
        await peer.upgrade(sec_websocket_extensions=NAME)
        await peer.send(bomb)
        assert (await peer.closed())[0] == 1009
        assert await other.ask({"method": "ping"}) == {"channel": "pong"}
        assert served.counts["messages too big"] == 1
