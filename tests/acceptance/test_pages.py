"""What an operator sees of a running daemon over HTTP."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from hyperstream.testing import Divergence

from .contract import message
from .program import PATIENCE_SECONDS, Daemon
from .stage import in_thread, staged
from .stalled import StalledClient

LONG_SECONDS = 600  # a drain that lasts until its deadline would outlast every test
FEEDLESS = {
    f"feeds.{venue}.enabled": "false" for venue in ("binance", "binance_futures", "hyperliquid", "bybit")
}


def pages_of(daemon: Daemon) -> httpx.Client:
    """A reader of its pages."""
    port = daemon.wait_event("status pages and metrics are served")["port"]
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)


def metric(text: str, name: str, **labels: str) -> float:
    """One sample of /metrics, 0 if it is not there."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return next((each.value for each in samples if each.name == name and each.labels == labels), 0.0)


def wait_statuses(pages: httpx.Client, height: int) -> None:
    """Wait until the statuses of a block have been applied, which come after its diffs."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while pages.get("/status").json()["engine"]["positions"]["statuses"]["height"] < height:
        assert time.monotonic() < deadline


async def test_metrics_and_status_tell_what_the_daemon_has_done(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=FEEDLESS) as stage:
        await in_thread(lambda: stage.client.follow("SubscribeOrderbook", ["BTC", "ETH"]))
        await stage.steps(20)
        await stage.caught_up()
        waiting = sum(len(stage.node.stops(symbol)) for symbol in stage.node.symbols)
        with await in_thread(lambda: pages_of(stage.daemon)) as pages:
            await in_thread(wait_statuses, pages, stage.node.height)
            ready = await in_thread(lambda: pages.get("/readyz"))
            text = (await in_thread(lambda: pages.get("/metrics"))).text
            status: dict[str, Any] = (await in_thread(lambda: pages.get("/status"))).json()
    assert (ready.status_code, ready.text) == (200, "ready\n")
    assert metric(text, "hyperstream_block_height") == stage.node.height
    assert metric(text, "hyperstream_stop_orders") == waiting > 0
    assert metric(text, "hyperstream_doubtful_stop_order_markets") == 0
    assert metric(text, "hyperstream_ready") == 1
    assert metric(text, "hyperstream_subscriptions") == 1
    assert metric(text, "hyperstream_node_bytes_read_total", source="diffs") > 0
    assert metric(text, "hyperstream_connections", server="grpc") == 1
    assert status["engine"]["height"] == stage.node.height
    assert status["is_ready"]
    (subscriber,) = status["subscribers"]
    assert subscriber["who"].startswith("grpc 127.0.0.1:")
    assert (subscriber["contract"], subscriber["topics"]) == ("resync", 2)
    assert {(topic["symbol"], topic["kind"], topic["followers"]) for topic in status["topics"]} == {
        ("BTC", "orderbook", 1),
        ("ETH", "orderbook", 1),
    }
    assert {source["kind"] for source in status["node"]["sources"]} == {"diffs", "statuses", "fills"}


async def test_metrics_and_status_tell_whose_mark_prices_are_computed(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=FEEDLESS) as stage:
        stream = await in_thread(lambda: stage.client.follow("SubscribeMarkPrices", ["BTC"]))
        await in_thread(stream.wait_first_event)
        with await in_thread(lambda: pages_of(stage.daemon)) as pages:
            text = (await in_thread(lambda: pages.get("/metrics"))).text
            status: dict[str, Any] = (await in_thread(lambda: pages.get("/status"))).json()
    assert metric(text, "hyperstream_mark_price_markets") == status["marks"]["markets"] == 1
    assert metric(text, "hyperstream_mark_prices_total") >= 1
    topics = [(topic["symbol"], topic["kind"], topic["followers"]) for topic in status["topics"]]
    assert topics == [("BTC", "mark_price", 1)]


async def test_a_slow_subscriber_and_a_doubtful_book_are_counted_by_cause(tmp_path: Path) -> None:
    settings = {**FEEDLESS, "grpc.max_subscriber_queue_messages": 5}
    request = message("SubscribeOrderbookRequest")(symbols=["*"], depth=1000)
    async with staged(tmp_path, settings=settings) as stage:
        with await in_thread(lambda: pages_of(stage.daemon)) as pages:

            async def wait_metric(name: str, cause: str) -> None:
                with trio.fail_after(PATIENCE_SECONDS):
                    while not metric(
                        (await in_thread(lambda: pages.get("/metrics"))).text, name, cause=cause
                    ):
                        await stage.steps(5)

            with StalledClient(await in_thread(stage.daemon.port), request) as stalled:
                await in_thread(stalled.stall)
                await wait_metric("hyperstream_subscriber_events_total", "resync_slow_consumer")
            stage.node.info_faults.hang = True  # no repair
            block = stage.step(Divergence(kind="unknown_remove"))
            await wait_metric("hyperstream_engine_events_total", "markets doubted")
            answer = await in_thread(lambda: pages.get("/readyz"))
    assert answer.status_code == 503
    (symbol,) = block.diverged
    assert f"1 books are doubtful until they are repaired: {symbol}" in answer.text


def test_before_there_are_books_it_is_alive_and_not_ready_and_a_drain_shows(tmp_path: Path) -> None:
    settings = {**FEEDLESS, "node.data_dir": tmp_path, "lifecycle.drain_seconds": LONG_SECONDS}
    with Daemon(settings) as daemon, pages_of(daemon) as pages:
        assert pages.get("/healthz").status_code == 200
        answer = pages.get("/readyz")
        assert answer.status_code == 503
        assert "the books are not loaded" in answer.text
        assert "<title>hyperstream</title>" in pages.get("/").text
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_systemd_is_told_that_it_is_ready_and_that_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Daemon({**FEEDLESS, "node.data_dir": tmp_path / "data"}) as daemon:
            first = systemd.recv(4096).decode()
            assert first.startswith("READY=1\nSTATUS=the books are not loaded")
            daemon.process.send_signal(signal.SIGTERM)
            while (told := systemd.recv(4096).decode()) == "WATCHDOG=1":
                pass
            assert told == "STOPPING=1\nSTATUS=draining"
            assert daemon.wait() == 0


def test_a_port_that_is_taken_costs_the_pages_and_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Daemon({**FEEDLESS, "node.data_dir": tmp_path, "http.listen": f"127.0.0.1:{port}"}) as daemon:
            told = daemon.wait_event("there are no status pages and no metrics")
            assert f"port {port} is taken" in told["problem"]
            assert "http.listen" in told["problem"]
            daemon.port()
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.wait() == 0


def test_pages_that_others_can_read_must_be_wanted_in_plain_words(tmp_path: Path) -> None:
    with Daemon({"node.data_dir": tmp_path, "http.listen": "0.0.0.0:0"}) as daemon:
        assert daemon.wait() == 2
    assert "http.allow_anyone = true" in daemon.told()
