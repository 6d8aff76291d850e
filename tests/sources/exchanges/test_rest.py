"""Asking a venue's HTTP interface: paced, patient, and whatever it answers is bytes or one error."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import httpx
import pytest
import trio
from trio.testing import MockClock

from hyperstream.sources.exchanges.rest import MAX_ANSWER_BYTES, RestClient, RestError

URL = "http://venue.test"
Respond = Callable[[httpx.Request], httpx.Response]


def client(respond: Respond, interval_seconds: float = 1.0) -> RestClient:
    return RestClient(URL, interval_seconds, transport=httpx.MockTransport(respond))


async def refused(rest: RestClient) -> RestError:
    with pytest.raises(RestError) as caught:
        await rest.get("/x")
    return caught.value


async def test_an_answer_and_what_was_asked(autojump_clock: MockClock) -> None:
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"{}")

    async with client(respond) as rest:
        assert await rest.get("/api/depth", {"symbol": "BTCUSDT", "limit": 5}) == b"{}"
        assert await rest.get("/page?cursor=a%3Db") == b"{}"
        assert await rest.post({"type": "meta"}) == b"{}"
    assert [str(request.url) for request in asked] == [
        "http://venue.test/api/depth?symbol=BTCUSDT&limit=5",
        "http://venue.test/page?cursor=a%3Db",
        "http://venue.test",
    ]
    assert asked[2].content == b'{"type":"meta"}'


async def test_requests_are_apart_and_one_at_a_time(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def respond(request: httpx.Request) -> httpx.Response:
        del request
        times.append(trio.current_time())
        return httpx.Response(200)

    async with client(respond) as rest, trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(rest.get, "/x")
    assert [round(time - times[0], 6) for time in times] == [0, 1, 2, 3]


async def test_failures_wait_longer_each_time_until_one_succeeds(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def respond(request: httpx.Request) -> httpx.Response:
        del request
        times.append(trio.current_time())
        return httpx.Response(500 if len(times) < 5 else 200)

    async with client(respond) as rest:
        for _ in range(4):
            error = await refused(rest)
            assert error.cause == "HTTP 500"
        await rest.get("/x")
        await rest.get("/x")
        assert (rest.requests, rest.failures) == (6, 4)
    waits = [round(after - before, 6) for before, after in pairwise(times)]
    assert waits == [1, 2, 4, 8, 1]


@pytest.mark.parametrize("status", [429, 418, 503])
@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("soon", 60), ("999999999999", 86_400)])
async def test_retry_after_is_honoured(
    autojump_clock: MockClock, status: int, header: str, seconds: float
) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"Retry-After": header}) if not times else httpx.Response(200)

    times: list[float] = []
    async with client(respond) as rest:
        await refused(rest)
        times.append(trio.current_time())
        await rest.get("/x")
        assert trio.current_time() - times[0] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (httpx.ConnectError("refused"), "connect refused"),
        (httpx.ReadTimeout("slow"), "no answer"),
        (httpx.RemoteProtocolError("nonsense"), "RemoteProtocolError"),
    ],
)
async def test_what_breaks_is_one_error_with_a_cause(
    autojump_clock: MockClock, error: Exception, cause: str
) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        del request
        raise error

    async with client(respond) as rest:
        assert (await refused(rest)).cause == cause


async def test_an_answer_longer_than_memory_is_worth_is_refused(autojump_clock: MockClock) -> None:
    async with client(lambda request: httpx.Response(200, content=bytes(MAX_ANSWER_BYTES + 1))) as rest:
        assert (await refused(rest)).cause == "too long"


async def test_an_answer_that_never_ends_is_given_up(autojump_clock: MockClock) -> None:
    async def endless(request: httpx.Request) -> httpx.Response:
        del request
        await trio.sleep_forever()
        raise AssertionError

    async with RestClient(URL, transport=httpx.MockTransport(endless)) as rest:
        assert (await refused(rest)).cause == "no answer"
        assert trio.current_time() < 100
