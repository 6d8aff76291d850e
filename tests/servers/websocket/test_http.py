"""What comes before a WebSocket, and beside it: handshakes judged, info requests answered, others refused."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import trio

from hyperstream.testing import BUSY

from .oracle import trades
from .raw_peer import TEXT, RawPeer, frame, raw_peer, request
from .serving import serving, wait_until


def candles(**wanted: Any) -> dict[str, Any]:
    return {"type": "candleSnapshot", "req": {"coin": "BTC", **wanted}}


async def post(port: int, body: Any, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"http://127.0.0.1:{port}/info", json=body, **options)


async def test_a_handshake_is_accepted_with_the_token_of_its_key(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request())
        status, headers, _ = await peer.answer()
        assert (status, headers["upgrade"]) == (101, "websocket")
        assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
        assert "sec-websocket-extensions" not in headers


async def test_what_was_sent_with_the_handshake_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request() + frame(TEXT, b'{"method":"ping"}'))
        status, _, _ = await peer.answer()
        assert status == 101
        peer._peer.receive_data(peer.received)
        assert await peer.message() == {"channel": "pong"}


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"sec_websocket_version": "8"}, 426, "only version 13"),
        ({"sec_websocket_version": None}, 426, "only version 13"),
        ({"sec_websocket_key": None}, 400, "16 bytes in base64"),
        ({"sec_websocket_key": "c2hvcnQ="}, 400, "16 bytes in base64"),
        ({"sec_websocket_key": "not base64!"}, 400, "16 bytes in base64"),
        ({"upgrade": None}, 426, "this is a WebSocket"),
        ({"connection": "keep-alive"}, 426, "this is a WebSocket"),
        ({"target": "/ws?token=secret"}, 400, "nothing is taken from the query"),
        ({"target": "/other"}, 404, "/ws and /info"),
        ({"host": None}, 400, "not HTTP"),
        ({"method": "PUT", "target": "/info"}, 405, "POST it"),
        ({"method": "POST"}, 405, "opened with GET"),
        ({"method": "POST", "body": b"{}"}, 405, "opened with GET"),
    ],
)
async def test_what_is_no_handshake_is_refused_with_a_reason(
    tmp_path: Path, change: dict[str, Any], status: int, words: str
) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request(**change))
        told, headers, body = await peer.answer()
        assert (told, words in body.decode()) == (status, True), body
        if status == 426 and "only" in words:
            assert headers["sec-websocket-version"] == "13"


async def test_a_handshake_of_an_older_http_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        status, _, body = await peer.answer()
        assert (status, body) == (505, b"a WebSocket is opened with HTTP/1.1, not 1.0\n")


@pytest.mark.parametrize(
    ("origins", "origin", "is_let_in"),
    [
        (("*",), "https://evil.example", True),
        (("https://desk.example",), "https://desk.example", True),
        (("https://desk.example",), None, True),
        (("https://desk.example",), "https://evil.example", False),
        (("https://desk.example",), "null", False),
    ],
)
async def test_scripts_of_foreign_pages_are_kept_out_when_origins_are_named(
    tmp_path: Path, origins: tuple[str, ...], origin: str | None, is_let_in: bool
) -> None:
    async with serving(tmp_path, origins=origins) as served:
        async with raw_peer(served.port) as peer:
            await peer.send(request(origin=origin))
            status, _, body = await peer.answer()
            assert status == (101 if is_let_in else 403)
            assert is_let_in or b"websocket.origins" in body
        headers = {} if origin is None else {"origin": origin}
        answer = await post(served.port, {"type": "allMids"}, headers=headers)
        assert answer.status_code == (200 if is_let_in else 403)
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (None if origin is None or not is_let_in else "*" if origins == ("*",) else origin)


async def test_a_browsers_question_before_the_request_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{served.port}/info"
        answer = await client.options(url, headers={"origin": "https://a.example"})
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_info_is_answered_from_our_books_and_the_nodes_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        served.step(30)
        book = (await post(served.port, {"type": "l2Book", "coin": "BTC", "nLevels": 3})).json()
        truth = served.node.truth("BTC", 3)
        assert book["coin"] == "BTC"
        assert [[(level["px"], level["sz"], level["n"]) for level in side] for side in book["levels"]] == [
            list(truth.bids),
            list(truth.asks),
        ]
        mids = (await post(served.port, {"type": "allMids"})).json()
        assert set(mids) == {"BTC", "ETH", "@107", "PURR/USDC"}
        assert (await post(served.port, {"type": "meta", "dex": ""})).json()["universe"][0]["name"] == "BTC"
        wanted = {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": 2**52}
        answer = (await post(served.port, {"type": "candleSnapshot", "req": wanted})).json()
        assert sum(candle["n"] for candle in answer) == len(trades(tmp_path / "data", "BTC"))
        assert all(candle["T"] - candle["t"] == 59_999 for candle in answer)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "clearinghouseState", "user": "0x"}, 422),
        ({"type": "spotMeta"}, 503),
        ({"type": "l2Book", "coin": "NOPE"}, 500),
        ({"type": "l2Book", "coin": 7}, 422),
        ({"type": "l2Book", "coin": "BTC", "nSigFigs": 9}, 422),
        ({"type": "l2Book", "coin": "BTC", "nLevels": 0}, 422),
        ({"type": "candleSnapshot"}, 422),
        (
            {
                "type": "candleSnapshot",
                "req": {"coin": "BTC", "interval": "1m", "startTime": 9, "endTime": 1},
            },
            422,
        ),
        ({"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1y", "startTime": 1}}, 422),
        ({}, 422),
        ([], 422),
        (None, 422),
    ],
)
async def test_what_cannot_be_answered_is_refused_as_the_node_does(
    tmp_path: Path, body: Any, status: int
) -> None:
    async with serving(tmp_path) as served:
        answer = await post(served.port, body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("text/plain")


async def test_a_connection_may_ask_many_questions(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        body = b'{"type":"allMids"}'
        for _ in range(5):
            await peer.send(request("/info", "POST", body, upgrade=None, connection=None))
            status, _, answer = await peer.answer()
            assert (status, "BTC" in json.loads(answer)) == (200, True)
        assert served.server.statistics().connections == 1


async def test_a_request_longer_than_a_message_may_be_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message_bytes=1000) as served, raw_peer(served.port) as peer:
        await peer.send(request("/info", "POST", b"x" * 1001, upgrade=None, connection=None))
        status, headers, body = await peer.answer()
        assert (status, headers["connection"], body) == (413, "close", b"a request may have 1000 bytes\n")
        await peer.hung_up()


async def test_headers_without_an_end_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, raw_peer(served.port) as peer:
        await peer.send(b"GET /ws HTTP/1.1\r\nx: " + b"x" * 20_000)
        status, _, _ = await peer.answer()
        assert status == 431
        await wait_until(lambda: served.counts.get("malformed requests") == 1)


async def test_a_slow_or_silent_handshake_is_cut_after_five_seconds(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def drip(peer: RawPeer) -> None:
        try:
            for byte in request():
                await peer.send(bytes((byte,)))
                await trio.sleep(0.2)
        except trio.BrokenResourceError:
            return

    async with serving(tmp_path) as served, raw_peer(served.port) as silent, raw_peer(served.port) as slow:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip, slow)
            await silent.hung_up()
            await slow.hung_up()
            nursery.cancel_scope.cancel(reason="both are cut")
        assert 5.0 <= trio.current_time() - began < 5.5
        await wait_until(lambda: served.counts["handshakes too slow"] == 2)


async def test_any_bytes_end_that_connection_and_no_other(tmp_path: Path) -> None:
    random = Random(7)
    good = request()
    async with serving(tmp_path) as served, raw_peer(served.port) as other:
        await other.upgrade()
        for round_number in range(100):
            data = bytearray(good if round_number % 2 else random.randbytes(200))
            for _ in range(random.randrange(4)):
                data[random.randrange(len(data))] = random.randrange(256)
            async with raw_peer(served.port) as peer:
                await peer.send(bytes(data))
                await peer.stream.send_eof()
                with trio.fail_after(5):
                    while await peer.stream.receive_some():
                        pass
        assert await other.ask({"method": "ping"}) == {"channel": "pong"}
        assert "connections that failed" not in served.counts
