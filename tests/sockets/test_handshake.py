"""The handshake of WebSocket: what is no answer to it says what it is."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import ConnectFailed

from .frames import (
    open_transport,
)


async def shake(answer: bytes, *, close: bool = False) -> None:
    transport, far, _ = open_transport()
    await far.send_all(answer)
    if close:
        await far.send_eof()
    with trio.fail_after(30):
        await transport.shake_hands()


HTML = b"<html>\n<body>Sign in to our hotel</body></html>"


@pytest.mark.parametrize(
    ("answer", "kind", "detail"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(HTML) + HTML,
            "rejected",
            "HTTP 200 (text/html) instead of a handshake: '<html>",
        ),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "rejected", "HTTP 503 (no content type)"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", "rejected", "HTTP 301"),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", "rate limited", "HTTP 429"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "not a WebSocket", "no handshake"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n",
            "not a WebSocket",
            "no handshake",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not a WebSocket", "the peer says b'SSH-2.0-"),
        (b"\x16\x03\x01\x02\x00", "not a WebSocket", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "not a WebSocket", "longer than 65536 bytes"),
    ],
)
async def test_what_is_no_handshake_says_what_it_is(answer: bytes, kind: str, detail: str) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await shake(answer)
    assert failed.value.kind == kind
    assert detail in failed.value.detail


async def test_a_peer_that_closes_before_it_answers() -> None:
    with pytest.raises(ConnectFailed) as failed:
        await shake(b"HTTP/1.1 10", close=True)
    assert failed.value.kind == "closed"
    assert "after 11 bytes" in failed.value.detail


async def test_retry_after_is_read_from_a_429() -> None:
    with pytest.raises(ConnectFailed) as failed:
        await shake(b"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n")
    assert (failed.value.status, failed.value.retry_after_seconds) == (429, 17.0)


@given(st.binary(max_size=300))
def test_no_answer_makes_the_handshake_raise_anything_else(answer: bytes) -> None:
    async def main() -> None:
        with pytest.raises(ConnectFailed):
            await shake(answer, close=True)

    trio.run(main)
