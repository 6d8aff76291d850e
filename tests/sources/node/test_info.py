"""The info client: every way a server can fail becomes an InfoError that says what to do."""

from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest
import trio

from hyperstream.sources.node.info import InfoClient, InfoError

URL = "http://node.test/info"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> InfoClient:
    return InfoClient(URL, httpx.MockTransport(answer))


async def failure(answer: Callable[[httpx.Request], httpx.Response]) -> InfoError:
    async with client(answer) as info:
        with pytest.raises(InfoError) as caught:
            await info.ask({"type": "meta"})
    return caught.value


async def test_a_question_is_a_post_and_its_answer_json() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b'{"universe":[]}')

    async with client(answer) as info:
        assert await info.ask({"type": "meta", "dex": "xyz"}) == {"universe": []}
    assert (asked[0].method, str(asked[0].url)) == ("POST", URL)
    assert orjson.loads(asked[0].content) == {"type": "meta", "dex": "xyz"}


async def test_a_snapshot_is_asked_with_users_height_and_trigger_orders() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        return httpx.Response(200, content=b"")

    async with client(answer) as info:
        await info.write_snapshot(Path("/node/out.json"))
    assert orjson.loads(asked[0]) == {
        "type": "fileSnapshot",
        "request": {"type": "l4Snapshots", "includeUsers": True, "includeTriggerOrders": True},
        "outPath": "/node/out.json",
        "includeHeightInOutput": True,
    }


@pytest.mark.parametrize("status", [422, 500, 503])
async def test_a_status_of_http_is_told_with_its_text(status: int) -> None:
    error = await failure(lambda _: httpx.Response(status, text="no such thing"))
    assert error.status == status
    assert f"HTTP {status}" in str(error)
    assert "no such thing" in str(error)


async def test_a_time_out_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    assert "no answer" in str(await failure(answer))


async def test_a_broken_connection_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("gone", request=request)

    assert "the connection broke" in str(await failure(answer))


async def test_an_answer_that_is_not_json_is_told() -> None:
    assert "not JSON" in str(await failure(lambda _: httpx.Response(200, content=b"<html>")))


async def test_a_refused_connection_names_the_flag() -> None:
    listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener[0].socket.getsockname()[1]
    await listener[0].aclose()
    async with InfoClient(f"http://127.0.0.1:{port}/info") as info:
        with pytest.raises(InfoError, match="--serve-info"), trio.fail_after(30):
            await info.ask({"type": "meta"})
