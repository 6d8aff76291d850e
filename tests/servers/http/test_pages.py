"""The operator's pages: what they answer, and what a reader may do to them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from hyperstream.config import HttpSettings, ListenAddress
from hyperstream.servers.http.server import FIRST_REQUEST_SECONDS, MAX_CONNECTIONS, HttpServer


@define
class Known:
    """Figures that are what a test says."""

    wrong: list[str] = field(factory=list)
    told: dict[str, Any] = field(factory=dict)
    causes: dict[str, int] = field(factory=dict)

    def troubles(self) -> list[str]:
        return self.wrong

    def status(self) -> dict[str, Any]:
        return self.told

    def metrics(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("hyperstream_height", "A height.", value=7)
        family = CounterMetricFamily("hyperstream_events", "Events.", labels=["cause"])
        for cause, count in self.causes.items():
            family.add_metric([cause], count)
        yield family


@asynccontextmanager
async def serving(known: Known) -> AsyncIterator[tuple[HttpServer, httpx.AsyncClient]]:
    server = HttpServer(HttpSettings(listen=ListenAddress("127.0.0.1", 0)), known)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            address = await nursery.start(server.run)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{address[1]}", trust_env=False
            ) as client:
                yield server, client
            server.close()


async def test_it_is_alive_and_ready_unless_there_is_trouble() -> None:
    known = Known()
    async with serving(known) as (_, client):
        assert (await client.get("/healthz")).text == "alive\n"
        assert (await client.get("/readyz")).status_code == 200
        known.wrong = ["the books are not loaded", "feed binance: down"]
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "the books are not loaded\nfeed binance: down\n")
        assert (await client.get("/healthz")).status_code == 200


async def test_metrics_are_read_by_prometheus_own_parser() -> None:
    causes = {"too many connections": 3, 'a "quoted"\ncause\\': 1}
    async with serving(Known(causes=causes)) as (_, client):
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["hyperstream_height"].samples[0].value == 7
    found = {sample.labels["cause"]: sample.value for sample in families["hyperstream_events"].samples}
    assert found == causes
    assert "process_resident_memory_bytes" in families


async def test_the_status_is_json_and_the_page_looks_at_it() -> None:
    async with serving(Known(told={"height": 7, "names": ["ünï"]})) as (_, client):
        assert (await client.get("/status")).json() == {"height": 7, "names": ["ünï"]}
        page = await client.get("/?anything")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "/status" in page.text
        assert "http" not in page.text.replace("http-equiv", ""), "it loads nothing from elsewhere"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nothing", 404, "/metrics"),
        ("POST", "/status", 405, "only be read"),
        ("DELETE", "/", 405, "only be read"),
    ],
)
async def test_what_is_not_there_is_said_and_the_connection_goes_on(
    method: str, path: str, status: int, words: str
) -> None:
    async with serving(Known()) as (_, client):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert words in answer.text
        assert (await client.get("/healthz")).status_code == 200


async def test_a_head_request_gets_no_body() -> None:
    async with serving(Known()) as (_, client):
        answer = await client.head("/healthz")
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "6")
        assert (await client.get("/healthz")).text == "alive\n"


async def test_a_peer_that_speaks_something_else_is_told_so_and_nobody_else_notices() -> None:
    async with serving(Known()) as (server, client):
        stream = await trio.open_tcp_stream("127.0.0.1", client.base_url.port or 0)
        await stream.send_all(b"\x16\x03\x01 not HTTP\r\n\r\n")
        assert b"400" in await stream.receive_some()
        await stream.aclose()
        assert (await client.get("/healthz")).status_code == 200
        assert server.counts["malformed requests"] == 1


async def test_a_page_that_fails_ends_its_connection_only() -> None:
    class Broken(Known):
        def status(self) -> dict[str, Any]:
            raise ZeroDivisionError("the figure that broke")

    async with serving(Broken()) as (server, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/status")
        assert server.counts["requests that failed"] == 1
        assert (await client.get("/healthz")).status_code == 200


async def test_more_readers_than_there_is_room_for_are_hung_up_on() -> None:
    async with serving(Known()) as (server, client):
        port = client.base_url.port or 0
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        with trio.fail_after(10):
            while server._limits.total < MAX_CONNECTIONS:  # noqa: ASYNC110 - another task of the server
                await trio.sleep(0.01)
        one_more = await trio.open_tcp_stream("127.0.0.1", port)
        assert await one_more.receive_some() == b""
        assert server.counts["too many connections"] == 1
        for stream in (*streams, one_more):
            await stream.aclose()


async def test_a_reader_that_says_nothing_is_let_go(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(HttpSettings(listen=ListenAddress("127.0.0.1", 0)), Known())
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        peer, _ = listener.accept()
        began = trio.current_time()
        await server._serve(peer, "silent")
    assert trio.current_time() - began == FIRST_REQUEST_SECONDS


async def test_a_port_that_is_taken_costs_the_pages_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HttpServer(HttpSettings(listen=ListenAddress("127.0.0.1", port)), Known())
        async with trio.open_nursery() as nursery:
            assert await nursery.start(server.run) is None
