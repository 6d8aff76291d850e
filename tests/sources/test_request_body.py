"""Requests that are given up while their body is on its way."""

import gc

import httpx
import pytest
import trio

from hyperstream.sources.node.info import InfoClient
from hyperstream.sources.request_body import abandonable

LARGE = "x" * (16 << 20)  # more than sockets hold, so that sending it waits for the peer


@pytest.mark.parametrize("ends", ["hang up", "cancel"])
async def test_a_request_that_is_given_up_while_it_is_sent_leaves_nothing_to_be_finished(ends: str) -> None:
    """What was left would be a warning, and so a failure of this test."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with trio.fail_after(30):
        async with (
            listener,
            InfoClient(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/info") as info,
            trio.open_nursery() as nursery,
        ):
            failures: list[Exception] = []

            async def ask() -> None:
                try:
                    await info.ask({"type": "meta", "dex": LARGE})
                except Exception as exc:
                    failures.append(exc)

            nursery.start_soon(ask)
            peer = await listener.accept()
            assert (await peer.receive_some()).startswith(b"POST /info")
            if ends == "cancel":
                nursery.cancel_scope.cancel(reason="given up")
            await peer.aclose()
    gc.collect()
    assert len(failures) == (ends == "hang up")


async def test_the_body_can_be_read_as_often_as_it_is_asked_for() -> None:
    request = abandonable(httpx.Request("POST", "http://node.test/info", json={"type": "meta"}))
    assert isinstance(request.stream, httpx.AsyncByteStream)
    for _ in range(2):
        assert [piece async for piece in request.stream] == [b'{"type":"meta"}']
    assert request.headers["content-length"] == "15"
