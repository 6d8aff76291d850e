"""How the daemon ends and begins again: drained, forced, killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from .client import Client, Stream, body, kind
from .contract import message, number
from .program import Daemon, simulated_node
from .rebuilt import RebuiltBook
from .stalled import StalledClient

CHANNELS = 5
CALLS = ("SubscribeOrderbook", "SubscribeBbo", "SubscribeTrades", "SubscribeOrders", "SubscribeStopOrders")
ECHO_SECONDS = 0.2  # signals that follow the first at once are the same wish told twice
LONG_SECONDS = 600  # a drain that lasts until its deadline would outlast every test


@pytest.fixture
def busy_node(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A busy node; yields the settings of a daemon that reads it."""
    with simulated_node(tmp_path / "data", "--load", "busy", "--rate", "20") as (_, url):
        yield {
            "node.data_dir": tmp_path / "data",
            "node.info_url": url,
            "lifecycle.drain_seconds": LONG_SECONDS,
        }


def wait_books(daemon: Daemon) -> int:
    """Wait until the daemon has its books; returns its port."""
    daemon.wait_event("books loaded")
    return daemon.port()


def follow_everything(clients: list[Client], streams: int) -> list[Stream]:
    """Open mixed calls on all connections, each with its first events."""
    opened = []
    for index in range(streams):
        name = CALLS[index // CHANNELS % len(CALLS)]
        symbols = ["*"] if name != "SubscribeOrders" else ["BTC"]
        opened.append(clients[index % CHANNELS].follow(name, symbols))
    for stream in opened:
        stream.wait_first_event()
    return opened


def check_is_contiguous(stream: Stream) -> None:
    """Every event continues the one before it; of best prices, that is: none goes back."""
    last: dict[str, tuple[int, int]] = {}
    for event in stream.events:
        update = body(event)
        assert kind(event) != "gap", update
        if kind(event) in ("notice", "heartbeat"):
            continue
        if kind(event) in ("delta", "trades") and update.symbol in last:
            assert (update.epoch, update.sequence - 1) == last[update.symbol]
        last[update.symbol] = update.epoch, update.sequence


def check_resume_points(stream: Stream, notice: Any) -> None:
    """The notice says where to continue after the events before it; not in the middle of a snapshot."""
    at = next(index for index, event in enumerate(stream.events) if kind(event) == "notice")
    last = {body(event).symbol: body(event) for event in stream.events[:at] if kind(event) != "gap"}
    points = {point.symbol: (point.epoch, point.sequence) for point in notice.resume}
    for symbol, update in last.items():
        if getattr(update, "last_chunk", True):
            assert points[symbol] == (update.epoch, update.sequence)


def test_sigterm_ends_a_hundred_streams_in_order(busy_node: dict[str, Any]) -> None:
    with Daemon(busy_node) as daemon:
        port = wait_books(daemon)
        clients = [Client(port) for _ in range(CHANNELS)]
        streams = follow_everything(clients, 100)
        now_ns = time.time_ns()
        daemon.process.send_signal(signal.SIGTERM)
        for stream in streams:
            assert stream.wait_end() == "OK", stream.details
        assert daemon.wait() == 0  # at the deadline it would be 1, and ten minutes later
        for stream in streams:
            (notice,) = stream.of_kind("notice")
            assert notice.kind == number("NOTICE_KIND_DRAINING")
            assert notice.deadline_time_ns >= now_ns + LONG_SECONDS * 10**9
            assert notice.detail
            check_is_contiguous(stream)
            check_resume_points(stream, notice)
        for client in clients:
            client.__exit__()
        assert not daemon.entries("error")
        assert not daemon.entries("critical")


def test_a_client_that_stopped_reading_is_cut_at_the_deadline(busy_node: dict[str, Any]) -> None:
    request = message("SubscribeOrderbookRequest")(symbols=["*"], depth=1000)
    with Daemon({**busy_node, "lifecycle.drain_seconds": 1.5}) as daemon:
        port = wait_books(daemon)
        with StalledClient(port, request) as stalled, Client(port) as reading, Client(port) as late:
            stalled.stall()
            assert late.call("GetMarkets").height
            stream = reading.follow("SubscribeOrderbook")
            daemon.process.send_signal(signal.SIGTERM)
            assert stream.wait_end() == "OK"
            assert [notice.kind for notice in stream.of_kind("notice")] == [number("NOTICE_KIND_DRAINING")]
            for name in ("GetMarkets", "GetOrderbook"):
                with pytest.raises(grpc.RpcError) as refused:
                    late.call(name, symbols=["BTC"])
                error: Any = refused.value
                assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert daemon.process.poll() is None, "the stalled client should have held the drain"
            stalled.wait_hang_up()
            assert daemon.wait() == 1


def test_a_second_signal_ends_at_once(busy_node: dict[str, Any]) -> None:
    request = message("SubscribeOrderbookRequest")(symbols=["*"], depth=1000)
    with Daemon(busy_node) as daemon:
        with StalledClient(wait_books(daemon), request) as stalled:
            stalled.stall()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_event("draining")
            time.sleep(ECHO_SECONDS)
            assert daemon.process.poll() is None, "the stalled client should have held the drain"
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.wait() == 1
        assert daemon.wait_event("ending at once")["reason"] == "second signal (SIGTERM)"
        assert not daemon.entries("critical")


def test_a_signal_told_twice_is_one(busy_node: dict[str, Any]) -> None:
    with Daemon(busy_node) as daemon:
        wait_books(daemon)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.wait() == 0


def test_a_signal_before_the_snapshot_is_there_ends_in_order(tmp_path: Path) -> None:
    with simulated_node(tmp_path / "data", "--blocks", "1") as (node, _):
        node.wait()
    nobody = {"node.data_dir": tmp_path / "data", "node.info_url": "http://127.0.0.1:9/info"}
    with Daemon({**nobody, "lifecycle.drain_seconds": LONG_SECONDS}) as daemon:
        daemon.wait_event("no usable snapshot yet, asking again")
        with Client(daemon.port()) as client:
            with pytest.raises(grpc.RpcError, match="being loaded"):
                client.call("GetMarkets")
            daemon.process.send_signal(signal.SIGINT)
            assert daemon.wait() == 0


def test_after_kill_9_the_same_directory_serves_again(busy_node: dict[str, Any]) -> None:
    """A resume point of the earlier run gets the gap RESTART and a snapshot, then deltas go on."""
    with Daemon(busy_node) as daemon:
        port = wait_books(daemon)
        with Client(port) as client:
            before = client.follow("SubscribeOrderbook", ["BTC", "ETH"])
            before.wait_for(lambda: len(before.of_kind("delta")) > 5, "deltas")
            daemon.process.kill()
            assert before.wait_end() == "UNAVAILABLE"
    with Daemon(busy_node) as again:
        with Client(wait_books(again)) as client:
            stream = client.follow("SubscribeOrderbook", ["BTC", "ETH"], resume=before.resume_points())
            stream.wait_for(lambda: len(stream.of_kind("delta")) > 5, "deltas")
            books: dict[str, RebuiltBook] = {}
            gaps = stream.of_kind("gap")
            assert {gap.symbol for gap in gaps} == {"BTC", "ETH"}
            assert {gap.reason for gap in gaps} == {number("GAP_REASON_RESTART")}
            for event in stream.events:
                update = body(event)
                book = books.setdefault(update.symbol, RebuiltBook(50))
                if kind(event) == "gap":
                    assert not book.epoch, "the gap comes before the snapshot"
                elif kind(event) == "snapshot":
                    book.take_snapshot(update)
                else:
                    book.take_delta(update)
                assert kind(event) == "gap" or not update.doubtful
        again.process.terminate()
        assert again.wait() == 0
